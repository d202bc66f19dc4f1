"""Reading transactions (Pluggy facts 5.3-5.5)."""

import base64

import httpx
import pytest

from tests.pluggy_sandbox.driver import Driver

KEYS = {
    "id", "accountId", "description", "descriptionRaw", "currencyCode", "amount", "amountInAccountCurrency", "date",
    "type", "balance", "providerCode", "providerId", "status", "category", "categoryId", "operationType",
    "operationTypeAdditionalInfo", "order", "paymentData", "creditCardMetadata", "merchant", "createdAt", "updatedAt",
}  # fmt: skip


@pytest.fixture
def account_id(driver: Driver) -> str:
    found: str = driver.account(driver.connect())["id"]
    return found


def refusal(driver: Driver, query: str) -> httpx.Response:
    answer = driver.api.get(f"/v2/transactions?{query}")
    assert answer.status_code == 400, answer.text
    return answer


def test_pages_hold_five_hundred_rows_newest_first_and_each_row_once(driver: Driver, account_id: str) -> None:
    pages = list(driver.pages(account_id))
    rows = [row for page in pages for row in page["results"]]

    assert [len(page["results"]) for page in pages][:-1] == [500] * (len(pages) - 1)
    assert len(pages) > 1
    assert [row["date"] for row in rows] == sorted((row["date"] for row in rows), reverse=True)
    assert len({row["id"] for row in rows}) == len(rows)
    assert {row["id"] for row in rows} == {
        row["id"] for row in driver.truth(driver.control.get("/items").json()["results"][0]["id"])["transactions"]
        if row["accountId"] == account_id
    }  # fmt: skip


def test_next_is_a_relative_query_with_an_opaque_cursor(driver: Driver, account_id: str) -> None:
    first = next(driver.pages(account_id, dateFrom="2025-01-01"))

    assert first["next"].startswith("?")
    query = httpx.QueryParams(first["next"][1:])
    assert query["accountId"] == account_id
    assert query["dateFrom"] == "2025-01-01"
    instant, row_id = base64.b64decode(query["after"]).decode().split("|")
    assert (instant, row_id) == (first["results"][-1]["date"], first["results"][-1]["id"])


def test_a_cursor_goes_on_after_its_row_has_vanished(driver: Driver) -> None:
    item_id = driver.connect()
    account_id = driver.account(item_id)["id"]
    pages = driver.pages(account_id)
    first = next(pages)
    whole = [row["id"] for row in driver.transactions(account_id)]
    last = first["results"][-1]
    driver.sandbox.sandbox.world.items[item_id].holdings.accounts[account_id].ledger.take(
        driver.sandbox.sandbox.world.items[item_id].holdings.accounts[account_id].ledger.by_id[last["id"]]
    )

    rest = [row["id"] for page in pages for row in page["results"]]

    assert rest == whole[500:]


@pytest.mark.parametrize("name", ["page", "pageSize", "from", "to", "limit", "itemId", "billId"])
def test_an_unknown_parameter_is_refused(driver: Driver, account_id: str, name: str) -> None:
    assert name in refusal(driver, f"accountId={account_id}&{name}=1").json()["message"]


@pytest.mark.parametrize("cursor", ["x", "bm90IGEgY3Vyc29y", base64.b64encode(b"2026-01-01|unknown").decode()])
def test_a_bad_cursor_is_refused(driver: Driver, account_id: str, cursor: str) -> None:
    answer = driver.api.get("/v2/transactions", params={"accountId": account_id, "after": cursor})

    assert (answer.status_code, answer.json()["message"]) == (400, "Invalid cursor")


def test_more_than_five_hundred_ids_are_refused_and_five_hundred_are_served(driver: Driver, account_id: str) -> None:
    ids = [row["id"] for row in driver.transactions(account_id)][:500]

    served = driver.api.get("/v2/transactions", params={"accountId": account_id, "ids": ",".join(ids)}).json()
    over = driver.api.get("/v2/transactions", params={"accountId": account_id, "ids": ",".join([*ids, ids[0]])})

    assert {row["id"] for row in served["results"]} == set(ids)
    assert over.json()["codeDescription"] == "IDS_PARAMETER_EXCEEDS_MAX_LENGTH"


def test_ids_that_are_gone_are_left_out(driver: Driver, account_id: str) -> None:
    known = driver.transactions(account_id)[0]["id"]
    ids = f"{known},00000000-0000-4000-8000-00000000dead"

    served = driver.api.get("/v2/transactions", params={"accountId": account_id, "ids": ids}).json()["results"]

    assert [row["id"] for row in served] == [known]


def test_days_are_inclusive(driver: Driver, account_id: str) -> None:
    rows = driver.transactions(account_id, dateFrom="2026-01-05", dateTo="2026-01-07")
    expected = [r for r in driver.transactions(account_id) if "2026-01-05" <= r["date"][:10] <= "2026-01-07"]

    assert rows == expected
    assert {row["date"][:10] for row in rows} == {"2026-01-05", "2026-01-06", "2026-01-07"}


def test_date_from_does_not_go_with_created_at_from(driver: Driver, account_id: str) -> None:
    refusal(driver, f"accountId={account_id}&dateFrom=2026-01-01&createdAtFrom=2026-01-01T00:00:00.000Z")


@pytest.mark.parametrize(
    "query", ["", "accountId=nonsense", "accountId=00000000-0000-4000-8000-000000000000&dateFrom=x"]
)
def test_a_request_without_sense_is_refused(driver: Driver, query: str) -> None:
    refusal(driver, query)


def test_an_unknown_account_is_404(driver: Driver) -> None:
    answer = driver.api.get("/v2/transactions?accountId=00000000-0000-4000-8000-000000000000")

    assert answer.json()["codeDescription"] == "ACCOUNT_NOT_FOUND"


def test_created_at_from_finds_what_one_execution_brought_however_old_it_is_dated(driver: Driver) -> None:
    item_id = driver.connect()
    driver.advance(seconds=60)
    made = driver.evolve(item_id, {"kind": "backdate", "days": 40}, {"kind": "add"})
    driver.run(item_id)
    account_id = driver.account(item_id)["id"]
    since = driver.item(item_id)["lastUpdatedAt"][:16] + ":00.000Z"

    rows = driver.transactions(account_id, createdAtFrom=since)

    assert {row["id"] for row in rows} == set(made["added"])
    assert min(row["date"] for row in rows).startswith("2026-01-29")


def test_every_row_has_every_key_and_no_nested_nulls(driver: Driver) -> None:
    rows = driver.everything(driver.connect()).values()

    assert all(set(row) == KEYS for row in rows)
    nested = [row[key] for row in rows for key in ("paymentData", "creditCardMetadata", "merchant") if row[key]]
    assert nested
    assert all(value is not None for part in nested for value in part.values())


def test_one_transaction_can_be_read_and_put_into_another_category_for_good(driver: Driver) -> None:
    item_id = driver.connect()
    row = driver.transactions(driver.account(item_id)["id"])[0]
    assert driver.api.get(f"/transactions/{row['id']}").json() == row

    changed = driver.api.patch(f"/transactions/{row['id']}", json={"categoryId": "19000000"}).json()
    driver.run(item_id)

    assert (changed["category"], changed["amount"]) == ("Donations", row["amount"])
    assert driver.api.get(f"/transactions/{row['id']}").json()["categoryId"] == "19000000"
    assert driver.api.get("/transactions/nope").status_code == 404


def test_recategorising_touches_no_item(driver: Driver) -> None:
    ids = [driver.connect() for _ in range(3)]
    before = [driver.item(item_id) for item_id in ids]
    row = driver.transactions(driver.account(ids[1])["id"])[0]

    driver.api.patch(f"/transactions/{row['id']}", json={"categoryId": "19000000"})

    assert [driver.item(item_id) for item_id in ids] == before


def test_a_row_in_bulk_is_recategorised_wherever_it_is_read_and_for_good(driver: Driver) -> None:
    item_id = driver.connect("user-ok-perf-3x")
    account_id = driver.account(item_id)["id"]
    ledger = driver.sandbox.sandbox.world.items[item_id].holdings.accounts[account_id].ledger
    before = driver.transactions(account_id)
    row = next(row for row in before if row["id"] not in ledger.by_id)

    changed = driver.api.patch(f"/transactions/{row['id']}", json={"categoryId": "19000000"}).json()
    driver.run(item_id)

    assert (changed["category"], changed["amount"], changed["createdAt"]) == (
        "Donations",
        row["amount"],
        row["createdAt"],
    )
    assert changed["updatedAt"] > row["updatedAt"]
    assert driver.api.get(f"/transactions/{row['id']}").json() == changed
    by_id = driver.transactions(account_id, ids=row["id"])
    assert by_id == [changed]
    after = driver.transactions(account_id)
    assert [changed if each["id"] == row["id"] else each for each in before] == after
    truth = {each["id"]: each for each in driver.truth(item_id)["transactions"]}
    assert truth[row["id"]] == changed


def test_the_old_endpoint_is_gone(driver: Driver, account_id: str) -> None:
    answer = driver.api.get("/transactions", params={"accountId": account_id})

    assert (answer.status_code, answer.json()["codeDescription"]) == (410, "ENDPOINT_DEPRECATED")


def test_a_long_history_is_paged_without_gaps_and_found_by_id(driver: Driver) -> None:
    account_id = driver.account(driver.connect("user-ok-perf-100x"))["id"]
    rows = driver.transactions(account_id)

    assert len(rows) >= 99 * 200
    assert len({row["id"] for row in rows}) == len(rows)
    assert [row["date"] for row in rows] == sorted((row["date"] for row in rows), reverse=True)
    sample = rows[::997]
    ids = ",".join(row["id"] for row in sample)
    found = driver.api.get("/v2/transactions", params={"accountId": account_id, "ids": ids}).json()["results"]
    assert found == sample
    assert driver.api.get(f"/transactions/{rows[1234]['id']}").json() == rows[1234]
    days = driver.transactions(account_id, dateFrom="2026-02-01", dateTo="2026-02-03")
    assert days == [row for row in rows if "2026-02-01" <= row["date"][:10] <= "2026-02-03"]


def test_a_day_later_a_long_history_has_grown_by_a_day(driver: Driver) -> None:
    item_id = driver.connect("user-ok-perf-100x")
    account_id = driver.account(item_id)["id"]
    before = {row["id"] for row in driver.transactions(account_id)}
    driver.advance(days=1)
    driver.run(item_id)

    after = {row["id"] for row in driver.transactions(account_id)}
    since = driver.transactions(account_id, createdAtFrom="2026-03-11T00:00:00.000Z")

    assert before < after
    assert 50 < len(after - before) < 70
    assert {row["id"] for row in since} == after - before
