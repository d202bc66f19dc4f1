"""A balance is explained by the balance before it and the rows since, or the difference is recorded."""

from datetime import timedelta
from decimal import Decimal

from pluggy_sync.store import balances, items, transactions
from tests.kit.factories import NOON, a_transaction

ACCOUNT = "a-bank-account"
ITEM = "an-item"


def record(conn, balance, at):
    return balances.record(conn, ITEM, ACCOUNT, Decimal(balance), collected_at=at)


def store(conn, *rows):
    items.lock(conn, ITEM, now=NOON)
    transactions.merge(conn, ITEM, list(rows), began_at=NOON, now=NOON)


def a_row(amount, at, **changes):
    return a_transaction(accountId=ACCOUNT, amount=Decimal(amount), date=at.isoformat(), **changes)


def test_the_first_balance_has_nothing_to_be_compared_with(database):
    with database.begin() as conn:
        assert record(conn, "100.00", NOON) is None


def test_a_balance_that_the_rows_explain_has_no_drift(database):
    with database.begin() as conn:
        record(conn, "100.00", NOON)
        store(conn, a_row("-30.5001", NOON + timedelta(hours=1)), a_row("10", NOON + timedelta(hours=2)))

        assert record(conn, "79.4999", NOON + timedelta(days=1)) == 0


def test_what_the_rows_do_not_explain_is_the_drift(database):
    with database.begin() as conn:
        record(conn, "100.00", NOON)
        store(conn, a_row("-30", NOON + timedelta(hours=1)))

        assert record(conn, "69.10", NOON + timedelta(days=1)) == Decimal("-0.90")


def test_pending_and_future_rows_do_not_explain_a_balance(database):
    with database.begin() as conn:
        record(conn, "100.00", NOON)
        store(
            conn,
            a_row("-30", NOON + timedelta(hours=1), status="PENDING"),
            a_row("-40", NOON + timedelta(days=40)),
        )

        assert record(conn, "100.00", NOON + timedelta(days=1)) == 0


def test_a_row_in_foreign_currency_counts_in_the_currency_of_the_account(database):
    with database.begin() as conn:
        record(conn, "100.00", NOON)
        foreign = a_row("-10", NOON + timedelta(hours=1), currencyCode="USD", amountInAccountCurrency=Decimal("-55.10"))
        store(conn, foreign)

        assert record(conn, "44.90", NOON + timedelta(days=1)) == 0
