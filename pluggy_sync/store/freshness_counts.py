"""
How many Items of each bank are how fresh, as last counted, and the sums of all counts of a day. Callers own the
transaction.

Tests: `engine/test_freshness_counting.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from pluggy_sync.rules.freshness import State
from pluggy_sync.rules.freshness_objective import Share
from pluggy_sync.store import connectors as connector_queries
from pluggy_sync.store.tables import connectors, freshness_counts, freshness_days, incomplete_parts, items

# The bank of Items that were not seen yet. 0 is a bank's number.
UNKNOWN_BANK = -1

_BANK = sa.func.coalesce(items.c.connector_id, UNKNOWN_BANK)


def living(conn: Connection) -> dict[int, int]:
    """Return how many Items each bank has. One that was replaced is not kept fresh any more, and counts nowhere."""
    number = sa.func.count().label("number")
    kept = (items.c.deleted_at.is_(None), items.c.replaced_by.is_(None))
    stmt = sa.select(_BANK.label("connector_id"), number).where(*kept).group_by(items.c.connector_id)
    return {row.connector_id: row.number for row in conn.execute(stmt)}


def offline(conn: Connection) -> set[int]:
    """Return the banks that are offline, or away by an incident."""
    return set(conn.scalars(sa.select(connectors.c.id).where(connector_queries.is_offline_or_away())))


@dataclass(frozen=True, kw_only=True)
class IncompletePart:
    """A data product of an Item that is not complete."""

    item_id: str
    connector_id: int
    product: str


def incomplete(conn: Connection) -> Sequence[IncompletePart]:
    """Return what is not complete of living Items, each once."""
    rows = conn.execute(
        sa.select(incomplete_parts.c.item_id, _BANK.label("connector_id"), incomplete_parts.c.product)
        .join(items, items.c.id == incomplete_parts.c.item_id)
        .where(items.c.deleted_at.is_(None), items.c.replaced_by.is_(None))
        .distinct()
    )
    return [IncompletePart(**row._mapping) for row in rows]


def save(conn: Connection, counts: Mapping[tuple[int, State], int], *, now: datetime) -> None:
    """Replace the counts, by bank and state."""
    conn.execute(sa.delete(freshness_counts))
    rows = [
        {"connector_id": connector_id, "state": state, "number": number, "counted_at": now}
        for (connector_id, state), number in counts.items()
        if number
    ]
    if rows:
        conn.execute(sa.insert(freshness_counts), rows)


def counted(conn: Connection) -> list[tuple[int, str, int]]:
    """Return bank, state and number, as last counted."""
    columns = (freshness_counts.c.connector_id, freshness_counts.c.state, freshness_counts.c.number)
    return [(row.connector_id, row.state, row.number) for row in conn.execute(sa.select(*columns).order_by(*columns))]


def last_counted(conn: Connection) -> datetime | None:
    """Return when they were counted; None: never, or there was no Item."""
    moment: datetime | None = conn.scalar(sa.select(sa.func.max(freshness_counts.c.counted_at)))
    return moment


def add_to_day(conn: Connection, day: date, shares: Mapping[tuple[int, str], Share]) -> None:
    """Add a count to the sums of *day*: the share of each bank and data product."""
    rows = [
        {"day": day, "connector_id": bank, "product": product, "fresh": share.fresh, "counted": share.counted}
        for (bank, product), share in sorted(shares.items())
        if share.counted
    ]
    if not rows:
        return
    new = insert(freshness_days).values(rows)
    conn.execute(
        new.on_conflict_do_update(
            index_elements=[freshness_days.c.day, freshness_days.c.connector_id, freshness_days.c.product],
            set_={
                "fresh": freshness_days.c.fresh + new.excluded.fresh,
                "counted": freshness_days.c.counted + new.excluded.counted,
            },
        )
    )


def since(conn: Connection, day: date) -> dict[tuple[int, str], Share]:
    """Return the sums from *day* on, by bank and data product."""
    fresh, number = sa.func.sum(freshness_days.c.fresh), sa.func.sum(freshness_days.c.counted)
    key = (freshness_days.c.connector_id, freshness_days.c.product)
    stmt = sa.select(*key, fresh.label("fresh"), number.label("counted")).where(freshness_days.c.day >= day)
    return {
        (row.connector_id, row.product): Share(fresh=int(row.fresh), counted=int(row.counted))
        for row in conn.execute(stmt.group_by(*key).order_by(*key))
    }


def remove_before(conn: Connection, day: date) -> None:
    """Remove the sums of the days before *day*."""
    conn.execute(sa.delete(freshness_days).where(freshness_days.c.day < day))
