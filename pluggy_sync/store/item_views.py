"""
Items with all that their view needs, read for products and operators. Callers own the transaction.

Tests: `store/test_item_views.py`, `webhook_app/api/test_items.py`.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync.rules import needs
from pluggy_sync.rules.action_states import OPEN
from pluggy_sync.rules.contradictions import Contradiction
from pluggy_sync.rules.freshness import ASSUMED_PERIOD, Known, State
from pluggy_sync.rules.statuses import UPDATED
from pluggy_sync.store import connectors as connector_queries
from pluggy_sync.store import items as item_queries
from pluggy_sync.store import shared_resources, tables
from pluggy_sync.store.item_progress import SYNC_PENDING
from pluggy_sync.store.items import StoredItem
from pluggy_sync.store.tables import INSTANT, NOT_UPDATED, connectors, item_progress, items, user_actions
from pluggy_sync.store.user_actions import Action


@dataclass(frozen=True, kw_only=True)
class ItemView(StoredItem):
    """An Item with its progress, the contradiction in Pluggy's last answer, and the status of its connector."""

    sync_pending: bool
    sync_attempts: int
    contradiction: str | None
    refetches: int
    connector_status: str | None
    connector_status_at: datetime | None
    # The worst incident at its bank, since when, and whether nobody is asked for anything meanwhile.
    incident_type: str | None
    incident_since: datetime | None
    bank_away: bool
    # What the bank shares (`shared_resources.of_json`); None: it was never read, as of a direct connector.
    shared: dict[str, Any] | None


_LIVING = items.c.deleted_at.is_(None)


def _with_all(page: sa.FromClause) -> sa.Select[Any]:
    """Return the Items of *page*, with what belongs to their views, each looked up by its key."""
    columns = [page.c[column.name] for column in item_queries.COLUMNS]
    # The limit of one row keeps the planner from reading the whole table for a page.
    progress = sa.select(item_progress).where(item_progress.c.item_id == page.c.id).limit(1).lateral("progress")
    shared = sa.select(shared_resources.as_json()).where(tables.shared_resources.c.item_id == page.c.id)
    return (
        sa.select(
            *columns,
            sa.func.coalesce(progress.c.sync_requested_seq > progress.c.synced_seq, sa.false()).label("sync_pending"),
            sa.func.coalesce(progress.c.sync_attempts, 0).label("sync_attempts"),
            progress.c.contradiction,
            sa.func.coalesce(progress.c.refetches, 0).label("refetches"),
            connectors.c.status.label("connector_status"),
            connectors.c.updated_at.label("connector_status_at"),
            connectors.c.incident_type,
            connectors.c.incident_since,
            sa.func.coalesce(connectors.c.away, sa.false()).label("bank_away"),
            shared.scalar_subquery().label("shared"),
        )
        .select_from(page)
        .outerjoin(progress, sa.true())
        .outerjoin(connectors, connectors.c.id == page.c.connector_id)
    )


_GET = _with_all(items).where(items.c.id == sa.bindparam("item"))


def get(conn: Connection, item_id: str) -> ItemView | None:
    """Return the Item with what belongs to its view, or None. A deleted one is a tombstone."""
    row = conn.execute(_GET, {"item": item_id}).one_or_none()
    return None if row is None else ItemView(**row._mapping)


# The same table once more, in the queries for candidates. An Item is stale if its update was expected before the one
# moment; without a plan of Pluggy's, if it was updated before the other.
_any = items.alias("any_item")
_EXPECTED_BEFORE = sa.bindparam("expected_before", type_=INSTANT)
_UPDATED_BEFORE = sa.bindparam("updated_before", type_=INSTANT)

_NOT_UPDATED = sa.select(_any.c.id).where(sa.text(NOT_UPDATED))
_WAITING = sa.select(user_actions.c.item_id).where(user_actions.c.state == sa.literal_column(f"'{OPEN}'", sa.Text))
_CONTRADICTED = sa.select(item_progress.c.item_id).where(item_progress.c.contradiction.is_not(None))
_UNSYNCED = sa.select(item_progress.c.item_id).where(SYNC_PENDING)
_BANK_OFFLINE = sa.select(_any.c.id).where(
    _any.c.connector_id.in_(sa.select(connectors.c.id).where(connector_queries.is_offline_or_away()))
)
_OVERDUE = (
    sa.select(_any.c.id).where(_any.c.replaced_by.is_not(None)),
    sa.select(_any.c.id).where(_any.c.next_auto_sync_at < _EXPECTED_BEFORE),
    sa.select(_any.c.id).where(
        _any.c.deleted_at.is_(None),
        _any.c.next_auto_sync_at.is_(None),
        sa.func.coalesce(_any.c.last_updated_at, _any.c.first_seen_at) < _UPDATED_BEFORE,
    ),
)

# Which Items may be in a state, each found by a small index. Without an entry: any Item may.
_CANDIDATES: dict[State | None, Sequence[sa.Select[Any]]] = {
    # An incident that goes on is told as the reason of what would be an error, or stale.
    State.BANK_OUTAGE: (_BANK_OFFLINE, _NOT_UPDATED, _CONTRADICTED, _UNSYNCED, *_OVERDUE),
    State.WAITING_FOR_PERSON: (_WAITING,),
    State.SYNCING: (_NOT_UPDATED, _CONTRADICTED, _UNSYNCED),
    State.ERROR: (_NOT_UPDATED, _CONTRADICTED, _UNSYNCED),
    State.STALE: _OVERDUE,
}


def _expected(before: datetime) -> dict[str, datetime]:
    return {"expected_before": before, "updated_before": before - ASSUMED_PERIOD}


@functools.cache
def _after(*, state: State | None, wanted: frozenset[str], is_updated: bool | None) -> sa.Select[Any]:
    """
    Return the statement for a page.

    *wanted*: columns whose value is given. *is_updated*: whether the status that is given is UPDATED; None: none is.
    """
    page = sa.select(items).where(
        ~_LIVING if state == State.DELETED else _LIVING,
        items.c.id > sa.bindparam("after"),
        *[items.c[name] == sa.bindparam(name) for name in sorted(wanted)],
    )
    if "client_user_id" not in wanted and state in _CANDIDATES:
        # As a list, each is looked up by its key. Joined, the planner takes them for many and reads the whole table.
        candidates = sa.union(*_CANDIDATES[state]).scalar_subquery()
        page = page.where(items.c.id == sa.func.any(sa.func.array(candidates)))
    if is_updated is False:
        # There are few of these, with an index of their own.
        page = page.where(sa.text(NOT_UPDATED))
    # Limited before the rest is joined: the planner would rather join all Items behind the cursor.
    limited = page.order_by(items.c.id).limit(sa.bindparam("limit")).subquery("page")
    return _with_all(limited).order_by(limited.c.id)


def after(
    conn: Connection,
    item_id: str | None,
    *,
    client_user_id: str | None,
    connector_id: int | None = None,
    state: State | None,
    status: str | None = None,
    expected_before: datetime,
    limit: int,
) -> Sequence[ItemView]:
    """
    Return the next *limit* Items by id, living ones unless *state* is DELETED. *status*: only those, as Pluggy says it.

    With another *state*, Items are left out that are certainly not in it; `rules.freshness` decides about the rest. An
    Item is stale if its update was expected before *expected_before*.
    """
    wanted = {"client_user_id": client_user_id, "connector_id": connector_id, "status": status}
    given = {name: value for name, value in wanted.items() if value is not None}
    stmt = _after(state=state, wanted=frozenset(given), is_updated=None if status is None else status == UPDATED)
    # No id is empty.
    asked = {**given, **_expected(expected_before), "after": item_id or "", "limit": limit}
    return [ItemView(**row._mapping) for row in conn.execute(stmt, asked)]


def _of() -> sa.Select[Any]:
    among = items.c.id == sa.func.any(sa.bindparam("ids", type_=sa.ARRAY(sa.Text)))
    return _with_all(sa.select(items).where(among).subquery("chosen"))


_OF = _of()


def of(conn: Connection, item_ids: Sequence[str]) -> Sequence[ItemView]:
    """Return those of the Items that there are, with what belongs to their views."""
    return [ItemView(**row._mapping) for row in conn.execute(_OF, {"ids": list(item_ids)})]


_PERHAPS_NOT_FRESH = sa.union(_NOT_UPDATED, _WAITING, _CONTRADICTED, _UNSYNCED, *_OVERDUE)


def perhaps_not_fresh(conn: Connection, *, expected_before: datetime) -> list[str]:
    """Return the ids of all Items that may be in another state than fresh, but for those of banks that are offline."""
    return list(conn.scalars(_PERHAPS_NOT_FRESH, _expected(expected_before)))


def known(item: ItemView, actions: Sequence[Action]) -> Known:
    """Return what decides about freshness, from an Item and its unsettled *actions*, oldest first."""
    asked = next((each for each in actions if each.state == OPEN and needs.blocks_updates(each.reason)), None)
    not_found = item.contradiction == Contradiction.NOT_FOUND
    return Known(
        status=item.status,
        execution_status=item.execution_status,
        updated_at=item.updated_at,
        last_updated_at=item.last_updated_at,
        next_auto_sync_at=item.next_auto_sync_at,
        first_seen_at=item.first_seen_at,
        deleted_at=item.deleted_at,
        connector_status=item.connector_status,
        connector_status_at=item.connector_status_at,
        asked_at=None if asked is None else asked.created_at,
        asked_reason=None if asked is None else asked.reason,
        sync_pending=item.sync_pending,
        sync_attempts=item.sync_attempts,
        update_pending=item.contradiction is not None and not not_found,
        not_found=item.refetches if not_found else 0,
        is_replaced=item.replaced_by is not None,
        incident=item.incident_type,
        incident_at=item.incident_since,
        bank_away=item.bank_away,
    )
