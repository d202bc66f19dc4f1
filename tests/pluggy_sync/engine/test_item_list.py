"""Comparing our Items with Pluggy's list: what either side does not know is fetched, and a refusal is final."""

from datetime import timedelta

import pytest

from pluggy_sync.engine import item_list
from pluggy_sync.store import item_list as stored
from pluggy_sync.store.tables import item_list_checks, items, listed_items
from tests.kit.interception import changed, edited


@pytest.fixture
def listed(service):
    """A Pluggy that lists Items for our application."""
    service.upstream.settings(listItemsEnabled=True)
    return service


def asked(service):
    return [each["path"] for each in service.upstream.take_requests()].count("/v2/items")


def check(service):
    with service.res.database.begin() as conn:
        return stored.get(conn, service.res.settings.pluggy_client_id)


def test_an_item_whose_events_were_all_lost_is_found_with_its_person_and_synced(listed):
    known = listed.upstream.connect("user-ok", clientUserId="user-1")
    listed.catch_up()
    lost = listed.upstream.connect("user-ok-two-checking-accounts", clientUserId="user-2")
    listed.upstream.take_events()

    item_list.compare(listed.res)
    listed.work_until_quiet()

    assert listed.item(lost).client_user_id == "user-2"
    listed.assert_mirrors(lost)
    listed.assert_mirrors(known)
    assert (check(listed).unknown_here, check(listed).unknown_there) == (1, 0)


def test_an_item_that_pluggy_does_not_list_is_asked_for_and_not_deleted_by_that_alone(listed):
    gone, hidden = listed.upstream.connect("user-ok"), listed.upstream.connect("user-ok", connector=500)
    listed.catch_up()
    listed.upstream.delete(gone)
    listed.upstream.take_events()

    def without_hidden(page):
        page["results"] = [row for row in page["results"] if row["id"] != hidden]

    with changed(listed.res, "/v2/items", edited(without_hidden)):
        item_list.compare(listed.res)
    listed.work_until_quiet()

    assert check(listed).unknown_there == 2
    assert listed.item(gone).deleted_at is not None
    assert listed.item(hidden).deleted_at is None
    listed.assert_mirrors(hidden)


def test_it_is_done_once_a_week(listed, clock):
    listed.upstream.connect("user-ok")
    listed.catch_up()
    item_list.compare(listed.res)
    item_list.compare(listed.res)
    assert asked(listed) == 1

    clock.advance(days=8)
    item_list.compare(listed.res)
    assert asked(listed) == 1


def test_a_refusal_is_kept_quietly_until_an_operator_asks(service, clock):
    item_list.compare(service.res)
    # A 403 may mean an API key that is over: it is repeated once with another.
    assert asked(service) == 2
    clock.advance(days=30)
    item_list.compare(service.res)
    assert asked(service) == 0
    assert check(service).refused_at is not None

    service.upstream.settings(listItemsEnabled=True)
    assert list(item_list.all_items(service.res)) == [[]]
    item_list.compare(service.res)
    assert asked(service) == 2
    assert check(service).refused_at is None


def test_a_comparison_that_breaks_off_goes_on_where_it_was(listed, monkeypatch):
    ids = [listed.upstream.connect("user-ok", connector=number) for number in (2, 500, 16)]
    listed.upstream.take_events()

    def first_page_only(page):
        page["next"] = "?after=more"

    monkeypatch.setattr(item_list, "PAGES_PER_ROUND", 1)
    with changed(listed.res, "/v2/items", edited(first_page_only)):
        item_list.compare(listed.res)
    assert check(listed).after == "more"
    assert {row.id for row in listed.rows(items)} == {*ids}
    assert len(listed.rows(listed_items)) == 3

    # Pluggy does not know this cursor: it begins anew with the next week.
    item_list.compare(listed.res)

    assert check(listed).began_at is None
    assert listed.rows(listed_items) == []
    assert len(listed.rows(item_list_checks)) == 1
    assert check(listed).finished_at + timedelta(days=7) > listed.res.now()
