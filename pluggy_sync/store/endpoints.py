"""
Endpoints of the product: whether they work, fail, or were stopped. Callers own the transaction.

An endpoint is known by a digest of its address, which may hold a secret. One that works has no row.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from pluggy_sync.store.tables import endpoints


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """The state of an endpoint. While it fails, one notification at a time is sent there, from *retry_at* on."""

    stopped_at: datetime | None = None
    failing_since: datetime | None = None
    retry_at: datetime | None = None
    probing_until: datetime | None = None

    def may_be_probed(self, now: datetime) -> bool:
        """Return whether the one notification may be sent now."""
        return all(moment is None or moment <= now for moment in (self.retry_at, self.probing_until))


_COLUMNS = (endpoints.c.stopped_at, endpoints.c.failing_since, endpoints.c.retry_at, endpoints.c.probing_until)


def get(conn: Connection, url: str) -> Endpoint:
    """Return the state of the endpoint at *url*."""
    return _endpoint(conn, sa.select(*_COLUMNS).where(endpoints.c.url_digest == _digest(url)))


def lock(conn: Connection, url: str) -> Endpoint:
    """Return the state of the endpoint at *url*, and lock it until the transaction ends."""
    conn.execute(insert(endpoints).values(url_digest=_digest(url)).on_conflict_do_nothing())
    return _endpoint(conn, sa.select(*_COLUMNS).where(endpoints.c.url_digest == _digest(url)).with_for_update())


def _endpoint(conn: Connection, stmt: sa.Select[datetime, datetime, datetime, datetime]) -> Endpoint:
    row = conn.execute(stmt).one_or_none()
    return Endpoint() if row is None else Endpoint(**row._mapping)


def take_probe(conn: Connection, url: str, *, now: datetime, until: datetime) -> bool:
    """Let only the caller send to the failing endpoint until *until*; return False if nobody may send now."""
    taken = conn.execute(
        sa.update(endpoints)
        .where(
            endpoints.c.url_digest == _digest(url),
            endpoints.c.failing_since.is_not(None),
            endpoints.c.retry_at <= now,
            sa.func.coalesce(endpoints.c.probing_until, now) <= now,
        )
        .values(probing_until=until)
    )
    return taken.rowcount == 1


def release_probe(conn: Connection, url: str) -> None:
    """Let somebody else send the one notification."""
    conn.execute(sa.update(endpoints).where(endpoints.c.url_digest == _digest(url)).values(probing_until=None))


def mark_failing(conn: Connection, url: str, *, since: datetime, retry_at: datetime) -> None:
    """Record that the locked endpoint fails, and send nothing there before *retry_at*."""
    conn.execute(
        sa.update(endpoints)
        .where(endpoints.c.url_digest == _digest(url))
        .values(failing_since=since, retry_at=retry_at)
    )


def mark_working(conn: Connection, url: str) -> bool:
    """Record that the endpoint took a notification; return whether it had been failing."""
    failed = conn.execute(
        sa.delete(endpoints).where(endpoints.c.url_digest == _digest(url), endpoints.c.stopped_at.is_(None))
    )
    return failed.rowcount == 1


def stop(conn: Connection, url: str, *, now: datetime) -> None:
    """Send nothing more to *url*: it answered 410 (product contract)."""
    new = insert(endpoints).values(url_digest=_digest(url), stopped_at=now)
    conn.execute(
        new.on_conflict_do_update(
            index_elements=[endpoints.c.url_digest],
            set_={"stopped_at": sa.func.coalesce(endpoints.c.stopped_at, now)},
        )
    )


def resume(conn: Connection, url: str) -> bool:
    """Send to *url* again, from now on; return whether it was stopped."""
    gone = conn.execute(
        sa.delete(endpoints).where(endpoints.c.url_digest == _digest(url), endpoints.c.stopped_at.is_not(None))
    )
    return gone.rowcount == 1


def _digest(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()
