"""
The comparison of our Items with Pluggy's list of them, page by page. Callers own the transaction.

Tests: `engine/test_item_list.py`.
"""

import dataclasses
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from pluggy_sync.store.tables import item_list_checks, items, listed_items


@dataclass(frozen=True, kw_only=True)
class Check:
    """How far the comparison is. `began_at` None: none goes on; `refused_at`: Pluggy does not list Items for us."""

    began_at: datetime | None = None
    after: str | None = None
    finished_at: datetime | None = None
    refused_at: datetime | None = None
    unknown_here: int = 0
    unknown_there: int = 0


_COLUMNS = [item_list_checks.c[field.name] for field in dataclasses.fields(Check)]


def get(conn: Connection, application: str) -> Check:
    """Return how far the comparison is, of the application with this client id."""
    row = conn.execute(sa.select(*_COLUMNS).where(item_list_checks.c.application == application)).one_or_none()
    return Check() if row is None else Check(**row._mapping)


def save(conn: Connection, application: str, check: Check) -> None:
    """Keep how far the comparison is."""
    values = dataclasses.asdict(check)
    conn.execute(
        insert(item_list_checks)
        .values(application=application, **values)
        .on_conflict_do_update(index_elements=[item_list_checks.c.application], set_=values)
    )


def remove_listed(conn: Connection) -> None:
    """Forget what was listed in a comparison."""
    conn.execute(sa.delete(listed_items))


def add(conn: Connection, item_ids: Collection[str]) -> None:
    """Keep that Pluggy listed these Items."""
    if item_ids:
        rows = [{"item_id": each} for each in item_ids]
        conn.execute(insert(listed_items).values(rows).on_conflict_do_nothing(index_elements=[listed_items.c.item_id]))


def unknown_here(conn: Connection, item_ids: Collection[str]) -> set[str]:
    """Return those of *item_ids* that are not known here; a deleted Item is known."""
    known = set(conn.scalars(sa.select(items.c.id).where(items.c.id.in_(item_ids))))
    return set(item_ids) - known


def unlisted(conn: Connection, *, before: datetime, after_id: str, limit: int) -> Sequence[str]:
    """Return the next living Items, by id, that were known *before* the comparison began and are not listed in it."""
    return list(
        conn.scalars(
            sa.select(items.c.id)
            .where(
                items.c.id > after_id,
                items.c.deleted_at.is_(None),
                items.c.first_seen_at < before,
                items.c.status.is_not(None),
                ~sa.exists().where(listed_items.c.item_id == items.c.id),
            )
            .order_by(items.c.id)
            .limit(limit)
        )
    )
