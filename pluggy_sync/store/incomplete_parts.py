"""
Parts of an Item that could not be read completely. Callers own the transaction and hold the Item's write lock.

Tests: `store/test_sync_state.py`, `engine/sync/test_item.py`.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from pluggy_sync.rules.sync_plan import Incomplete, Part
from pluggy_sync.store.tables import incomplete_parts


def save(conn: Connection, item_id: str, parts: Collection[Incomplete], *, now: datetime) -> None:
    """Save *parts*. Each replaces what is stored of the same part."""
    if not parts:
        return
    new = insert(incomplete_parts).values(
        [
            {
                "item_id": item_id,
                "product": each.part.product,
                "part_of": each.part.of,
                "reason": each.reason.value,
                "detail": each.detail,
                "attempts": each.attempts,
                "since": now,
                "retry_at": each.retry_at,
                "after_seq": each.after_seq,
            }
            for each in parts
        ]
    )
    replaced = ("reason", "detail", "attempts", "retry_at", "after_seq")
    conn.execute(
        new.on_conflict_do_update(
            index_elements=[incomplete_parts.c.item_id, incomplete_parts.c.product, incomplete_parts.c.part_of],
            set_={name: new.excluded[name] for name in replaced},
        )
    )


def counts(conn: Connection) -> Sequence[tuple[str, int]]:
    """Return how many parts are incomplete and tried again by themselves, by data product."""
    rows = conn.execute(
        sa.select(incomplete_parts.c.product, sa.func.count().label("number"))
        .where(incomplete_parts.c.retry_at.is_not(None))
        .group_by(incomplete_parts.c.product)
    )
    return [(row.product, row.number) for row in rows]


def remove(conn: Connection, item_id: str, parts: Collection[Part]) -> None:
    """Remove *parts*, which were read."""
    if not parts:
        return
    key = sa.tuple_(incomplete_parts.c.product, incomplete_parts.c.part_of)
    conn.execute(
        sa.delete(incomplete_parts).where(
            incomplete_parts.c.item_id == item_id, key.in_([(each.product, each.of) for each in parts])
        )
    )
