"""
Items page by page, by what they are like. Callers own the transaction.

A page costs the same whatever the number of Items: it is read by key, and only `MAX_SCANNED` are looked at for one.

Tests: `store/test_item_lists.py`, `webhook_app/api/test_items.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from pluggy_sync.rules.freshness import Freshness, State, freshness_of
from pluggy_sync.store import item_views, user_actions
from pluggy_sync.store.item_views import ItemView
from pluggy_sync.store.user_actions import Action

# A page filtered by freshness reads at most this many Items. It may be short, or empty, and still have a `next`.
MAX_SCANNED = 5000


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which Items are listed; None: all. Deleted ones are listed only if *freshness* asks for them."""

    client_user_id: str | None = None
    connector_id: int | None = None
    freshness: State | None = None
    # Pluggy's.
    status: str | None = None


@dataclass(frozen=True, kw_only=True)
class Listed:
    """An Item with its unsettled actions, oldest first, and how fresh it is."""

    item: ItemView
    actions: Sequence[Action]
    freshness: Freshness


@dataclass(frozen=True, kw_only=True)
class Page:
    """Items by id. `next`: the id after which the next page begins; None: this is the last one."""

    items: Sequence[Listed]
    next: str | None


def page(conn: Connection, after: str | None, wanted: Filter, *, now: datetime, grace: timedelta, limit: int) -> Page:
    """
    Return up to *limit* Items as *wanted*, from those whose ids come after *after*.

    *grace*: an Item is stale once it is so far behind its expected update.
    """
    found: list[Listed] = []
    for _ in range(max(1, MAX_SCANNED // (limit + 1))):
        rows = item_views.after(
            conn,
            after,
            client_user_id=wanted.client_user_id,
            connector_id=wanted.connector_id,
            state=wanted.freshness,
            status=wanted.status,
            expected_before=now - grace,
            limit=limit + 1,
        )
        found += [
            each
            for each in _listed(conn, rows, now=now, grace=grace)
            if wanted.freshness in (None, each.freshness.state)
        ]
        if len(rows) <= limit:
            after = None
            break
        after = rows[-1].id
        if len(found) > limit:
            break
    if len(found) > limit:
        found = found[:limit]
        after = found[-1].item.id
    return Page(items=found, next=after)


def _listed(conn: Connection, rows: Sequence[ItemView], *, now: datetime, grace: timedelta) -> list[Listed]:
    of_items = user_actions.unsettled_of(conn, [row.id for row in rows])
    found = []
    for row in rows:
        actions = of_items.get(row.id, [])
        freshness = freshness_of(item_views.known(row, actions), now=now, grace=grace)
        found.append(Listed(item=row, actions=actions, freshness=freshness))
    return found
