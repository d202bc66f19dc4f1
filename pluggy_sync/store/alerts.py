"""
Alerts: what the watchdog told, and what is over. Callers own the transaction.

Of two watchdogs that see the same at once, one raises the alert.

Tests: `engine/test_watchdog.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.dml import ReturningInsert

from pluggy_sync.rules.alerts import Code, Finding
from pluggy_sync.store.tables import alerts


@dataclass(frozen=True, kw_only=True)
class Alert:
    """
    A trouble that was told. *subject* is empty where a code is open once at most.

    *since*: when it began, as far as is known. *cleared_at* None: it is open.
    """

    id: int
    code: Code
    subject: str
    detail: str
    since: datetime
    raised_at: datetime
    last_seen_at: datetime
    cleared_at: datetime | None


_COLUMNS = [alerts.c[each.name] for each in fields(Alert)]
_OPEN = alerts.c.cleared_at.is_(None)


def open_(conn: Connection) -> Sequence[Alert]:
    """Return the alerts that are open, oldest first."""
    return _read(conn, sa.select(*_COLUMNS).where(_OPEN).order_by(alerts.c.since, alerts.c.id))


def newest(conn: Connection, *, limit: int) -> Sequence[Alert]:
    """Return the newest alerts, open or over."""
    return _read(conn, sa.select(*_COLUMNS).order_by(alerts.c.id.desc()).limit(limit))


def _read(conn: Connection, stmt: Select[Any] | ReturningInsert[Any]) -> list[Alert]:
    # A code that a newer version raises is passed over: this one cannot explain it.
    known = {code.value for code in Code}
    rows = [row._mapping for row in conn.execute(stmt)]
    return [Alert(**{**row, "code": Code(row["code"])}) for row in rows if row["code"] in known]


def open_by_code(conn: Connection) -> dict[Code, int]:
    """Return how many alerts of each code are open."""
    found = [alert.code for alert in open_(conn)]
    return {code: found.count(code) for code in Code}


def see(conn: Connection, finding: Finding, *, now: datetime) -> Alert | None:
    """Record that the trouble is seen; return its alert if it is new and is to be told, else None."""
    new = insert(alerts).values(
        code=finding.code,
        subject=finding.subject,
        detail=finding.detail,
        since=finding.since or now,
        raised_at=now,
        last_seen_at=now,
    )
    new = new.on_conflict_do_nothing(index_elements=["code", "subject"], index_where=_OPEN)
    raised = _read(conn, new.returning(*_COLUMNS))
    if raised:
        return raised[0]
    same = (alerts.c.code == finding.code, alerts.c.subject == finding.subject, _OPEN)
    conn.execute(sa.update(alerts).where(*same).values(detail=finding.detail, last_seen_at=now))
    return None


def clear(conn: Connection, alert_id: int, *, now: datetime) -> bool:
    """Record that the trouble is over; return whether it was open until now, and is to be told."""
    stmt = sa.update(alerts).where(alerts.c.id == alert_id, _OPEN).values(cleared_at=now).returning(alerts.c.id)
    return conn.scalar(stmt) is not None


def remove_cleared(conn: Connection, *, before: datetime) -> None:
    """Remove the alerts that were over before *before*."""
    conn.execute(sa.delete(alerts).where(alerts.c.cleared_at < before))
