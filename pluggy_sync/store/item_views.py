"""
Items with all that their view needs, read for products and operators. Callers own the transaction.

Tests: `store/test_item_views.py`, `webhook_app/api/test_items.py`.
"""

from collections.abc import Callable, Sequence
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
from pluggy_sync.store.tables import NOT_UPDATED, connectors, item_progress, items, user_actions
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


_Source = Callable[[datetime], list[sa.Select[Any]]]

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


def get(conn: Connection, item_id: str) -> ItemView | None:
    """Return the Item with what belongs to its view, or None. A deleted one is a tombstone."""
    row = conn.execute(_with_all(items).where(items.c.id == item_id)).one_or_none()
    return None if row is None else ItemView(**row._mapping)


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
    page = sa.select(items).where(~_LIVING if state == State.DELETED else _LIVING)
    if item_id is not None:
        page = page.where(items.c.id > item_id)
    if client_user_id is not None:
        page = page.where(items.c.client_user_id == client_user_id)
    elif state in _CANDIDATES:
        page = page.where(items.c.id == _any_among(sa.union(*_CANDIDATES[state](expected_before))))
    if connector_id is not None:
        page = page.where(items.c.connector_id == connector_id)
    if status is not None:
        page = page.where(items.c.status == status)
        if status != UPDATED:
            # There are few of these, with an index of their own.
            page = page.where(sa.text(NOT_UPDATED))
    # Limited before the rest is joined: the planner would rather join all Items behind the cursor.
    limited = page.order_by(items.c.id).limit(limit).subquery("page")
    rows = conn.execute(_with_all(limited).order_by(limited.c.id))
    return [ItemView(**row._mapping) for row in rows]


def _any_among(found: sa.CompoundSelect[Any]) -> sa.ColumnElement[str]:
    # As a list, each is looked up by its key. Joined, the planner takes them for many and reads the whole table.
    return sa.func.any(sa.func.array(found.scalar_subquery()))


# The same table once more, in the queries for candidates.
_any = items.alias("any_item")


def _not_updated(_: datetime) -> list[sa.Select[Any]]:
    return [sa.select(_any.c.id).where(sa.text(NOT_UPDATED))]


def _waiting(_: datetime) -> list[sa.Select[Any]]:
    return [sa.select(user_actions.c.item_id).where(user_actions.c.state == sa.literal_column(f"'{OPEN}'", sa.Text))]


def _contradicted(_: datetime) -> list[sa.Select[Any]]:
    return [sa.select(item_progress.c.item_id).where(item_progress.c.contradiction.is_not(None))]


def _unsynced(_: datetime) -> list[sa.Select[Any]]:
    return [sa.select(item_progress.c.item_id).where(SYNC_PENDING)]


def _bank_offline(_: datetime) -> list[sa.Select[Any]]:
    offline = sa.select(connectors.c.id).where(connector_queries.is_offline_or_away())
    return [sa.select(_any.c.id).where(_any.c.connector_id.in_(offline))]


def _overdue(expected_before: datetime) -> list[sa.Select[Any]]:
    last = sa.func.coalesce(_any.c.last_updated_at, _any.c.first_seen_at)
    return [
        sa.select(_any.c.id).where(_any.c.replaced_by.is_not(None)),
        sa.select(_any.c.id).where(_any.c.next_auto_sync_at < expected_before),
        sa.select(_any.c.id).where(
            _any.c.deleted_at.is_(None), _any.c.next_auto_sync_at.is_(None), last < expected_before - ASSUMED_PERIOD
        ),
    ]


def _any_of(*sources: _Source) -> _Source:
    return lambda expected_before: [each for source in sources for each in source(expected_before)]


# Which Items may be in a state, each found by a small index. Without an entry: any Item may.
_CANDIDATES: dict[State | None, _Source] = {
    # An incident that goes on is told as the reason of what would be an error, or stale.
    State.BANK_OUTAGE: _any_of(_bank_offline, _not_updated, _contradicted, _unsynced, _overdue),
    State.WAITING_FOR_PERSON: _waiting,
    State.SYNCING: _any_of(_not_updated, _contradicted, _unsynced),
    State.ERROR: _any_of(_not_updated, _contradicted, _unsynced),
    State.STALE: _overdue,
}


def of(conn: Connection, item_ids: Sequence[str]) -> Sequence[ItemView]:
    """Return those of the Items that there are, with what belongs to their views."""
    chosen = sa.select(items).where(items.c.id == sa.func.any(sa.literal(list(item_ids), sa.ARRAY(sa.Text))))
    return [ItemView(**row._mapping) for row in conn.execute(_with_all(chosen.subquery("chosen")))]


def perhaps_not_fresh(conn: Connection, *, expected_before: datetime) -> list[str]:
    """Return the ids of all Items that may be in another state than fresh, but for those of banks that are offline."""
    sources = (*_not_updated(expected_before), *_waiting(expected_before), *_contradicted(expected_before))
    sources += (*_unsynced(expected_before), *_overdue(expected_before))
    return list(conn.scalars(sa.union(*sources)))


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
