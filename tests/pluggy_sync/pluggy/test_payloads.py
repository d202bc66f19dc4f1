"""Objects as Pluggy sends them: what is absent is null, what is new is kept, what is unreadable is refused."""

from datetime import date
from decimal import Decimal

import pytest

from pluggy_sync.pluggy import payloads
from tests.kit.factories import a_raw_account, a_raw_connector, a_raw_item, a_raw_transaction, an_item


def without(raw, *names):
    return {name: value for name, value in raw.items() if name not in names}


def test_what_is_absent_is_the_same_as_null():
    raw = a_raw_item(nextAutoSyncAt=None, error=None)
    missing = payloads.item(without(raw, "nextAutoSyncAt", "error", "parameter", "userAction", "statusDetail"))

    assert missing.next_auto_sync_at is None
    assert missing.error is None
    assert missing.products == {}


def test_keys_and_values_that_are_new_are_kept_as_they_came():
    raw = a_raw_item(status="A_NEW_STATUS", executionStatus="A_NEW_CODE", aNewKey={"deep": [1]})

    item = payloads.item(raw)

    assert (item.status, item.execution_status) == ("A_NEW_STATUS", "A_NEW_CODE")
    assert item.raw == raw


@pytest.mark.parametrize("spelling", ["investmentTransactions", "investmentsTransactions"])
def test_both_spellings_of_a_product_are_one_product(spelling):
    detail = {spelling: {"isUpdated": True, "lastUpdatedAt": None, "warnings": []}}

    assert an_item(statusDetail=detail).products["investmentsTransactions"].is_updated


def test_a_product_that_was_not_asked_for_has_no_detail():
    assert an_item(statusDetail={"loans": None}).products == {}


def test_without_detail_a_product_is_as_fresh_as_the_item():
    item = an_item()

    assert item.collected_at("transactions") == item.last_updated_at


def test_with_detail_a_product_is_as_fresh_as_its_own_last_collection():
    detail = {"transactions": {"isUpdated": False, "lastUpdatedAt": "2026-03-01T00:00:00.000Z", "warnings": []}}
    never = {"transactions": {"isUpdated": False, "lastUpdatedAt": None, "warnings": []}}

    collected = an_item(statusDetail=detail).collected_at("transactions")
    assert collected is not None
    assert collected.day == 1
    assert an_item(statusDetail=never).collected_at("transactions") is None


def test_the_connector_says_whether_a_run_needs_a_code():
    def needs_code(**changes):
        return an_item(connector=a_raw_connector(**changes)).connector.needs_mfa_each_run

    assert not needs_code()
    assert needs_code(hasMFA=True)
    assert needs_code(credentials=[{"name": "user"}, {"name": "token", "mfa": True}])


@pytest.mark.parametrize(
    "date_text, day",
    [
        ("2026-03-09T03:00:00.000Z", date(2026, 3, 9)),  # midnight in São Paulo
        ("2026-03-09T02:59:59.000Z", date(2026, 3, 8)),
        ("2026-03-09T00:00:00.000Z", date(2026, 3, 8)),
        ("2026-03-09T15:30:00.000Z", date(2026, 3, 9)),
    ],
)
def test_the_day_of_a_transaction_is_the_day_in_sao_paulo(date_text, day):
    assert payloads.transaction(a_raw_transaction(date=date_text)).day == day


def test_a_transaction_without_a_status_is_posted():
    assert payloads.transaction(a_raw_transaction(status=None)).status == "POSTED"
    assert payloads.transaction(without(a_raw_transaction(), "status")).status == "POSTED"


def test_an_amount_keeps_its_four_decimals():
    row = payloads.transaction(a_raw_transaction(amount=Decimal("-12.3456")))

    assert str(row.amount) == "-12.3456"


@pytest.mark.parametrize(
    "changes", [{"date": None}, {"date": "0001-01"}, {"date": 5}, {"amount": "12"}, {"createdAt": "then"}], ids=str
)
def test_a_transaction_that_cannot_be_read_is_refused_without_quoting_it(changes):
    raw = a_raw_transaction(description="Farmácia Secreta", **changes)

    with pytest.raises(payloads.UnreadableError) as caught:
        payloads.transaction(raw)

    assert "Secreta" not in str(caught.value)


@pytest.mark.parametrize("missing", ["id", "accountId", "date"])
def test_a_transaction_needs_id_account_and_date(missing):
    with pytest.raises(payloads.UnreadableError):
        payloads.transaction(without(a_raw_transaction(), missing))


@pytest.mark.parametrize("raw", [None, [], "text", 5, {}, {"id": 5, "status": "UPDATED"}], ids=str)
def test_what_is_no_item_is_refused(raw):
    with pytest.raises(payloads.UnreadableError):
        payloads.item(raw)


@pytest.mark.parametrize("raw", [None, [], "text", 5], ids=str)
def test_what_is_no_transaction_is_refused(raw):
    with pytest.raises(payloads.UnreadableError):
        payloads.transaction(raw)


@pytest.mark.parametrize(
    "changes",
    [
        {"connector": "text"},
        {"connector": {"id": "two"}},
        {"connector": {"id": 2, "health": "ONLINE"}},
        {"connector": {"id": 2, "credentials": [None]}},
        {"statusDetail": {"transactions": "ok"}},
        {"statusDetail": []},
        {"updatedAt": "then"},
        {"error": "text"},
        {"parameter": "text"},
    ],
    ids=str,
)
def test_an_item_of_another_shape_is_refused_and_raises_nothing_else(changes):
    with pytest.raises(payloads.UnreadableError):
        payloads.item(a_raw_item(**changes))


def test_a_balance_is_exact_or_null():
    assert payloads.account(a_raw_account(balance=Decimal("1.0001"))).balance == Decimal("1.0001")
    assert payloads.account(a_raw_account(balance=None)).balance is None
    with pytest.raises(payloads.UnreadableError):
        payloads.account(a_raw_account(balance="1"))
