"""Items are found by what they are like, and anything by its id."""

import pytest
import sqlalchemy as sa

from pluggy_sync.store.tables import inbox, items, outbox
from tests.console.pages.conftest import Browser
from tests.kit.service import Service


def test_only_items_as_wanted_are_listed_with_their_banks(browser: Browser, service: Service):
    asked, well = service.upstream.connect(connector=5), service.upstream.connect()
    service.catch_up()

    waiting = browser.text("/items?freshness=waiting_for_person")
    fresh = browser.text("/items?freshness=fresh&status=UPDATED&bank=2")

    assert asked in waiting
    assert well not in waiting
    assert "WAITING_USER_INPUT" in waiting
    assert well in fresh
    assert asked not in fresh
    assert "Pluggy Bank" in fresh


def test_a_bank_without_a_name_is_shown_by_its_number_also_by_0(browser: Browser, service: Service):
    service.upstream.connect()
    service.catch_up()
    with service.res.database.begin() as conn:
        conn.execute(sa.update(items).values(connector_id=0))

    page = browser.text("/items?bank=0")

    assert '<td data-name="Bank">0</td>' in page


@pytest.mark.parametrize("query", ["freshness=x", "status=x", "bank=x", "bank=99999999999999999999", "user=&bank=²"])
def test_what_can_be_no_filter_filters_nothing(browser: Browser, service: Service, query: str):
    item_id = service.upstream.connect()
    service.catch_up()

    assert item_id in browser.text(f"/items?{query}")


def test_more_items_are_loaded_as_rows_with_the_same_filter(browser: Browser, service: Service, monkeypatch):
    monkeypatch.setattr("console.pages.items.LIMIT", 1)
    ids = {service.upstream.connect() for _ in range(3)}
    service.catch_up()

    pages = [browser.text("/items?status=UPDATED")]
    while 'hx-get="/items?' in pages[-1]:
        address = pages[-1].split('hx-get="/items?')[1].split('"')[0].replace("&amp;", "&")
        assert "status=UPDATED" in address
        pages.append(browser.text(f"/items?{address}", headers={"HX-Request": "true"}))

    assert len(pages) == 3
    assert [sum(id_ in page for id_ in ids) for page in pages] == [1, 1, 1]
    assert ["<html" in page for page in pages] == [True, False, False]


def test_whatever_has_an_id_is_found_by_it(browser: Browser, service: Service):
    item_id = service.upstream.connect(connector=5)
    service.catch_up()
    with service.res.database.begin() as conn:
        event_id = conn.scalar(sa.select(inbox.c.event_id))
        notification_id = conn.scalar(sa.select(outbox.c.id))
        action_id = conn.scalar(sa.text("SELECT id FROM user_actions"))
        user = conn.scalar(sa.text("SELECT client_user_id FROM items"))

    found = {
        each: browser.get("/find", query_string={"q": f" {each} "}).location
        for each in (item_id, item_id.upper(), event_id, notification_id, action_id, user)
    }

    assert found == {
        item_id: f"/items/{item_id}",
        item_id.upper(): f"/items/{item_id}",
        event_id: f"/events/{event_id}",
        notification_id: f"/notifications/{notification_id}",
        action_id: f"/items/{item_id}",
        user: f"/items?user={user}",
    }


def test_what_is_not_found_is_said(browser: Browser):
    assert browser.get("/find?q=nothing%3Cb%3E").location == "/items"
    assert "Nothing here has the id nothing&lt;b&gt;." in browser.text("/items")
