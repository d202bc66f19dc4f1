"""Accounts and transactions by filter."""

from datetime import datetime, timedelta

from pluggy_sync import wire
from pluggy_sync.store import transaction_revisions
from tests.kit.factories import an_id
from tests.kit.service import Service
from tests.webhook_app.product import Product


def test_accounts_are_those_of_the_mirror(service: Service, product: Product):
    item_id = service.upstream.connect("user-ok-two-checking-accounts")
    service.catch_up()

    accounts = product.all_pages(f"/v1/items/{item_id}/accounts", limit=2)

    truth = {each["id"]: each for each in service.upstream.truth(item_id)["accounts"]}
    assert len(accounts) == len(truth) > 2
    for account in accounts:
        assert account.pop("syncedAt")
        assert account.pop("missingSince") is None
        assert account.pop("balanceCheck") is None
        assert account == truth[account["id"]]


def test_a_second_collection_shows_whether_the_rows_explain_the_balance(service: Service, product: Product):
    item_id = service.upstream.connect()
    service.catch_up()
    service.upstream.later(days=2)
    service.upstream.run(item_id)
    service.catch_up()

    found = {each["type"]: each["balanceCheck"] for each in product.all_pages(f"/v1/items/{item_id}/accounts")}

    assert found["CREDIT"] is None
    assert found["BANK"]["drift"] == 0


def test_transactions_are_paged_newest_first_and_filtered(service: Service, product: Product):
    item_id = service.upstream.connect()
    service.catch_up()
    card = next(each for each in service.upstream.truth(item_id)["accounts"] if each["type"] == "CREDIT")
    path = f"/v1/accounts/{card['id']}/transactions"
    truth = [row for row in service.upstream.truth(item_id)["transactions"] if row["accountId"] == card["id"]]

    everything = product.all_pages(path, limit=97)

    assert {row["id"]: row for row in everything} == {row["id"]: row for row in truth}
    assert [row["date"] for row in everything] == sorted((row["date"] for row in truth), reverse=True)
    pending = product.all_pages(path, status="PENDING")
    assert {row["id"] for row in pending} == {row["id"] for row in truth if row["status"] == "PENDING"} != set()


def test_a_day_is_a_day_in_sao_paulo_and_both_ends_are_included(service: Service, product: Product):
    item_id = service.upstream.connect()
    service.catch_up()
    account = service.upstream.truth(item_id)["accounts"][0]
    path = f"/v1/accounts/{account['id']}/transactions"
    rows = product.all_pages(path, limit=500)
    # Midnight in São Paulo is 03:00Z, so the day of such a row is the one in its text.
    row = next(each for each in rows if each["date"].endswith("T03:00:00.000Z"))
    day = row["date"][:10]

    found = product.all_pages(path, dateFrom=day, dateTo=day)

    assert row["id"] in {each["id"] for each in found}
    assert {each["date"][:10] for each in found} == {day}


def test_an_unknown_account_is_not_found(product: Product):
    product.refused("GET", f"/v1/accounts/{an_id()}/transactions", 404, "account-not-found")


def test_the_transactions_of_a_moment_are_what_was_listed_then(service: Service, product: Product) -> None:
    item_id = service.upstream.connect()
    service.catch_up()
    before = {}
    accounts = [each["id"] for each in product.get(f"/v1/items/{item_id}/accounts")["results"]]
    for account in accounts:
        before[account] = product.all_pages(f"/v1/accounts/{account}/transactions")
    moment = wire.to_text(service.res.now())
    service.res.now.advance(seconds=5)
    service.upstream.evolve(item_id, {"kind": "add", "count": 3}, "post_new_id", "edit", "remove")
    service.upstream.run(item_id)
    service.catch_up()

    changed = [each for each in accounts if product.all_pages(f"/v1/accounts/{each}/transactions") != before[each]]
    assert changed
    for account in accounts:
        path = f"/v1/accounts/{account}/transactions"
        lines = product.call("GET", path, query_string={"asOf": moment}, headers={"Accept": "application/x-ndjson"})
        assert product.all_pages(path, asOf=moment) == before[account]
        assert [wire.decode(line) for line in lines.get_data().splitlines()] == before[account]


def test_a_moment_that_is_not_kept_or_not_there_yet_is_refused(service: Service, product: Product) -> None:
    item_id = service.upstream.connect()
    service.catch_up()
    account = product.get(f"/v1/items/{item_id}/accounts")["results"][0]["id"]
    path, now = f"/v1/accounts/{account}/transactions", service.res.now()
    with service.res.database.begin() as conn:
        transaction_revisions.begin_at(conn, now - timedelta(days=180))

    def asked(moment: datetime, **more: str) -> dict[str, str]:
        return {"asOf": wire.to_text(moment) or "", **more}

    old = product.refused("GET", path, 410, "history-not-kept", query_string=asked(now - timedelta(days=181)))
    product.refused("GET", path, 400, "invalid-request", query_string=asked(now + timedelta(days=1)))
    product.refused("GET", path, 400, "invalid-request", query_string=asked(now, withPredecessors="true"))
    product.refused("GET", path, 400, "invalid-request", query_string={"asOf": "yesterday"})

    assert old["earliest"] == wire.to_text(now - timedelta(days=180) + timedelta(microseconds=999))
    assert product.get(path, asOf=old["earliest"])["results"] == []
