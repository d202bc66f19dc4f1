"""
Totals over all of history, kept as they grow. Callers own the transaction.

They do not fall when the rows that they count are removed, and cost the same to read however many there were.

Tests: `store/test_sync_runs.py`, `engine/test_reconciliation.py`.
"""

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from pluggy_sync.store.tables import counters

# Rows repaired: changes whose webhooks were missed, and rows that had been removed by mistake.
ROWS_REPAIRED = "rows_repaired"
# Fetches of silent Items that found news: their webhooks were missed.
FOUND_BY_FETCHING = "found_by_fetching"

# The newest position in the stream of notifications of those that were removed by age.
NOTIFICATIONS_REMOVED_THROUGH = "notifications_removed_through"


def add(conn: Connection, name: str, number: int) -> None:
    """Raise a counter. Its row stays locked until the transaction ends: count what is rare, and count it last."""
    new = insert(counters).values(name=name, value=number)
    conn.execute(
        new.on_conflict_do_update(
            index_elements=[counters.c.name], set_={"value": counters.c.value + new.excluded.value}
        )
    )


def value(conn: Connection, name: str) -> int:
    """Return where the counter stands."""
    return conn.scalar(sa.select(counters.c.value).where(counters.c.name == name)) or 0
