"""What an operator does to one thing is done, and stands in the audit log."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from pluggy_sync import queue
from pluggy_sync.store import audit
from pluggy_sync.store.tables import deliveries, endpoints, inbox, sync_runs
from tests.console.pages.conftest import OPERATOR, Browser
from tests.kit.factories import an_event, an_id
from tests.kit.service import Service
from tests.kit.workers import run_message, take_messages


@pytest.fixture
def log(service: Service) -> Callable[[], list[tuple[str, str, str | None]]]:
    """Who did what, to what; without the sign-in."""

    def read() -> list[tuple[str, str, str | None]]:
        with service.res.database.begin() as conn:
            return [(each.operator, each.what, each.about) for each in audit.before(conn, None, limit=100)][:-1]

    return read


def test_a_dead_event_is_processed_again(browser: Browser, service: Service, log):
    event = an_event("item/updated", itemId=an_id())
    service.deliver(event)
    with service.res.database.begin() as conn:
        conn.execute(sa.update(inbox).values(state="dead", attempts=9))
    page = f"/events/{event['eventId']}"

    answer = browser.send(page, f"{page}/process")

    assert answer.location == page
    assert "It is handled now." in browser.text(page)
    with service.res.database.begin() as conn:
        assert conn.execute(sa.select(inbox.c.state, inbox.c.attempts)).one() == ("stored", 0)
    assert log() == [(OPERATOR, "process_event", event["eventId"])]


def test_an_event_that_is_handled_is_not_and_the_page_says_what_to_do(browser: Browser, service: Service):
    event = an_event("item/updated", itemId=an_id())
    service.deliver(event)
    with service.res.database.begin() as conn:
        conn.execute(sa.update(inbox).values(state="handled"))
    page = f"/events/{event['eventId']}"

    assert "Process again" not in browser.text(page)
    browser.send(page, f"{page}/process")

    assert "sync the Item" in browser.text(page)


def test_an_item_is_synced_and_reconciled(browser: Browser, service: Service, log):
    item_id = service.upstream.connect()
    service.catch_up()
    service.upstream.evolve(item_id, "add")
    service.upstream.run(item_id)
    service.upstream.take_events()
    page = f"/items/{item_id}"

    browser.send(page, f"{page}/sync")
    service.work_until_quiet()
    browser.send(page, f"{page}/reconcile")
    for message in take_messages(service.res, queue.RECONCILIATIONS):
        run_message(service.res, message)

    with service.res.database.begin() as conn:
        triggers = conn.scalars(sa.select(sync_runs.c.trigger).order_by(sync_runs.c.started_at)).all()
    assert len(triggers) == 3
    assert triggers[-1] == "reconciliation"
    assert log() == [(OPERATOR, "reconcile_item", item_id), (OPERATOR, "sync_item", item_id)]


@pytest.mark.parametrize("act", ["sync", "reconcile"])
def test_nothing_is_done_to_an_unknown_item(browser: Browser, log, act: str):
    assert browser.send("/", f"/items/{an_id()}/{act}").status_code == 404
    assert log() == []


def test_a_notification_is_sent_again(browser: Browser, service: Service, log):
    service.upstream.connect()
    service.catch_up()
    with service.res.database.begin() as conn:
        id_ = conn.scalar(sa.update(deliveries).values(state="dead").returning(deliveries.c.notification_id))

    browser.send(f"/notifications/{id_}", f"/notifications/{id_}/resend")

    assert "delivered again to ep_environment" in browser.text(f"/notifications/{id_}")
    with service.res.database.begin() as conn:
        assert conn.scalar(sa.select(deliveries.c.state)) == "pending"
    assert log() == [(OPERATOR, "resend_notification", id_)]


def test_a_stopped_endpoint_is_resumed_and_pinged(browser: Browser, service: Service, log):
    with service.res.database.begin() as conn:
        values = {"stopped_at": service.res.now(), "stop_reason": "gone", "url_digest": "x"}
        conn.execute(sa.update(endpoints).values(values))
    page = "/endpoints/ep_environment"
    assert "it answered 410" in browser.text(page)

    browser.send(page, f"{page}/resume")
    browser.send(page, f"{page}/ping")

    assert "it answered 410" not in browser.text(page)
    with service.res.database.begin() as conn:
        assert conn.scalar(sa.text("SELECT type FROM outbox")) == "endpoint.ping"
    assert log() == [(OPERATOR, "ping_endpoint", "ep_environment"), (OPERATOR, "resume_endpoint", "ep_environment")]


def test_what_operators_did_can_be_read(browser: Browser, service: Service):
    item_id = service.upstream.connect()
    service.catch_up()
    browser.send(f"/items/{item_id}", f"/items/{item_id}/sync")

    page = browser.text("/acts")

    assert "sync item" in page
    assert item_id in page
    assert "signed in" in page
