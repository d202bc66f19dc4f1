"""The mirror in Postgres, held against the truth and against its own change feed."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Engine

from pluggy_sync.store.tables import changes, items, transactions
from standalone import mirror


def assert_mirrors(database: Engine, item_id: str, truth: dict[str, Any]) -> None:
    """Check that what is stored of the Item equals *truth*, field by field, and that its feed rebuilds it."""
    with database.begin() as conn:
        differences = list(mirror.stored(conn, item_id).differences(truth))
    assert not differences, f"{len(differences)} differences, as {differences[:5]}"
    assert_feed_rebuilds_it(database, item_id)


def assert_feed_rebuilds_it(database: Engine, item_id: str) -> None:
    """Check that the Item's feed has no gap, says nothing that cannot be, and leads to the rows that are stored."""
    with database.begin() as conn:
        feed = conn.execute(sa.select(changes).where(changes.c.item_id == item_id).order_by(changes.c.seq)).all()
        last_seq = conn.scalar(sa.select(items.c.change_seq).where(items.c.id == item_id))
        stored = set(conn.scalars(sa.select(transactions.c.id).where(transactions.c.item_id == item_id)))
    assert [change.seq for change in feed] == list(range(1, last_seq + 1))
    known: set[str] = set()
    for change in feed:
        if change.kind == "added":
            assert change.transaction_id not in known
            known.add(change.transaction_id)
        else:
            assert change.transaction_id in known
        if change.kind == "removed":
            known.remove(change.transaction_id)
    assert known == stored
