"""Balances over time, and whether the rows explain them. Callers own the transaction and hold the Item's write lock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import distinct_on, insert

from pluggy_sync.store.tables import balances, transactions


@dataclass(frozen=True, kw_only=True)
class BalanceCheck:
    """The drift of the balance collected at *collected_at*; None: it is the first one."""

    collected_at: datetime
    drift: Decimal | None


@dataclass(frozen=True, kw_only=True)
class _Balance:
    balance: Decimal
    rows_total: Decimal


_BALANCE = insert(balances)
_RECORD = _BALANCE.on_conflict_do_update(
    index_elements=[balances.c.account_id, balances.c.collected_at],
    set_={name: _BALANCE.excluded[name] for name in ("balance", "rows_total", "drift")},
)


def record(
    conn: Connection, item_id: str, account_id: str, balance: Decimal, *, collected_at: datetime
) -> Decimal | None:
    """
    Save the balance of a bank account as collected; return its drift, None if it is the first balance.

    The drift is what the balance changed by beyond the rows that were posted since the previous balance. It is recorded
    and shown, never "fixed": late rows, fees without a row and the bank's own mistakes all appear in it.
    """
    rows_total = _rows_total(conn, account_id, collected_at)
    before = _before(conn, account_id, collected_at)
    drift = None if before is None else (balance - before.balance) - (rows_total - before.rows_total)
    conn.execute(
        _RECORD,
        {
            "account_id": account_id,
            "collected_at": collected_at,
            "item_id": item_id,
            "balance": balance,
            "rows_total": rows_total,
            "drift": drift,
        },
    )
    return drift


_LATEST = (
    sa.select(balances.c.account_id, balances.c.collected_at, balances.c.drift)
    .ext(distinct_on(balances.c.account_id))
    .where(balances.c.account_id == sa.func.any(sa.bindparam("accounts", type_=sa.ARRAY(sa.Text))))
    .order_by(balances.c.account_id, balances.c.collected_at.desc())
)


def latest(conn: Connection, account_ids: Sequence[str]) -> dict[str, BalanceCheck]:
    """Return the check of the newest balance of each account that has one, by the account's id."""
    rows = conn.execute(_LATEST, {"accounts": list(account_ids)})
    return {row.account_id: BalanceCheck(collected_at=row.collected_at, drift=row.drift) for row in rows}


_AMOUNT = sa.func.coalesce(transactions.c.amount_in_account_currency, transactions.c.amount)
_ROWS_TOTAL = sa.select(sa.func.coalesce(sa.func.sum(_AMOUNT), 0)).where(
    transactions.c.account_id == sa.bindparam("account"),
    transactions.c.status == "POSTED",
    # Instalments may be dated ahead (Pluggy facts 9.8).
    transactions.c.date <= sa.bindparam("until"),
)


def _rows_total(conn: Connection, account_id: str, until: datetime) -> Decimal:
    return Decimal(conn.scalar(_ROWS_TOTAL, {"account": account_id, "until": until}) or 0)


_BEFORE = (
    sa.select(balances.c.balance, balances.c.rows_total)
    .where(balances.c.account_id == sa.bindparam("account"), balances.c.collected_at < sa.bindparam("moment"))
    .order_by(balances.c.collected_at.desc())
    .limit(1)
)


def _before(conn: Connection, account_id: str, moment: datetime) -> _Balance | None:
    row = conn.execute(_BEFORE, {"account": account_id, "moment": moment}).one_or_none()
    return None if row is None else _Balance(**row._mapping)
