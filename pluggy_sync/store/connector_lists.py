"""
The connectors with how many of their Items are not well, and what was heard of them. Callers own the transaction.

Tests: `console/pages/test_connectors.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync import events
from pluggy_sync.store.tables import NOT_UPDATED, bank_incidents, connectors, inbox, items

# Counting the Items of one connector stops there.
COUNTED = 1_000


@dataclass(frozen=True, kw_only=True)
class ConnectorSeen:
    """A connector as last heard of. *not_well*: its Items whose last execution did not end well, or goes on."""

    id: int
    name: str | None
    status: str | None
    updated_at: datetime
    came_back_at: datetime | None
    not_well: int


@dataclass(frozen=True, kw_only=True)
class StatusChange:
    """A change of a connector's status that Pluggy told of."""

    at: datetime
    event_id: str
    connector_id: str | None
    status: str | None


@dataclass(frozen=True, kw_only=True)
class BankIncident:
    """An incident at a bank that goes on, as its Items or Pluggy's status page (`source`) tell of it."""

    connector_id: int
    source: str
    type: str | None
    product: str | None
    severity: str | None
    state: str | None
    started_at: datetime | None


def incidents(conn: Connection, *, limit: int) -> Sequence[BankIncident]:
    """Return the incidents that go on, those seen last first."""
    rows = conn.execute(
        sa.select(*(bank_incidents.c[name] for name in BankIncident.__dataclass_fields__))
        .order_by(bank_incidents.c.seen_at.desc(), bank_incidents.c.connector_id, bank_incidents.c.id)
        .limit(limit)
    )
    return [BankIncident(**row._mapping) for row in rows]


def in_trouble_first(conn: Connection) -> Sequence[ConnectorSeen]:
    """Return every connector that an Item of ours goes through, or went: offline, unstable, then the others by name."""
    some = (
        sa.select(items.c.id)
        .where(items.c.connector_id == connectors.c.id, sa.text(NOT_UPDATED))
        .limit(COUNTED)
        .lateral("some")
    )
    order = sa.case({"OFFLINE": 0, "UNSTABLE": 1}, value=connectors.c.status, else_=2)
    names = ("id", "name", "status", "updated_at", "came_back_at")
    rows = conn.execute(
        sa.select(*(connectors.c[name] for name in names), sa.func.count(some.c.id).label("not_well"))
        .select_from(connectors.outerjoin(some, sa.true()))
        .group_by(connectors.c.id)
        .order_by(order, connectors.c.name, connectors.c.id)
    )
    return [ConnectorSeen(**row._mapping) for row in rows]


def status_changes(conn: Connection, *, limit: int) -> Sequence[StatusChange]:
    """Return the newest changes of status that Pluggy told of."""
    payload = inbox.c.payload
    rows = conn.execute(
        sa.select(
            inbox.c.received_at.label("at"),
            inbox.c.event_id,
            payload["connectorId"].astext.label("connector_id"),
            payload["data"]["status"].astext.label("status"),
        )
        # As in the index: Postgres uses it only for values that it knows when it plans the statement.
        .where(sa.text(f"name = '{events.CONNECTOR_STATUS_UPDATED}'"))
        .order_by(inbox.c.id.desc())
        .limit(limit)
    )
    return [StatusChange(**row._mapping) for row in rows]
