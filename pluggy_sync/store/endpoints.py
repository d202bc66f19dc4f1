"""Endpoints of the product, and whether they want to hear from us. Callers own the transaction."""

import hashlib
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from pluggy_sync.store.tables import stopped_endpoints


def stop(conn: Connection, url: str, *, now: datetime) -> None:
    """Send nothing more to *url*: it answered 410 (product contract)."""
    new = insert(stopped_endpoints).values(endpoint=_digest(url), stopped_at=now)
    conn.execute(new.on_conflict_do_nothing(index_elements=[stopped_endpoints.c.endpoint]))


def stopped_at(conn: Connection, url: str) -> datetime | None:
    """Return since when nothing is sent to *url*; None if it is served."""
    since: datetime | None = conn.scalar(
        sa.select(stopped_endpoints.c.stopped_at).where(stopped_endpoints.c.endpoint == _digest(url))
    )
    return since


def resume(conn: Connection, url: str) -> bool:
    """Serve *url* again; return whether it was stopped."""
    gone = conn.execute(sa.delete(stopped_endpoints).where(stopped_endpoints.c.endpoint == _digest(url)))
    return gone.rowcount == 1


def _digest(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()
