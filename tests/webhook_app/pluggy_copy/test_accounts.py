"""Accounts and bills as Pluggy lists them, and pages of lists."""

import pytest

from tests.kit.factories import an_id


@pytest.fixture
def item_id(service):
    item_id = service.upstream.connect()
    service.catch_up()
    return item_id


def test_accounts_are_those_of_pluggy(copy, pluggy, item_id):
    shown = copy.get("/accounts", params={"itemId": item_id.upper()}).json()

    expected = pluggy.get("/accounts", params={"itemId": item_id}).json()
    assert sorted(shown.pop("results"), key=str) == sorted(expected.pop("results"), key=str)
    assert shown == expected


def test_an_account_that_pluggy_lists_no_more_is_gone_with_its_transactions_and_bills(copy, service, item_id):
    accounts = copy.get("/accounts", params={"itemId": item_id}).json()["results"]
    gone = next(each["id"] for each in accounts if each["type"] == "CREDIT")
    (row, *_) = copy.get("/v2/transactions", params={"accountId": gone}).json()["results"]
    with service.res.database.begin() as conn:
        conn.exec_driver_sql("UPDATE accounts SET missing_since = now() WHERE id = %s", (gone,))

    listed = copy.get("/accounts", params={"itemId": item_id}).json()

    assert gone not in [each["id"] for each in listed["results"]]
    assert listed["total"] == len(accounts) - 1
    paths = [f"/accounts/{gone}", f"/bills?accountId={gone}", f"/transactions/{row['id']}"]
    for path in (*paths, f"/v2/transactions?accountId={gone}", f"/v2/transactions?accountId={gone}&ids={row['id']}"):
        assert copy.get(path).status_code == 404


def test_an_item_that_is_registered_and_was_not_fetched_is_not_there_yet(copy, service):
    item_id = an_id()
    with service.res.database.begin() as conn:
        conn.exec_driver_sql("INSERT INTO items (id, first_seen_at) VALUES (%s, now())", (item_id,))

    for path in (f"/items/{item_id}", f"/accounts?itemId={item_id}", f"/loans?itemId={item_id}"):
        assert copy.get(path).json()["codeDescription"] == "ITEM_NOT_FOUND"


def test_a_deleted_item_has_no_accounts_and_nothing_else(copy, pluggy, service):
    item_id = service.upstream.connect(products=None)
    service.catch_up()
    service.upstream.delete(item_id)
    service.catch_up()

    accounts = copy.get("/accounts", params={"itemId": item_id})

    assert accounts.json() == pluggy.get("/accounts", params={"itemId": item_id}).json()
    for path in (f"/items/{item_id}", f"/investments?itemId={item_id}", f"/identity?itemId={item_id}"):
        assert copy.get(path).json() == pluggy.get(path).json()


def test_parameters_that_are_wrong_are_400_as_at_pluggy(copy, pluggy, item_id):
    wrong = [
        {"page": "0"},
        {"page": "x"},
        {"page": "1.5"},
        {"page": "9" * 5000},
        {"pageSize": "0"},
        {"pageSize": "501"},
        {"pageSize": "²"},
        {"type": "LOAN"},
        {"type": ["BANK", "CREDIT"]},
        {"itemId": ["", ""]},
    ]

    for query in wrong:
        asked = {"itemId": item_id, **query}
        answer = copy.get("/accounts", params=asked)

        assert answer.status_code == pluggy.get("/accounts", params=asked).status_code == 400, query
        assert answer.json().keys() == {"code", "message"}


def test_a_page_after_the_last_is_empty_and_has_the_total(copy, pluggy, item_id):
    asked = {"itemId": item_id, "page": 7, "pageSize": 1}

    assert copy.get("/accounts", params=asked).json() == pluggy.get("/accounts", params=asked).json()
