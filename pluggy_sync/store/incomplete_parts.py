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
from pluggy_sync.store.given_rows import as_parameter, given
from pluggy_sync.store.tables import incomplete_parts

_GIVEN = insert(incomplete_parts).from_select(
    [column.name for column in incomplete_parts.columns], sa.select(given(incomplete_parts.columns))
)
_SAVE = _GIVEN.on_conflict_do_update(
    index_elements=[incomplete_parts.c.item_id, incomplete_parts.c.product, incomplete_parts.c.part_of],
    set_={name: _GIVEN.excluded[name] for name in ("reason", "detail", "attempts", "retry_at", "after_seq")},
)


def save(conn: Connection, item_id: str, parts: Collection[Incomplete], *, now: datetime) -> None:
    """Save *parts*. Each replaces what is stored of the same part."""
    if not parts:
        return
    rows = [
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
    conn.execute(_SAVE, {"rows": as_parameter(rows)})


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
