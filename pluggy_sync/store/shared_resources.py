"""
What the bank of an Open Finance Item shares, as last read. Callers own the transaction.

Tests: `engine/test_sharing.py`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import JSONB, insert

from pluggy_sync import wire
from pluggy_sync.pluggy.payloads import Resource
from pluggy_sync.rules.sharing import Shared
from pluggy_sync.store.tables import shared_resources


def of_json(found: Any) -> Shared | None:
    """Return what the row that Postgres gave as JSON says; None for none."""
    if found is None:
        return None
    listed = found["resources"]
    return Shared(
        collected_at=wire.instant(found["collected_at"]),
        pending=found["pending"],
        resources=None if listed is None else [Resource(type=each["type"], status=each["status"]) for each in listed],
    )


def as_json() -> sa.ColumnElement[object]:
    """Return the expression of a row as `of_json` reads it."""
    columns = (shared_resources.c.collected_at, shared_resources.c.pending, shared_resources.c.resources)
    pairs = [part for each in columns for part in (sa.literal_column(f"'{each.name}'", sa.Text), each)]
    return sa.func.jsonb_build_object(*pairs, type_=JSONB)


def save(
    conn: Connection,
    item_id: str,
    *,
    collected_at: datetime | None,
    pending: bool,
    resources: Sequence[Resource] | None,
    now: datetime,
) -> None:
    """Keep what the bank shares; *resources* None: Pluggy refused to say. The caller holds the Item's write lock."""
    listed = None if resources is None else [{"type": each.type, "status": each.status} for each in resources]
    values = {"collected_at": collected_at, "pending": pending, "resources": listed, "read_at": now}
    conn.execute(
        insert(shared_resources)
        .values(item_id=item_id, **values)
        .on_conflict_do_update(index_elements=[shared_resources.c.item_id], set_=values)
    )
