"""
Endpoints of the product: what is sent where, and whether they work, fail, or were stopped. Callers own the transaction.

The endpoint of the settings is one of them. Its address and secrets stay in the settings; the row has its state, and a
digest of the address that the state is about.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from pluggy_sync.store.tables import INSTANT, deliveries, delivery_attempts, endpoints

# The endpoint of the settings.
ENVIRONMENT = "ep_environment"
# Why an endpoint is stopped: it answered 410, or it failed for days.
GONE = "gone"
FAILING = "failing"


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """An endpoint and its state. While it fails, one notification at a time is sent there, from *retry_at* on."""

    id: str
    # None for the endpoint of the settings.
    url: str | None = field(repr=False)
    url_digest: str | None
    description: str | None
    # None: all.
    types: Sequence[str] | None
    enabled: bool
    # Sealed.
    secret: str | None = field(repr=False)
    previous_secret: str | None = field(repr=False)
    previous_secret_until: datetime | None
    created_at: datetime
    stopped_at: datetime | None
    stop_reason: str | None
    failing_since: datetime | None
    retry_at: datetime | None
    probing_until: datetime | None

    @property
    def is_live(self) -> bool:
        """Whether anything is sent there."""
        return self.enabled and self.stopped_at is None

    @property
    def state(self) -> str:
        """The state in a word: unset, disabled, stopped, failing or working."""
        if self.url is None and self.url_digest is None:
            return "unset"
        if not self.enabled:
            return "disabled"
        if self.stopped_at is not None:
            return "stopped"
        return "working" if self.failing_since is None else "failing"

    def may_be_probed(self, now: datetime) -> bool:
        """Return whether the one notification may be sent now."""
        return all(moment is None or moment <= now for moment in (self.retry_at, self.probing_until))


_COLUMNS = tuple(endpoints.c[each.name] for each in fields(Endpoint))
_THERE = endpoints.c.deleted_at.is_(None)
_WORKS = {"stopped_at": None, "stop_reason": None, "failing_since": None, "retry_at": None, "probing_until": None}


def new_id() -> str:
    """Return the id of a new endpoint."""
    return "ep_" + secrets.token_urlsafe(12)


def add(
    conn: Connection,
    *,
    endpoint_id: str,
    url: str,
    secret: str,
    description: str | None,
    types: Sequence[str] | None,
    enabled: bool,
    now: datetime,
) -> None:
    """Store a new endpoint; *secret* is sealed."""
    conn.execute(
        sa.insert(endpoints).values(
            id=endpoint_id,
            url=url,
            secret=secret,
            description=description,
            types=None if types is None else list(types),
            enabled=enabled,
            created_at=now,
        )
    )


_OF_ID = endpoints.c.id == sa.bindparam("endpoint")
_UPDATE = sa.update(endpoints).where(_OF_ID)

_GET = sa.select(*_COLUMNS).where(_OF_ID, _THERE)
_LOCK = _GET.with_for_update()


def get(conn: Connection, endpoint_id: str) -> Endpoint | None:
    """Return the endpoint; None: there is none."""
    return _endpoint(conn, _GET, endpoint_id)


def existing(conn: Connection, endpoint_id: str) -> Endpoint:
    """
    Return the endpoint.

    Raises:
        LookupError: there is none.
    """
    endpoint = get(conn, endpoint_id)
    if endpoint is None:
        raise LookupError("no such endpoint")
    return endpoint


def lock(conn: Connection, endpoint_id: str) -> Endpoint | None:
    """Return the endpoint, and lock it until the transaction ends; None: there is none."""
    return _endpoint(conn, _LOCK, endpoint_id)


def _endpoint(conn: Connection, stmt: sa.Select[Any], endpoint_id: str) -> Endpoint | None:
    row = conn.execute(stmt, {"endpoint": endpoint_id}).one_or_none()
    return None if row is None else Endpoint(**row._mapping)


_ADD_ENVIRONMENT = insert(endpoints).values(id=ENVIRONMENT).on_conflict_do_nothing()
_ALL = sa.select(*_COLUMNS).where(_THERE).order_by(endpoints.c.created_at, endpoints.c.id)


def all_(conn: Connection) -> Sequence[Endpoint]:
    """Return all endpoints, oldest first. That of the settings is there even if they name none."""
    conn.execute(_ADD_ENVIRONMENT)
    return [Endpoint(**row._mapping) for row in conn.execute(_ALL)]


def receivers(conn: Connection, type_: str) -> Sequence[Endpoint]:
    """
    Return the endpoints that a notification of *type_* is for, stopped ones too.

    That of the settings gets it if the settings name one, or if there is no other: then it waits until they do.
    """
    found = [Endpoint(**row._mapping) for row in conn.execute(_ALL)]
    if not any(each.id == ENVIRONMENT for each in found):
        return receivers_after_adding(conn, type_)
    others = any(each.enabled for each in found if each.id != ENVIRONMENT)
    return [
        each
        for each in found
        if each.enabled
        and (each.types is None or type_ in each.types)
        and (each.id != ENVIRONMENT or each.url_digest is not None or not others)
    ]


def receivers_after_adding(conn: Connection, type_: str) -> Sequence[Endpoint]:
    """Add the row of the settings' endpoint, which somebody removed, and return what `receivers` does."""
    conn.execute(_ADD_ENVIRONMENT)
    return receivers(conn, type_)


_FOLLOW_SETTINGS = _UPDATE.where(endpoints.c.url_digest.is_distinct_from(sa.bindparam("digest"))).values(_WORKS)


def follow_settings(conn: Connection, url: str | None) -> None:
    """Let the endpoint of the settings be at *url*. If it was elsewhere before, its state begins anew."""
    digest = None if url is None else hashlib.sha256(url.encode()).hexdigest()
    conn.execute(_FOLLOW_SETTINGS, {"endpoint": ENVIRONMENT, "digest": digest, "url_digest": digest})


def change(conn: Connection, endpoint_id: str, **values: Any) -> None:
    """Set *values* of the endpoint. At a new address its state begins anew."""
    anew = _WORKS if "url" in values else {}
    conn.execute(sa.update(endpoints).where(endpoints.c.id == endpoint_id).values(**values, **anew))


_NOW = sa.bindparam("now", type_=INSTANT)
_TAKE_PROBE = _UPDATE.where(
    endpoints.c.failing_since.is_not(None),
    endpoints.c.retry_at <= _NOW,
    sa.func.coalesce(endpoints.c.probing_until, _NOW) <= _NOW,
)


def take_probe(conn: Connection, endpoint_id: str, *, now: datetime, until: datetime) -> bool:
    """Let only the caller send to the failing endpoint until *until*; return False if nobody may send now."""
    return conn.execute(_TAKE_PROBE, {"endpoint": endpoint_id, "now": now, "probing_until": until}).rowcount == 1


def release_probe(conn: Connection, endpoint_id: str) -> None:
    """Let somebody else send the one notification."""
    conn.execute(_UPDATE, {"endpoint": endpoint_id, "probing_until": None})


def mark_failing(conn: Connection, endpoint_id: str, *, since: datetime, retry_at: datetime) -> None:
    """Record that the locked endpoint fails, and send nothing there before *retry_at*."""
    conn.execute(_UPDATE, {"endpoint": endpoint_id, "failing_since": since, "retry_at": retry_at})


_MARK_WORKING = _UPDATE.where(endpoints.c.failing_since.is_not(None), endpoints.c.stopped_at.is_(None)).values(
    failing_since=None, retry_at=None
)


def mark_working(conn: Connection, endpoint_id: str) -> bool:
    """Record that the endpoint took a notification; return whether it had been failing."""
    return conn.execute(_MARK_WORKING, {"endpoint": endpoint_id}).rowcount == 1


def stop(conn: Connection, endpoint_id: str, reason: str, *, now: datetime) -> bool:
    """Send nothing more there; return False if it was stopped before."""
    stopped = conn.execute(
        sa.update(endpoints)
        .where(endpoints.c.id == endpoint_id, endpoints.c.stopped_at.is_(None))
        .values(stopped_at=now, stop_reason=reason)
    )
    return stopped.rowcount == 1


def resume(conn: Connection, endpoint_id: str) -> bool:
    """Send there again, from now on; return whether it was stopped."""
    resumed = conn.execute(
        sa.update(endpoints).where(endpoints.c.id == endpoint_id, endpoints.c.stopped_at.is_not(None)).values(**_WORKS)
    )
    return resumed.rowcount == 1


def delete(conn: Connection, endpoint_id: str, *, now: datetime) -> bool:
    """Delete the endpoint, but for what `remove_deleted` removes later; return False if there is none."""
    deleted = conn.execute(
        sa.update(endpoints)
        .where(endpoints.c.id == endpoint_id, _THERE)
        .values(deleted_at=now, url=None, secret=None, previous_secret=None, enabled=False)
    )
    return deleted.rowcount == 1


def remove_deleted(conn: Connection, *, limit: int) -> int:
    """
    Remove up to *limit* deliveries and attempts of each deleted endpoint, and its row once none is left.

    Return how many rows were removed; 0: no deleted endpoint is left.
    """
    removed = 0
    for endpoint_id in conn.scalars(sa.select(endpoints.c.id).where(~_THERE)).all():
        left = 0
        for table in (deliveries, delivery_attempts):
            some = sa.select(table.c.id).where(table.c.endpoint_id == endpoint_id).limit(limit)
            left += conn.execute(sa.delete(table).where(table.c.id.in_(some))).rowcount
        if left == 0:
            left = conn.execute(sa.delete(endpoints).where(endpoints.c.id == endpoint_id)).rowcount
        removed += left
    return removed
