"""`/v2/transactions`: cursors, filters and refusals."""

from urllib.parse import parse_qs

import pytest

from tests.kit.factories import an_id
from webhook_app.pluggy_copy import transactions


@pytest.fixture
def account_id(service, copy):
    item_id = service.upstream.connect()
    service.catch_up()
    accounts = copy.get("/accounts", params={"itemId": item_id, "type": "BANK"}).json()["results"]
    return accounts[0]["id"]


def whole_list(client, address):
    pages, rows = 0, []
    query = address
    while query:
        page = client.get(f"/v2/transactions{query}").json()
        rows += page["results"]
        query, pages = page["next"], pages + 1
    return pages, rows


def test_next_is_a_query_that_keeps_the_filters_and_ends_with_none(copy, pluggy, account_id, monkeypatch):
    monkeypatch.setattr(transactions, "_ROWS", 4)
    query = f"?accountId={account_id}&dateFrom=2020-01-01"
    first = copy.get(f"/v2/transactions{query}").json()

    pages, rows = whole_list(copy, query)

    assert first["next"].startswith("?")
    asked = parse_qs(first["next"].removeprefix("?"))
    assert {name: value for name, value in asked.items() if name != "after"} == {
        "accountId": [account_id],
        "dateFrom": ["2020-01-01"],
    }
    _, expected = whole_list(pluggy, query)
    assert pages == -(-len(expected) // 4) > 2
    assert sorted(rows, key=str) == sorted(expected, key=str)


def test_the_ids_asked_for_come_in_their_order_each_once(copy, pluggy, account_id):
    ids = [row["id"] for row in whole_list(copy, f"?accountId={account_id}")[1]][:3]
    asked = ",".join([ids[2], an_id(), ids[0], ids[2]])

    shown = copy.get("/v2/transactions", params={"accountId": account_id, "ids": asked}).json()

    assert [row["id"] for row in shown["results"]] == [ids[2], ids[0]]
    assert shown == pluggy.get("/v2/transactions", params={"accountId": account_id, "ids": asked}).json()


def test_ids_of_another_account_are_not_given(copy, account_id, service):
    other = service.upstream.connect("user-ok-two-checking-accounts")
    service.catch_up()
    others = copy.get("/accounts", params={"itemId": other}).json()["results"]
    (row, *_) = whole_list(copy, f"?accountId={others[0]['id']}")[1]

    shown = copy.get("/v2/transactions", params={"accountId": account_id, "ids": row["id"]}).json()

    assert shown == {"results": [], "next": None}


def test_what_pluggy_refuses_is_refused(copy, pluggy, account_id):
    wrong = [
        {"page": "1"},
        {"from": "2026-01-01", "to": "2026-02-01"},
        {"accountId": ""},
        {"accountId": "7"},
        {"dateFrom": "2026-01-01", "createdAtFrom": "2026-01-01"},
        {"dateFrom": "yesterday"},
        {"createdAtFrom": "0000-00-00"},
        {"after": "nonsense"},
        {"after": "MjAyNi0wMS0wMQ=="},
        {"after": "fHg="},
        {"after": "x" * 3000},
        {"ids": ",".join(["a"] * 501)},
    ]

    for query in wrong:
        asked = {"accountId": account_id, **query}
        answer = copy.get("/v2/transactions", params=asked)

        assert answer.status_code == pluggy.get("/v2/transactions", params=asked).status_code == 400, query
        assert answer.json()["code"] == 400


def test_days_at_the_ends_of_time_are_answered(copy, account_id):
    whole = len(whole_list(copy, f"?accountId={account_id}")[1])
    found = {
        (name, day): copy.get("/v2/transactions", params={"accountId": account_id, name: day})
        for name in ("dateFrom", "dateTo")
        for day in ("0002-01-02", "9998-12-30", "9999-12-31")
    }

    assert {key: answer.status_code for key, answer in found.items() if key[1] != "9999-12-31"} == {
        ("dateFrom", "0002-01-02"): 200,
        ("dateFrom", "9998-12-30"): 200,
        ("dateTo", "0002-01-02"): 200,
        ("dateTo", "9998-12-30"): 200,
    }
    assert [len(found[key].json()["results"]) for key in (("dateFrom", "0002-01-02"), ("dateTo", "0002-01-02"))] == [
        whole,
        0,
    ]
    assert found["dateTo", "9999-12-31"].status_code == 400


def test_null_characters_are_400_and_no_failure(copy, account_id):
    answer = copy.get("/v2/transactions", params={"accountId": account_id, "ids": "a\x00b"})

    assert answer.status_code == 400
    assert answer.json()["code"] == 400
    assert copy.get("/transactions/a%00b").status_code in (400, 404)


def test_amounts_are_exact(copy, account_id, service):
    with service.res.database.begin() as conn:
        conn.exec_driver_sql(
            "UPDATE transactions SET raw = jsonb_set(raw, '{amount}', '-1234567890123456.0001') WHERE account_id = %s",
            (account_id,),
        )

    assert b"-1234567890123456.0001" in copy.get("/v2/transactions", params={"accountId": account_id}).content
