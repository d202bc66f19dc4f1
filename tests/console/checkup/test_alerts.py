"""Open alerts are judged by a look at the thing itself: each is seen to stand, to be over, and to be new."""

import dataclasses

import pytest

from console.checkup import alerts
from pluggy_sync import events
from pluggy_sync.engine import watchdog
from pluggy_sync.redis_options import redis_options
from pluggy_sync.rules.alerts import Code, Finding
from pluggy_sync.store import inbox
from tests.kit.factories import an_event, an_id

NONE = {"Alerts": ("pass", "none is open, and there is no reason for one now")}


@pytest.fixture
def res(with_settings, upstream):
    """A service whose webhook at Pluggy is as it should be."""
    res = with_settings(public_url="https://sync.example.com")
    headers = {res.settings.webhook_secret_header: res.settings.webhook_secrets[0]}
    upstream.sandbox.api("POST", "/webhooks", {"url": URL, "event": "all", "headers": headers})
    return res


URL = "https://sync.example.com/webhooks/pluggy"


def raise_alert(res, code, *, subject="", detail="as told"):
    watchdog.settle(res, [Finding(code=code, subject=subject, detail=detail)], (), res.now())


def test_without_alerts_and_trouble_all_is_well(said, res):
    assert said(alerts.told, res) == NONE


def test_an_alert_whose_cause_is_over_is_no_problem_and_says_when_it_was_seen(said, res, clock):
    raise_alert(res, Code.WORK_OVERDUE, subject="events")
    clock.advance(minutes=2)

    assert said(alerts.told, res) == {
        "Alert work_overdue": (
            "pass",
            "not there now; last seen 2 minutes ago, and told as over 5 minutes after that (as told)",
        )
    }


def test_an_alert_that_stands_is_told_by_its_urgency_as_it_is_now(said, res, upstream, clock):
    with res.database.begin() as conn:
        payload = an_event("item/updated", itemId=an_id())
        event_id = inbox.record(conn, events.of_payload(payload), received_at=res.now()).event_id
        inbox.mark_dead(conn, event_id, "503", now=res.now())
    raise_alert(res, Code.DEAD_LETTERS, subject="events")
    upstream.fail({"endpoint": "POST /auth", "do": "status", "status": 403})
    raise_alert(res, Code.CREDENTIALS_REFUSED)
    clock.advance(minutes=2)

    found = said(alerts.told, res)

    assert found["Alert dead_letters"] == (
        "heads-up",
        "1 events in the last 24 hours; open for 2 minutes, and seen now",
    )
    verdict, detail = found["Alert credentials_refused"]
    assert verdict == "problem"
    assert "as told" not in detail


def test_trouble_that_the_watchdog_has_not_told_yet_is_told(said, res, with_settings):
    elsewhere = with_settings(public_url="https://new.example.com")

    verdict, detail = said(alerts.told, elsewhere)["Alert webhook_missing"]

    assert (verdict, detail.endswith("; seen now, and not told yet")) == ("problem", True)


def test_an_alert_that_cannot_be_looked_at_stays_as_it_was_told_and_says_so(said, res, clock):
    raise_alert(res, Code.DELIVERIES_REJECTED)
    raise_alert(res, Code.WORK_OVERDUE, subject="events")
    clock.advance(minutes=1)
    away = redis_options("redis://127.0.0.1:1/0").client(connect_timeout_s=1, timeout_s=1)

    found = said(alerts.told, dataclasses.replace(res, redis=away))

    assert found["Alert deliveries_rejected"] == (
        "problem",
        "as told; seen 60 seconds ago; it could not be looked at now (ConnectionError)",
    )
    assert found["Alert work_overdue"][0] == "pass"
