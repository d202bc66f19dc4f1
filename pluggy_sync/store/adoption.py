"""
What is stored tells how a company uses Pluggy, for the doctor's go-live list. Callers own the transaction.

Each question reads a few rows, whatever is stored.

Tests: `console/checkup/test_go_live.py`.
"""

from collections.abc import Collection, Sequence

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync.store.tables import connectors, inbox, items

# So many Items, those with the highest ids, stand for all.
LOOKED_AT = 1_000


def received(conn: Connection, names: Collection[str]) -> set[str]:
    """Return which kinds of events came at least once."""
    return {name for name in names if conn.scalar(sa.select(sa.exists().where(inbox.c.name == name)))}


def persons(conn: Connection) -> tuple[int, int, int]:
    """Return how many Items were looked at, how many of them have a `clientUserId`, and how many different ones."""
    some = (
        sa.select(items.c.client_user_id)
        .where(items.c.deleted_at.is_(None))
        .order_by(items.c.id.desc())
        .limit(LOOKED_AT)
        .subquery("some")
    )
    person = some.c.client_user_id
    row = conn.execute(
        sa.select(
            sa.func.count().label("all"),
            sa.func.count(person).label("named"),
            sa.func.count(sa.distinct(person)).label("different"),
        ).select_from(some)
    ).one()
    return row.all, row.named, row.different


def sandbox_banks(conn: Connection) -> Sequence[str]:
    """Return the banks of the sandbox of which there are Items, by name and number."""
    one = (
        sa.select(items.c.raw)
        .where(items.c.connector_id == connectors.c.id, items.c.deleted_at.is_(None), items.c.raw.is_not(None))
        .limit(1)
        .lateral("one")
    )
    name = sa.func.coalesce(connectors.c.name, "bank") + " (" + sa.cast(connectors.c.id, sa.Text) + ")"
    return conn.scalars(
        sa.select(name)
        .select_from(connectors.join(one, sa.true()))
        .where(one.c.raw["connector"]["isSandbox"].astext == "true")
        .order_by(connectors.c.id)
    ).all()
