"""Believable data with its traps (Pluggy facts 5.5, 5.6, 5.7, 9)."""

import json
import re
from collections import Counter
from datetime import datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from pluggy_sdk import models

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


SAO_PAULO = timezone(timedelta(hours=-3))


def dates_of(rows: list[Json]) -> list[datetime]:
    return [datetime.fromisoformat(row["date"]) for row in rows]


def consented(driver: Driver) -> str:
    item_id = driver.connect_open_finance()
    driver.do(item_id, "approve")
    return item_id


@pytest.mark.parametrize("kind", ["BANK", "CREDIT"])
def test_dates_come_in_all_the_ways_of_institutions(driver: Driver, kind: str) -> None:
    dates = dates_of(rows_of(driver, driver.connect(), kind))

    local, utc = time(3), time(0)
    assert sum(at.timetz().replace(tzinfo=None) == local for at in dates) > len(dates) / 3
    assert sum(at.timetz().replace(tzinfo=None) == utc for at in dates) > len(dates) / 20
    real = [at for at in dates if at.time() not in (local, utc)]
    assert sum(at.date() != at.astimezone(SAO_PAULO).date() for at in real) > 5


@pytest.mark.slow
def test_no_row_is_shown_before_it_happened_but_what_is_pending(driver: Driver) -> None:
    item_id = driver.connect()
    rows = list(driver.everything(item_id).values())

    ahead = [row for row in rows if row["date"] > driver.item(item_id)["lastUpdatedAt"]]

    assert {row["status"] for row in ahead} == {"PENDING"}


def test_the_text_of_the_institution_stands_beside_the_clean_one(driver: Driver) -> None:
    rows = driver.everything(driver.connect()).values()

    raw = [row["descriptionRaw"] for row in rows]
    assert None in raw
    assert any(row["descriptionRaw"] not in (None, row["description"]) for row in rows)
    assert all("  " not in row["description"] for row in rows)


def test_a_checking_account_has_pending_rows_that_settle(driver: Driver) -> None:
    item_id = driver.connect()
    waiting: dict[str, Json] = {}
    settled: set[str] = set()
    for _ in range(12):
        driver.advance(days=1)
        driver.run(item_id)
        rows = {row["id"]: row for row in rows_of(driver, item_id, "BANK")}
        settled |= {i for i in waiting if i not in rows or rows[i]["status"] == "POSTED"}
        waiting |= {i: row for i, row in rows.items() if row["status"] == "PENDING"}

    assert len(waiting) > 1
    assert settled
    assert {row["type"] for row in waiting.values()} == {"DEBIT"}


def test_the_balance_leaves_out_what_is_pending_and_the_closing_balance_does_not(driver: Driver) -> None:
    driver.connect()
    found = []
    for seed in range(8, 20):
        driver.control.post("/reset", json={"seed": seed})
        item_id = driver.connect()
        account = driver.account(item_id)
        now = driver.item(item_id)["lastUpdatedAt"]
        pending = [r for r in rows_of(driver, item_id, "BANK") if r["status"] == "PENDING" and r["date"] <= now]
        difference = Decimal(str(account["bankData"]["closingBalance"])) - Decimal(str(account["balance"]))
        assert difference == sum(Decimal(str(row["amount"])) for row in pending)
        found += pending
    assert found


def test_open_finance_shows_payments_scheduled_for_up_to_ninety_days(driver: Driver) -> None:
    regulated, direct = consented(driver), driver.connect()

    ahead = [row for row in rows_of(driver, regulated, "BANK") if row["date"] > "2026-03-11"]

    assert [row["date"][:10] for row in ahead] == ["2026-06-08", "2026-05-08", "2026-04-08"]
    assert {row["status"] for row in ahead} == {"PENDING"}
    assert [row for row in rows_of(driver, direct, "BANK") if row["date"] > "2026-03-11"] == []


def test_a_scheduled_payment_keeps_or_changes_its_id_and_is_there_once(driver: Driver) -> None:
    driver.settings(cleanupDays=0)
    item_id = consented(driver)
    before = {row["date"][:10]: row for row in rows_of(driver, item_id, "BANK") if row["date"] > "2026-03-11"}
    driver.advance(days=95)
    driver.run(item_id)

    paid = [r for r in rows_of(driver, item_id, "BANK") if r["description"].endswith("PRIMAVERA")]

    posted = {row["date"][:10]: row for row in paid if row["status"] == "POSTED" and row["date"] > "2026-03-11"}
    assert set(posted) == set(before) == {"2026-04-08", "2026-05-08", "2026-06-08"}  # none on a weekend
    assert {day: row["id"] for day, row in posted.items()} == {day: row["id"] for day, row in before.items()}


def test_a_payment_scheduled_for_a_weekend_is_paid_on_monday_under_a_new_id(driver: Driver) -> None:
    driver.settings(cleanupDays=0)
    item_id = consented(driver)

    def on(day: str) -> list[tuple[str, str]]:
        rows = rows_of(driver, item_id, "BANK")
        return [
            (r["id"], r["status"]) for r in rows if r["date"][:10] == day and r["description"].endswith("PRIMAVERA")
        ]

    driver.advance(days=70)
    driver.run(item_id)
    ((scheduled, _),) = on("2026-08-08")  # a Saturday
    driver.advance(days=84)
    driver.run(item_id)

    assert on("2026-08-08") == []
    ((paid, status),) = on("2026-08-10")
    assert status == "POSTED"
    assert paid != scheduled
    assert driver.api.get(f"/transactions/{scheduled}").status_code == 404


def test_metadata_of_a_card_row_is_that_of_its_kind_of_connector(driver: Driver) -> None:
    regulated, direct = (
        [row["creditCardMetadata"] for row in rows_of(driver, item_id, "CREDIT") if row["creditCardMetadata"]]
        for item_id in (consented(driver), driver.connect())
    )

    only_regulated = {"paymentType", "billPostDate", "transactionDateTime", "billForecastDate"}
    assert only_regulated <= {name for card in regulated for name in card}
    assert not only_regulated & {name for card in direct for name in card}
    assert any("totalAmount" in card for card in direct)
    assert not any("totalAmount" in card for card in regulated)
    assert {card["paymentType"] for card in regulated} == {"SINGLE", "INSTALLMENT"}
    assert all(("billPostDate" in card) == ("billId" in card) for card in regulated)
    assert any(card.get("feeType") == "ANNUAL_FEE" for card in regulated)
    assert all(isinstance(card["payeeMCC"], int) for card in regulated + direct if "payeeMCC" in card)


def test_some_payments_carry_the_code_of_their_receipt(driver: Driver) -> None:
    payments = [row["paymentData"] for row in driver.everything(driver.connect()).values() if row["paymentData"]]

    assert {"authenticationCode" in payment for payment in payments} == {True, False}


def test_some_companies_have_letters_in_their_cnpj(driver: Driver) -> None:
    rows = driver.everything(driver.connect()).values()

    receivers = [(row["paymentData"] or {}).get("receiver", {}).get("documentNumber", {}) for row in rows]
    assert any(re.search("[A-Z]", document.get("value", "")) for document in receivers)


def test_every_documented_key_is_there_at_the_top_of_every_object(driver: Driver) -> None:
    item_id = consented(driver)
    truth = driver.truth(item_id)
    held: list[tuple[Any, list[Json]]] = [
        (models.Item, [truth["item"]]),
        (models.Account, truth["accounts"]),
        (models.Transaction, truth["transactions"]),
        (models.Bill, truth["bills"]),
        (models.Investment, truth["investments"]),
        (models.InvestmentTransaction, [row for rows in truth["investmentTransactions"].values() for row in rows]),
        (models.IdentityResponse, [truth["identity"]]),
        (models.Loan, truth["loans"]),
        (models.Consent, truth["consents"]),
        (models.Webhook, [driver.register("http://127.0.0.1:1/hook")]),
        (models.Category, driver.api.get("/categories").json()["results"]),
        (models.Connector, [driver.api.get("/connectors/600").json()]),
    ]

    for model, views in held:
        keys = {field.alias or name for name, field in model.model_fields.items()} - ONLY_INLINE
        assert views
        assert [sorted(keys - set(view)) for view in views if not keys <= set(view)] == [], model.__name__


ONLY_INLINE = {"transactions"}  # of an investment; not on the endpoints that are served here


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
