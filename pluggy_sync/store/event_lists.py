"""
Events page by page, newest first, for operators. Callers own the transaction.

A page costs the same however many events there are: the kinds that an operator looks for have small indexes, and of
the others only `MAX_SCANNED` are looked at for one page.

Tests: `console/pages/test_events.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync import events
from pluggy_sync.store.bounded_counts import count_rows
from pluggy_sync.store.inbox import StoredEvent
from pluggy_sync.store.tables import inbox

MAX_SCANNED = 5000


class Which(StrEnum):
    """Which events are listed."""

    DEAD = "dead"  # given up; an operator may process them again
    WAITING = "waiting"
    UNREAD = "unread"  # part of it could not be read
    KEPT = "kept"  # nothing could be done about it: it is kept for an operator
    UNKNOWN = "unknown"  # of a name that is not known here
    ALL = "all"


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which events are listed, and of which Item; None: of any."""

    which: Which = Which.ALL
    item_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Numbered:
    """An event and its number, at which a page may end."""

    number: int
    event: StoredEvent


@dataclass(frozen=True, kw_only=True)
class Page:
    """Events, newest first. `next`: the number before which the next page begins; None: this is the last one."""

    events: Sequence[Numbered]
    next: int | None


@dataclass(frozen=True, kw_only=True)
class Content:
    """What an event says. `raw_bytes`: how long the body is that was kept as it came; None: it was not."""

    payload: dict[str, Any] | None = field(repr=False)
    raw_bytes: int | None
    handled_at: datetime | None


def _as_indexed(condition: str) -> sa.ColumnElement[bool]:
    # As in the index: Postgres uses it only for values that it knows when it plans the statement.
    return sa.literal_column(f"({condition})", sa.Boolean)


_WHERE: dict[Which, sa.ColumnElement[bool]] = {
    Which.DEAD: _as_indexed("state = 'dead'"),
    Which.WAITING: _as_indexed("state = 'stored'"),
    Which.UNREAD: _as_indexed("unread IS NOT NULL"),
    Which.KEPT: _as_indexed("outcome = 'kept'"),
    Which.UNKNOWN: inbox.c.name.not_in([*events.KNOWN, events.FETCH_REQUESTED]),
}
# These have no index of their own.
_SCANNED = (Which.UNKNOWN, Which.ALL)

_COLUMNS = [inbox.c.id.label("number"), *(inbox.c[name] for name in StoredEvent.__dataclass_fields__)]


def page(conn: Connection, before: int | None, wanted: Filter, *, limit: int) -> Page:
    """Return up to *limit* events as *wanted*, from those before the number *before*."""
    older = sa.true() if before is None else inbox.c.id < before
    if wanted.item_id is None and wanted.which in _SCANNED:
        return _scanned(conn, older, wanted, limit=limit)
    rows = _read(conn, sa.select(*_COLUMNS).where(older, *_matching(wanted)), limit=limit + 1)
    return Page(events=rows[:limit], next=rows[limit - 1].number if len(rows) > limit else None)


def _scanned(conn: Connection, older: sa.ColumnElement[bool], wanted: Filter, *, limit: int) -> Page:
    last = conn.scalar(sa.select(inbox.c.id).where(older).order_by(inbox.c.id.desc()).offset(MAX_SCANNED - 1).limit(1))
    scanned = [] if last is None else [inbox.c.id >= last]
    rows = _read(conn, sa.select(*_COLUMNS).where(older, *scanned, *_matching(wanted)), limit=limit + 1)
    if len(rows) > limit:
        return Page(events=rows[:limit], next=rows[limit - 1].number)
    return Page(events=rows, next=last)


def _matching(wanted: Filter) -> list[sa.ColumnElement[bool]]:
    of_item = [] if wanted.item_id is None else [inbox.c.item_id == wanted.item_id]
    return [*of_item, *([_WHERE[wanted.which]] if wanted.which in _WHERE else [])]


def _read(conn: Connection, stmt: sa.Select[Any], *, limit: int) -> list[Numbered]:
    rows = conn.execute(stmt.order_by(inbox.c.id.desc()).limit(limit))
    return [
        Numbered(
            number=row.number,
            event=StoredEvent(**{name: value for name, value in row._mapping.items() if name != "number"}),
        )
        for row in rows
    ]


def content(conn: Connection, event_id: str) -> Content | None:
    """Return what the event says, or None. It holds what Pluggy wrote: show it redacted."""
    row = conn.execute(
        sa.select(inbox.c.payload, sa.func.octet_length(inbox.c.raw).label("raw_bytes"), inbox.c.handled_at).where(
            inbox.c.event_id == event_id
        )
    ).one_or_none()
    return None if row is None else Content(**row._mapping)


def is_item_named(conn: Connection, item_id: str) -> bool:
    """Return whether any event names the Item."""
    return bool(conn.scalar(sa.select(sa.exists().where(inbox.c.item_id == item_id))))


def count(conn: Connection, wanted: Filter, *, at_most: int) -> int:
    """Return how many events are as *wanted*; counting stops at *at_most*."""
    return count_rows(conn, inbox, *_matching(wanted), at_most=at_most, order_by=[inbox.c.id.desc()])


def ids_after(conn: Connection, number: int, wanted: Filter, *, through: int, limit: int) -> Sequence[tuple[int, str]]:
    """Return the next *limit* events as *wanted*, oldest first, numbered above *number* and up to *through*."""
    stmt = sa.select(inbox.c.id, inbox.c.event_id).where(inbox.c.id > number, inbox.c.id <= through, *_matching(wanted))
    return [(row.id, row.event_id) for row in conn.execute(stmt.order_by(inbox.c.id).limit(limit))]
