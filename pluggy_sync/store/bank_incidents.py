"""
Incidents of banks as last told of, and the Items whose product is told that their bank is back. Callers own the
transaction.

Tests: `engine/test_incidents.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from pluggy_sync.pluggy.payloads import Incident
from pluggy_sync.rules.freshness import ASSUMED_PERIOD
from pluggy_sync.rules.statuses import RUNNING, UPDATED
from pluggy_sync.store.tables import bank_incidents, bank_returns, connectors, items

_INCIDENT = [bank_incidents.c[name] for name in Incident.__dataclass_fields__]


class Source(StrEnum):
    """Who told of an incident. What one tells of is not ended by the other."""

    ITEM = "item"
    STATUS_PAGE = "status_page"


@dataclass(frozen=True, kw_only=True)
class Worst:
    """The worst incident at a bank. `away`: nobody is asked for anything while it goes on."""

    type: str | None
    since: datetime | None
    away: bool


@dataclass(frozen=True, kw_only=True)
class Return:
    """An Item whose bank is back after an incident of *incident_type* since then."""

    item_id: str
    connector_id: int
    incident_type: str | None
    since: datetime | None
    back_at: datetime


def of_connector(conn: Connection, connector_id: int, source: Source | None = None) -> Sequence[Incident]:
    """Return the connector's incidents as last told of, by *source* alone if that is given, by id."""
    stmt = sa.select(*_INCIDENT).where(bank_incidents.c.connector_id == connector_id)
    if source is not None:
        stmt = stmt.where(bank_incidents.c.source == source.value)
    return [Incident(**row._mapping) for row in conn.execute(stmt.order_by(bank_incidents.c.id))]


def connectors_told_of(conn: Connection, source: Source) -> set[int]:
    """Return ids of the connectors of which *source* told of an incident."""
    stmt = sa.select(bank_incidents.c.connector_id).where(bank_incidents.c.source == source.value)
    return set(conn.scalars(stmt.distinct()))


def known_connectors(conn: Connection) -> set[int]:
    """Return ids of the connectors that Items of ours go through."""
    return set(conn.scalars(sa.select(connectors.c.id)))


def replace(conn: Connection, connector_id: int, source: Source, found: Sequence[Incident], *, now: datetime) -> None:
    """Keep what *source* tells of at the connector now."""
    conn.execute(
        sa.delete(bank_incidents).where(
            bank_incidents.c.connector_id == connector_id, bank_incidents.c.source == source.value
        )
    )
    once = {each.id: each for each in found}.values()
    if once:
        rows = [
            {name: getattr(each, name) for name in Incident.__dataclass_fields__}
            | {"connector_id": connector_id, "source": source.value, "seen_at": now}
            for each in once
        ]
        conn.execute(insert(bank_incidents).values(rows))


def worst(conn: Connection, connector_id: int) -> Worst:
    """Return the worst incident that the connector has; lock its row until the transaction ends."""
    row = conn.execute(
        sa.select(connectors.c.incident_type, connectors.c.incident_since, connectors.c.away)
        .where(connectors.c.id == connector_id)
        .with_for_update()
    ).one_or_none()
    if row is None:
        return Worst(type=None, since=None, away=False)
    return Worst(type=row.incident_type, since=row.incident_since, away=row.away)


def set_worst(conn: Connection, connector_id: int, to: Worst) -> None:
    """Keep the worst incident that the connector has."""
    conn.execute(
        sa.update(connectors)
        .where(connectors.c.id == connector_id)
        .values(incident_type=to.type, incident_since=to.since, away=to.away)
    )


def add_returns(conn: Connection, connector_id: int, over: Worst, *, back_at: datetime) -> int:
    """
    Have the products told, once each, of the connector's Items that the incident hit; return how many there are.

    It hit an Item whose last execution failed, or that was not collected since it began, though that was expected.
    """
    expected = sa.func.coalesce(
        items.c.next_auto_sync_at, sa.func.coalesce(items.c.last_updated_at, items.c.first_seen_at) + ASSUMED_PERIOD
    )
    failed = sa.and_(items.c.status.is_not(None), items.c.status.not_in([UPDATED, *RUNNING]))
    before = sa.or_(items.c.last_updated_at.is_(None), items.c.last_updated_at < over.since)
    hit = sa.select(
        items.c.id,
        sa.literal(connector_id, sa.BigInteger),
        sa.literal(over.type, sa.Text),
        sa.literal(over.since, sa.DateTime(timezone=True)),
        sa.literal(back_at, sa.DateTime(timezone=True)),
    ).where(
        items.c.connector_id == connector_id,
        items.c.deleted_at.is_(None),
        items.c.replaced_by.is_(None),
        sa.or_(failed, sa.and_(before, expected <= back_at)),
    )
    new = insert(bank_returns).from_select(["item_id", "connector_id", "incident_type", "since", "back_at"], hit)
    return conn.execute(new.on_conflict_do_nothing(index_elements=[bank_returns.c.item_id])).rowcount


def take_returns(conn: Connection, *, limit: int) -> Sequence[Return]:
    """Remove and return up to *limit* Items whose product is to be told, those of the earliest return first."""
    due = (
        sa.select(bank_returns.c.item_id)
        .order_by(bank_returns.c.back_at, bank_returns.c.item_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    taken = sa.delete(bank_returns).where(bank_returns.c.item_id == due.c.item_id).returning(*bank_returns.columns)
    return [Return(**row._mapping) for row in conn.execute(taken)]
