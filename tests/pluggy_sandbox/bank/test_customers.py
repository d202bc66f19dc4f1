"""Believable data with its traps (Pluggy facts 5.5, 5.6, 5.7, 9)."""

import json
from collections import Counter
from decimal import Decimal

from tests.pluggy_sandbox.driver import Driver, Json


def rows_of(driver: Driver, item_id: str, kind: str) -> list[Json]:
    return driver.transactions(driver.account(item_id, kind)["id"])


def test_signs_follow_the_account(driver: Driver) -> None:
    item_id = driver.connect()

    bank, card = rows_of(driver, item_id, "BANK"), rows_of(driver, item_id, "CREDIT")

    assert all((row["type"] == "DEBIT") == (row["amount"] < 0) for row in bank)
    assert all((row["type"] == "DEBIT") == (row["amount"] > 0) for row in card)
    assert {row["type"] for row in card} == {row["type"] for row in bank} == {"DEBIT", "CREDIT"}


def test_amounts_are_written_exactly_with_up_to_four_decimals(driver: Driver) -> None:
    account_id = driver.account(driver.connect())["id"]
    text = driver.api.get("/v2/transactions", params={"accountId": account_id}).text

    amounts = [row["amount"] for row in json.loads(text, parse_float=Decimal)["results"]]

    places = Counter(-Decimal(a).as_tuple().exponent for a in amounts)  # type: ignore[operator]  # none is NaN
    assert max(places) == 4
    assert all(Decimal(a) == Decimal(str(float(a))) for a in amounts)


def test_instalments_reach_into_the_future_and_stay_pending(driver: Driver) -> None:
    rows = rows_of(driver, driver.connect(), "CREDIT")

    ahead = [row for row in rows if row["date"] > "2026-03-11"]
    assert ahead
    assert {row["status"] for row in ahead} == {"PENDING"}
    assert all("billId" not in row["creditCardMetadata"] for row in ahead)
    assert all(row["creditCardMetadata"]["totalInstallments"] > 1 for row in ahead)


def test_some_rows_of_one_day_are_identical(driver: Driver) -> None:
    rows = rows_of(driver, driver.connect(), "BANK")

    seen = Counter((row["date"], row["description"], row["amount"]) for row in rows)

    assert max(seen.values()) > 1


def test_foreign_purchases_tell_the_amount_in_the_accounts_currency(driver: Driver) -> None:
    rows = rows_of(driver, driver.connect(), "CREDIT")

    foreign = [row for row in rows if row["currencyCode"] != "BRL"]
    assert foreign
    assert all(row["amountInAccountCurrency"] is not None for row in foreign)
    assert all(row["amountInAccountCurrency"] is None for row in rows if row["currencyCode"] == "BRL")


def test_some_values_are_in_no_list(driver: Driver) -> None:
    rows = driver.everything(driver.connect()).values()

    methods = {row["paymentData"]["paymentMethod"] for row in rows if row["paymentData"]}
    assert {"PIX", "TED", "BOLETO", "TEF"} <= methods
    assert any(row["category"] is None for row in rows)


def test_without_enrichment_no_row_has_a_category(driver: Driver) -> None:
    driver.settings(enrichment=False)

    rows = driver.everything(driver.connect()).values()

    assert {row["category"] for row in rows} == {row["categoryId"] for row in rows} == {None}


def test_bills_are_paid_from_the_account_and_hold_their_rows(driver: Driver) -> None:
    item_id = driver.connect()
    card = driver.account(item_id, "CREDIT")
    bills = driver.api.get("/bills", params={"accountId": card["id"]}).json()["results"]
    rows = rows_of(driver, item_id, "CREDIT")

    assert [b["dueDate"] for b in bills] == sorted((b["dueDate"] for b in bills), reverse=True)
    bill = bills[2]
    on_bill = [r for r in rows if (r["creditCardMetadata"] or {}).get("billId") == bill["id"]]
    total = sum(Decimal(str(r["amountInAccountCurrency"] or r["amount"])) for r in on_bill)
    assert total == Decimal(str(bill["totalAmount"]))
    paid = [r for r in rows_of(driver, item_id, "BANK") if r["amount"] == -bill["totalAmount"]]
    received = [r for r in rows if r["amount"] == -bill["totalAmount"]]
    assert len(paid) == len(received) == 1
    assert driver.api.get(f"/bills/{bill['id']}").json() == bill


def test_a_bill_payment_reaches_the_card_days_late_and_dated_back(driver: Driver) -> None:
    driver.settings(overlapDays=1)
    item_id = driver.connect()
    driver.advance(days=27)  # past the due day of the bill that closes on 25 March: 4 April
    driver.run(item_id)
    before = {r["id"] for r in rows_of(driver, item_id, "CREDIT")}
    driver.advance(days=2)
    driver.run(item_id)

    new = [r for r in rows_of(driver, item_id, "CREDIT") if r["id"] not in before]

    late = [r for r in new if r["description"] == "PAGAMENTO RECEBIDO"]
    assert [r["date"][:10] for r in late] == ["2026-04-04"]


def test_days_pass_and_rows_appear_and_post_both_ways(driver: Driver) -> None:
    item_id = driver.connect()
    before = driver.everything(item_id)
    for _ in range(4):
        driver.advance(days=1)
        driver.run(item_id)
    after = driver.everything(item_id)

    gone = set(before) - set(after)
    posted = [
        i for i in set(before) & set(after) if before[i]["status"] == "PENDING" and after[i]["status"] == "POSTED"
    ]
    assert len(after) > len(before)
    assert all(before[i]["status"] == "PENDING" for i in gone)
    assert posted or gone


def test_two_items_of_one_person_share_the_bank_but_not_the_ids(driver: Driver) -> None:
    item_ids = [driver.connect_open_finance(), driver.connect_open_finance()]
    for item_id in item_ids:
        driver.do(item_id, "approve")

    first, second = (driver.everything(item_id) for item_id in item_ids)

    assert {r["providerId"] for r in first.values()} == {r["providerId"] for r in second.values()} != {None}
    assert not set(first) & set(second)


def test_only_open_finance_tells_provider_ids_and_operations(driver: Driver) -> None:
    rows = driver.everything(driver.connect()).values()

    assert {row["providerId"] for row in rows} == {row["operationType"] for row in rows} == {None}


def test_investments_have_movements_that_fit_them(driver: Driver) -> None:
    item_id = driver.connect()
    found = driver.api.get("/investments", params={"itemId": item_id}).json()

    assert found["total"] == len(found["results"]) > 2
    fixed = next(i for i in found["results"] if i["subtype"] == "CDB")
    moves = driver.api.get(f"/investments/{fixed['id']}/transactions").json()["results"]
    assert moves[-1]["type"] == "BUY"
    assert moves[-1]["amount"] == fixed["amountOriginal"]
    assert driver.api.get(f"/investments/{fixed['id']}").json() == fixed
    small = driver.api.get("/investments", params={"itemId": item_id, "pageSize": 1, "page": 2}).json()
    assert (small["page"], small["totalPages"], len(small["results"])) == (2, found["total"], 1)
    assert driver.api.get(f"/investments/{fixed['id']}/transactions?pageSize=501").status_code == 400


def test_investments_and_identity_tell_when_they_came_and_when_they_changed(driver: Driver) -> None:
    item_id = driver.connect()
    before = [*driver.truth(item_id)["investments"], driver.truth(item_id)["identity"]]
    driver.advance(days=1)
    driver.run(item_id)
    after = [*driver.truth(item_id)["investments"], driver.truth(item_id)["identity"]]

    assert [view["createdAt"] for view in after] == [view["createdAt"] for view in before]
    assert all(new["updatedAt"] > old["updatedAt"] for new, old in zip(after[:-1], before[:-1], strict=True))
    assert after[-1] == before[-1]


def test_a_loan_is_paid_as_months_pass(driver: Driver) -> None:
    driver.settings(cleanupDays=0)
    item_id = driver.connect()
    before = driver.api.get("/loans", params={"itemId": item_id}).json()["results"][0]
    driver.advance(days=62)
    driver.run(item_id)

    after = driver.api.get(f"/loans/{before['id']}").json()

    assert after["installments"]["paidInstallments"] == before["installments"]["paidInstallments"] + 2
    assert after["payments"]["contractOutstandingBalance"] < before["payments"]["contractOutstandingBalance"]


def test_a_company_has_a_cnpj(driver: Driver) -> None:
    identity = driver.api.get("/identity", params={"itemId": driver.connect(connector=8)}).json()

    assert identity["documentType"] == "CNPJ"
    assert driver.api.get(f"/identity/{identity['id']}").json() == identity
