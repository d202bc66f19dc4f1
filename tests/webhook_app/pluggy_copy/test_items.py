"""One Item, and the list of all by cursor."""

import pytest

from webhook_app.pluggy_copy import items


def test_the_list_goes_on_where_the_last_page_ended(copy, service, monkeypatch):
    monkeypatch.setattr(items, "_ROWS", 2)
    ids = [service.upstream.connect() for _ in range(5)]
    service.catch_up()
    shown, query = [], "?clientUserId=user-42"

    while query:
        page = copy.get(f"/v2/items{query}").json()
        shown.append([each["id"] for each in page["results"]])
        query = page["next"]

    assert shown == [[ids[4], ids[3]], [ids[2], ids[1]], [ids[0]]]


def test_deleted_items_are_not_listed(copy, service):
    kept, gone = service.upstream.connect(), service.upstream.connect()
    service.catch_up()
    service.upstream.delete(gone)
    service.catch_up()

    assert [each["id"] for each in copy.get("/v2/items").json()["results"]] == [kept]


@pytest.mark.parametrize(
    "query", [{"page": "1"}, {"clientUserId": "x" * 256}, {"connectorId": "two"}, {"connectorId": "-1"}, {"after": "x"}]
)
def test_what_pluggy_refuses_is_refused(copy, pluggy, service, query):
    service.upstream.settings(listItemsEnabled=True)

    assert copy.get("/v2/items", params=query).status_code == pluggy.get("/v2/items", params=query).status_code == 400


def test_an_id_that_is_none_is_not_found(copy, pluggy):
    for path in ("/items/7", "/items/%C4%B0", "/accounts?itemId=7"):
        assert copy.get(path).json() == pluggy.get(path).json()


def test_there_is_no_list_without_a_cursor(copy, pluggy):
    assert copy.get("/items").json() == pluggy.get("/items").json()
