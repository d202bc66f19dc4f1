"""
The connectors that our Items go through, and whether they work. Callers own the transaction.

Tests: `engine/test_outages.py`.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from pluggy_sync.pluggy.payloads import Connector
from pluggy_sync.rules.statuses import OFFLINE
from pluggy_sync.store.bank_incidents import Source
from pluggy_sync.store.tables import bank_incidents, connectors, items


@dataclass(frozen=True, kw_only=True)
class KnownConnector:
    """A connector as last heard of."""

    id: int
    name: str | None
    image_url: str | None
    status: str | None
    # When its status changed last.
    updated_at: datetime
    # When it last came back from OFFLINE; None: never, as far as was heard.
    came_back_at: datetime | None
    # The worst incident that goes on there; None: none. `away`: nobody is asked for anything meanwhile.
    incident_type: str | None
    incident_since: datetime | None
    away: bool

    @property
    def is_offline(self) -> bool:
        """Whether nobody can do anything there: the connector is offline, or the whole bank is away."""
        return self.status == OFFLINE or self.away


@dataclass(frozen=True, kw_only=True)
class StatusSeen:
    """
    The status of a connector before and after an Item showed it; None: not known.

    *is_away*: its bank was away by an incident. *has_incidents*: Items told of incidents there that are kept.
    """

    before: str | None
    after: str | None
    is_away: bool = False
    has_incidents: bool = False

    @property
    def changed(self) -> bool:
        """Whether a known status became another one."""
        return self.before is not None and self.before != self.after


_KNOWN = [connectors.c[field.name] for field in dataclasses.fields(KnownConnector)]
_OF_CONNECTOR = connectors.c.id == sa.bindparam("connector")


def _save() -> sa.Select[Any]:
    names = ("name", "image_url", "status", "updated_at")
    new = insert(connectors).values({"id": sa.bindparam("connector"), **{name: sa.bindparam(name) for name in names}})
    values = {
        "name": sa.func.coalesce(new.excluded.name, connectors.c.name),
        "image_url": sa.func.coalesce(new.excluded.image_url, connectors.c.image_url),
        "status": sa.func.coalesce(new.excluded.status, connectors.c.status),
    }
    # Many Items share a connector. An unchanged row is not written, or they would wait for each other.
    differs = sa.or_(*[connectors.c[name].is_distinct_from(value) for name, value in values.items()])
    saved = (
        new.on_conflict_do_update(
            index_elements=[connectors.c.id], set_={**values, "updated_at": new.excluded.updated_at}, where=differs
        )
        .returning(connectors.c.status)
        .cte("saved")
    )
    # Both parts of the statement see the table as it was before.
    before = sa.select(connectors.c.status).where(_OF_CONNECTOR).scalar_subquery()
    after = sa.select(saved.c.status).scalar_subquery()
    away = sa.exists().where(_OF_CONNECTOR, connectors.c.away)
    told = sa.exists().where(
        bank_incidents.c.connector_id == sa.bindparam("connector"), bank_incidents.c.source == Source.ITEM
    )
    return sa.select(before.label("before"), after.label("after"), away.label("is_away"), told.label("has_incidents"))


_SAVE = _save()


def save(conn: Connection, connector: Connector, *, now: datetime) -> StatusSeen:
    """Save what an Item showed of its connector; return its status before and after."""
    if connector.id is None:
        return StatusSeen(before=None, after=connector.status)
    row = conn.execute(
        _SAVE,
        {
            "connector": connector.id,
            "name": connector.name,
            "image_url": connector.image_url,
            "status": connector.status,
            "updated_at": now,
        },
    ).one()
    return StatusSeen(
        before=row.before, after=row.after or row.before, is_away=row.is_away, has_incidents=row.has_incidents
    )


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


def is_offline_or_away() -> sa.ColumnElement[bool]:
    """Return the condition of a connector that is offline, or whose bank is away by an incident."""
    return sa.or_(connectors.c.status == OFFLINE, connectors.c.away)


_IS_OFFLINE = sa.select(sa.exists().where(_OF_CONNECTOR, is_offline_or_away()))


def is_offline(conn: Connection, connector_id: int | None) -> bool:
    """Return whether the bank behind the connector is offline or away as last heard; None: no connector is known."""
    if connector_id is None:
        return False
    return bool(conn.scalar(_IS_OFFLINE, {"connector": connector_id}))


def all_(conn: Connection) -> Sequence[KnownConnector]:
    """Return every connector that an Item of ours goes through, or went, by name. They are a few hundred."""
    rows = conn.execute(sa.select(*_KNOWN).order_by(connectors.c.name, connectors.c.id))
    return [KnownConnector(**row._mapping) for row in rows]


def get(conn: Connection, connector_id: int) -> KnownConnector | None:
    """Return the connector, or None."""
    row = conn.execute(sa.select(*_KNOWN).where(connectors.c.id == connector_id)).one_or_none()
    return None if row is None else KnownConnector(**row._mapping)


def of_item(conn: Connection, item_id: str) -> KnownConnector | None:
    """Return the Item's connector, or None if it is not known."""
    row = conn.execute(
        sa.select(*_KNOWN).join(items, items.c.connector_id == connectors.c.id).where(items.c.id == item_id)
    ).one_or_none()
    return None if row is None else KnownConnector(**row._mapping)


def mark_back(conn: Connection, connector_id: int, *, back_at: datetime) -> None:
    """Record that the bank is back. Its Items and persons have to be followed up."""
    conn.execute(
        sa.update(connectors).where(connectors.c.id == connector_id).values(back_at=back_at, came_back_at=back_at)
    )


def followed_up(conn: Connection, connector_id: int, *, back_at: datetime) -> None:
    """Record that the return at *back_at* was followed up. A later return still has to be."""
    conn.execute(
        sa.update(connectors)
        .where(connectors.c.id == connector_id, connectors.c.back_at == back_at)
        .values(back_at=None)
    )


_BACK = (
    sa.select(connectors.c.id, connectors.c.back_at)
    .where(connectors.c.back_at.is_not(None), connectors.c.status.is_distinct_from(OFFLINE), ~connectors.c.away)
    .order_by(connectors.c.id)
)


def back(conn: Connection) -> list[tuple[int, datetime]]:
    """Return the connectors that came back and have to be followed up, and when each came back."""
    return [(row.id, row.back_at) for row in conn.execute(_BACK)]
