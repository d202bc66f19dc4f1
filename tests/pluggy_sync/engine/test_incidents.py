"""Incidents of banks: what they are the reason of, whom they keep from being asked, and who is told that it is over."""

import dataclasses
from datetime import datetime, timedelta

import pytest

from pluggy_sync import wire
from pluggy_sync.engine import sweep
from pluggy_sync.engine.incidents import read_status_page, tell_returns
from pluggy_sync.engine.reminders import remind
from pluggy_sync.pluggy.payloads import SAO_PAULO
from pluggy_sync.store.tables import bank_incidents, bank_returns, connectors, outbox
from tests.kit.clock import Clock
from tests.kit.factories import API_TOKEN

BANK = 2
OUTAGE = {"type": "INSTITUTION_OUTAGE", "severity": "MAJOR_OUTAGE"}
DELAY = {"type": "CONNECTION_NOT_UPDATING", "severity": "DEGRADED"}


@pytest.fixture
def clock() -> Clock:
    """Noon in São Paulo, some day soon."""
    return Clock((datetime.now(SAO_PAULO) + timedelta(days=1)).replace(hour=12, minute=0))


@pytest.fixture
def page(service):
    """A service that reads the status page."""
    settings = dataclasses.replace(service.res.settings, status_page_url=service.res.settings.pluggy_api_url)
    return dataclasses.replace(service.res, settings=settings)


def begins(service, *, connector=BANK, **incident):
    body = {"connectorIds": [connector], **incident}
    return service.upstream.sandbox.control("POST", "/incidents", body)["id"]


def ends(service, incident_id):
    service.upstream.sandbox.control("PATCH", f"/incidents/{incident_id}", {"state": "RESOLVED", "message": "over"})


def freshness(service, item_id):
    answer = service.web.get(f"/v1/items/{item_id}", headers={"Authorization": f"Bearer {API_TOKEN}"})
    found = answer.get_json()["freshness"]
    return found["state"], found["reason"]


def told(service, type_):
    return [wire.decode(row.body)["data"] for row in service.rows(outbox, outbox.c.type == type_)]


def update(service, item_id):
    service.upstream.later(days=1)
    service.upstream.run(item_id)
    service.catch_up()


def test_an_outage_is_the_reason_and_nobody_is_asked_until_it_is_over(service):
    incident = begins(service, **OUTAGE)
    item_id = service.upstream.connect("user-locked")
    service.catch_up()

    assert freshness(service, item_id) == ("bank_outage", "INSTITUTION_OUTAGE")
    assert told(service, "item.action_required") == []

    ends(service, incident)
    other = service.upstream.connect("user-ok")
    service.catch_up()
    sweep.sweep(service.res)
    service.work_until_quiet()

    assert freshness(service, other)[0] == "fresh"
    assert len(told(service, "item.action_required")) == 1
    assert freshness(service, item_id) == ("waiting_for_person", "ACCOUNT_LOCKED")


def test_a_lesser_incident_is_only_the_reason_of_what_is_not_well(service):
    well, failing = service.upstream.connect("user-ok"), service.upstream.connect("user-error")
    service.catch_up()
    assert freshness(service, failing) == ("error", "UNEXPECTED_ERROR")

    begins(service, **DELAY)
    update(service, well)

    assert freshness(service, well) == ("fresh", None)
    assert freshness(service, failing) == ("bank_outage", "CONNECTION_NOT_UPDATING")


@pytest.mark.parametrize(
    "incident",
    [
        {"type": "WEBHOOK_DELAY", "severity": "MAJOR_OUTAGE"},
        {"type": "INSTITUTION_OUTAGE", "severity": "MAJOR_OUTAGE", "product": "pis"},
        {"type": "SCHEDULED_MAINTENANCE", "severity": "MAINTENANCE", "startsInSeconds": 864_000},
    ],
)
def test_what_is_not_about_data_or_has_not_begun_keeps_nobody_from_being_asked(service, incident):
    begins(service, **incident)
    item_id = service.upstream.connect("user-locked")
    service.catch_up()

    assert freshness(service, item_id)[0] == "waiting_for_person"
    assert len(told(service, "item.action_required")) == 1


def test_those_who_were_hit_are_told_once_that_their_bank_is_back(service, page, clock):
    hit, well = service.upstream.connect("user-error"), service.upstream.connect("user-ok")
    service.catch_up()
    incident = begins(service, **OUTAGE)
    read_status_page(page)
    ends(service, incident)

    read_status_page(page)
    for _ in range(3):
        remind(service.res)

    (data,) = told(service, "item.bank_back")
    assert (data["itemId"], data["connectorId"], data["incident"]["type"]) == (hit, BANK, "INSTITUTION_OUTAGE")
    assert data["incident"]["since"] < data["incident"]["until"]
    assert well not in [each["itemId"] for each in told(service, "item.bank_back")]
    read_status_page(page)
    remind(service.res)
    assert len(told(service, "item.bank_back")) == 1


def test_at_night_nobody_is_told_before_the_morning(service, page, clock):
    service.upstream.connect("user-error")
    service.catch_up()
    incident = begins(service, **OUTAGE)
    read_status_page(page)
    clock.advance(hours=11)
    ends(service, incident)
    read_status_page(page)

    remind(service.res)
    assert told(service, "item.bank_back") == []
    assert len(service.rows(bank_returns)) == 1

    clock.advance(hours=10)
    remind(service.res)
    assert len(told(service, "item.bank_back")) == 1


def test_a_bank_that_is_away_again_by_then_is_not_said_to_be_back(service, page, clock):
    service.upstream.connect("user-error")
    service.catch_up()
    incident = begins(service, **OUTAGE)
    read_status_page(page)
    ends(service, incident)
    read_status_page(page)
    begins(service, **OUTAGE)
    read_status_page(page)

    tell_returns(service.res)

    assert told(service, "item.bank_back") == []


def test_what_the_status_page_tells_is_not_ended_by_an_item_that_shows_nothing(service, page):
    """The Item as fetched does not show the incidents of its connector, or shows it as it was."""
    item_id = service.upstream.connect("user-ok")
    service.catch_up()
    incident = begins(service, **OUTAGE)
    read_status_page(page)
    ends(service, incident)
    update(service, item_id)

    assert freshness(service, item_id) == ("bank_outage", "INSTITUTION_OUTAGE")
    read_status_page(page)
    assert freshness(service, item_id) == ("fresh", None)


def test_banks_of_nobody_are_not_kept_and_a_page_that_fails_changes_nothing(service, page):
    service.upstream.connect("user-ok")
    service.catch_up()
    begins(service, **OUTAGE)
    begins(service, connector=601, **OUTAGE)
    read_status_page(page)
    before = service.rows(bank_incidents)
    assert [row.connector_id for row in before] == [BANK]

    away = dataclasses.replace(page.settings, status_page_url="http://127.0.0.1:1")
    read_status_page(dataclasses.replace(page, settings=away))

    assert service.rows(bank_incidents) == before
    assert [row.away for row in service.rows(connectors)] == [True]


def test_the_person_s_page_says_that_the_bank_is_away(service, page):
    item_id = service.upstream.connect("user-locked")
    service.catch_up()
    (action,) = told(service, "item.action_required")
    begins(service, **OUTAGE)
    read_status_page(page)

    path = action["action"]["pageUrl"].removeprefix(service.res.settings.public_url)
    shown = service.web.get(path).get_data(as_text=True)

    assert "fora do ar" in shown
    assert freshness(service, item_id)[0] == "bank_outage"
