"""Which banks work, and what was heard of them."""

import sqlalchemy as sa

from pluggy_sync.store.tables import bank_incidents, connectors
from tests.console.pages.conftest import Browser
from tests.kit.factories import an_event
from tests.kit.service import Service


def test_those_in_trouble_come_first_with_their_items_that_are_not_well(browser: Browser, service: Service):
    service.upstream.connect()
    service.upstream.connect("user-error")
    service.upstream.connect(connector=5)
    service.catch_up()
    with service.res.database.begin() as conn:
        conn.execute(sa.update(connectors).where(connectors.c.id == 5).values(name="Z Bank", status="OFFLINE"))

    page = browser.text("/connectors")

    assert page.index("Z Bank") < page.index("Pluggy Bank")
    assert ">1</td>" in page
    assert "Nothing: Pluggy told of no change." in page


def test_changes_that_pluggy_told_of_are_listed_and_no_other_text_is(browser: Browser, service: Service):
    service.upstream.connect()
    service.catch_up()
    for status in ("OFFLINE", "Conta da Maria", "ONLINE"):
        service.deliver(an_event("connector/status_updated", itemId=None, connectorId=2, data={"status": status}))

    page = browser.text("/connectors")

    heard = page.split("What was heard lately")[1]
    assert heard.index(">ONLINE<") < heard.index(">OFFLINE<")
    assert heard.count("Pluggy Bank") == 3
    assert "Maria" not in page


def test_incidents_that_are_told_of_are_listed(browser: Browser, service: Service):
    service.upstream.connect()
    service.catch_up()
    with service.res.database.begin() as conn:
        told = {"type": "DATA_DELAY", "severity": "MAJOR", "state": "OPEN", "title": "Saldo da Maria"}
        conn.execute(
            sa.insert(bank_incidents).values(
                connector_id=2, id="1", source="status_page", seen_at=service.res.now(), **told
            )
        )

    page = browser.text("/connectors")

    assert "DATA_DELAY" in page
    assert "status page" in page
    assert "Maria" not in page


def test_without_any_item_the_page_says_so(browser: Browser):
    assert "No Item was fetched yet." in browser.text("/connectors")
