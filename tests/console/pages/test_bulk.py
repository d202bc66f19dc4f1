"""Many things at once: counted, confirmed, done in the background, with progress."""

import pytest
import sqlalchemy as sa

from console.pages import bulk
from pluggy_sync.engine import bulk as work
from pluggy_sync.store import audit
from pluggy_sync.store.tables import inbox, items
from standalone.polling import eventually
from tests.console.pages.conftest import Browser
from tests.kit.factories import an_event, an_id
from tests.kit.service import Service


@pytest.fixture
def dead(service: Service) -> None:
    """Three events that were given up, and one that was not."""
    service.deliver(*(an_event("item/updated", itemId=an_id()) for _ in range(3)))
    with service.res.database.begin() as conn:
        conn.execute(sa.update(inbox).values(state="dead"))
    service.deliver(an_event("item/updated", itemId=an_id()))


def progress(browser: Browser, address: str) -> str:
    return browser.text(address, headers={"HX-Request": "true"})


def test_what_would_be_done_is_counted_and_nothing_is_done_before_it_is_confirmed(browser: Browser, service, dead):
    assert "/bulk/new?what=process_events&amp;which=dead" in browser.text("/events?which=dead")

    page = browser.text("/bulk/new?what=process_events&which=dead")

    assert "<strong>3</strong> events" in page
    with service.res.database.begin() as conn:
        assert conn.scalar(sa.text("SELECT count(*) FROM bulk_operations")) == 0


def test_it_is_done_in_the_background_with_its_progress_and_is_in_the_audit_log(browser: Browser, service, dead):
    address = "/bulk/new?what=process_events&which=dead"
    answer = browser.send(address, "/bulk", what="process_events", which="dead")
    assert "0 of 3" in browser.text(answer.location)

    end = bulk.work_in_background(service.res)
    try:
        eventually(lambda: ">done<" in progress(browser, answer.location), what="it is done")
    finally:
        end()

    assert "3 of 3" in progress(browser, answer.location)
    assert "hx-trigger" not in progress(browser, answer.location)
    with service.res.database.begin() as conn:
        (entry, *_) = audit.before(conn, None, limit=1)
    assert (entry.what, entry.detail) == ("bulk_process_events", {"which": "dead"})


def test_it_can_be_stopped(browser: Browser, service: Service, dead):
    answer = browser.send("/bulk/new?what=process_events&which=dead", "/bulk", what="process_events", which="dead")

    browser.send(answer.location, f"{answer.location}/stop")

    page = browser.text(answer.location)
    assert "stopped" in page
    assert "hx-trigger" not in page


@pytest.mark.parametrize("what", ["sync_items", "reconcile_items"])
def test_items_are_counted_as_the_list_shows_them(browser: Browser, service: Service, what: str):
    service.upstream.connect()
    service.upstream.connect(connector=5)
    service.catch_up()

    assert "<strong>2</strong> Items" in browser.text(f"/bulk/new?what={what}")
    assert "<strong>1</strong> Items" in browser.text(f"/bulk/new?what={what}&freshness=waiting_for_person&status=")
    with service.res.database.begin() as conn:
        conn.execute(sa.update(items).values(client_user_id="user-1"))
    assert "<strong>0</strong> Items" in browser.text(f"/bulk/new?what={what}&user=user-2")


@pytest.mark.parametrize("query", ["", "what=delete_items", "what=resend_notifications&state=pending"])
def test_what_cannot_be_done_is_refused(browser: Browser, query: str):
    assert browser.get(f"/bulk/new?{query}").status_code == 400


def test_an_unknown_operation_is_not_found(browser: Browser):
    assert browser.get("/bulk/bulk_x").status_code == 404


def test_whose_items_they_were_is_not_kept(browser: Browser, service: Service):
    service.upstream.connect(clientUserId="maria-77")
    service.catch_up()
    answer = browser.send("/bulk/new?what=sync_items&user=maria-77", "/bulk", what="sync_items", user="maria-77")
    assert "maria-77" in browser.text(answer.location)

    while work.step(service.res) is work.Step.WORKED:
        pass

    assert "1 of 1" in browser.text(answer.location)
    assert "maria-77" not in browser.text(answer.location)
    assert "maria-77" not in browser.text("/acts")
