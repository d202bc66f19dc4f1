"""The connectors that our Items go through, and whether they work. Callers own the transaction."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from pluggy_sync.pluggy.payloads import Connector
from pluggy_sync.store.tables import connectors


def save(conn: Connection, connector: Connector, *, now: datetime) -> bool:
    """Keep what an Item showed of its connector; return whether the known status changed."""
    if connector.id is None:
        return False
    before = status(conn, connector.id)
    new = insert(connectors).values(
        id=connector.id,
        name=connector.name,
        image_url=connector.image_url,
        status=connector.status,
        updated_at=now,
    )
    values = {
        "name": sa.func.coalesce(new.excluded.name, connectors.c.name),
        "image_url": sa.func.coalesce(new.excluded.image_url, connectors.c.image_url),
        "status": sa.func.coalesce(new.excluded.status, connectors.c.status),
    }
    # Many Items share a connector: an unchanged row is left alone, so that they do not wait for each other.
    differs = sa.or_(*[connectors.c[name].is_distinct_from(value) for name, value in values.items()])
    conn.execute(
        new.on_conflict_do_update(index_elements=[connectors.c.id], set_={**values, "updated_at": now}, where=differs)
    )
    return before is not None and connector.status is not None and before != connector.status


def set_status(conn: Connection, connector_id: int, to: str | None, *, now: datetime) -> bool:
    """Keep the connector's status; return whether it changed."""
    if to is None or status(conn, connector_id) == to:
        return False
    new = insert(connectors).values(id=connector_id, status=to, updated_at=now)
    conn.execute(new.on_conflict_do_update(index_elements=[connectors.c.id], set_={"status": to, "updated_at": now}))
    return True


def status(conn: Connection, connector_id: int) -> str | None:
    """Return the connector's status as last heard, or None."""
    found: str | None = conn.scalar(sa.select(connectors.c.status).where(connectors.c.id == connector_id))
    return found


def get(conn: Connection, connector_id: int) -> sa.Row[Any] | None:
    """Return the connector's row, or None."""
    return conn.execute(sa.select(connectors).where(connectors.c.id == connector_id)).one_or_none()
