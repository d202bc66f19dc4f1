"""
All that explains one Item, read together for operators. Callers own the transaction.

The words are in `rules/explanation.py` and `rules/timeline.py`. Nothing here is bank data.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync import events
from pluggy_sync.rules import explanation, needs
from pluggy_sync.rules.action_states import OPEN
from pluggy_sync.rules.explanation import COUNTED, News
from pluggy_sync.rules.freshness import Freshness, freshness_of
from pluggy_sync.rules.timeline import Due
from pluggy_sync.store import connectors, item_views, sync_runs, timeline, user_actions
from pluggy_sync.store.bounded_counts import count_rows
from pluggy_sync.store.item_views import ItemView
from pluggy_sync.store.tables import deliveries, inbox, incomplete_parts, item_progress
from pluggy_sync.store.user_actions import Action


@dataclass(frozen=True, kw_only=True)
class Explained:
    """
    An Item, why it is as it is, and what happens next. `actions`: the unsettled ones, oldest first.

    `freshness` is by what was last fetched. `may_have_changed`: news waits, or a sync run is at work.
    """

    item: ItemView
    bank: str | None
    freshness: Freshness
    actions: Sequence[Action]
    due: Sequence[Due]
    sentence: str
    may_have_changed: bool
    news: News | None
    remarks: Sequence[str]


def read(conn: Connection, item_id: str, *, now: datetime, grace: timedelta) -> Explained | None:
    """
    Return the Item with what explains it, a deleted one too; None: it is not known here.

    *grace*: it is stale once it is so far behind its expected update.
    """
    item = item_views.get(conn, item_id)
    if item is None:
        return None
    actions = user_actions.unsettled(conn, item_id)
    known = item_views.known(item, actions)
    freshness = freshness_of(known, now=now, grace=grace)
    connector = connectors.of_item(conn, item_id)
    bank = None if connector is None else connector.name
    due = timeline.due(conn, item_id)
    circumstances = explanation.Circumstances(
        now=now,
        known=known,
        freshness=freshness,
        bank=bank,
        asked_kind=_asked_kind(actions),
        run_error=_run_error(conn, item_id),
        unread=_unread(conn, item_id),
        is_leased=item.lease_until is not None and item.lease_until > now,
        due=due,
        dead_events=_dead(conn, inbox, item_id),
        dead_letters=_dead(conn, deliveries, item_id),
        news=_news(conn, item_id),
    )
    return Explained(
        item=item,
        bank=bank,
        freshness=freshness,
        actions=actions,
        due=due,
        sentence=explanation.sentence(circumstances),
        may_have_changed=explanation.may_have_changed(circumstances),
        news=circumstances.news,
        remarks=explanation.remarks(circumstances),
    )


def _asked_kind(actions: Sequence[Action]) -> str | None:
    return next((each.kind for each in actions if each.state == OPEN and needs.blocks_updates(each.reason)), None)


def _run_error(conn: Connection, item_id: str) -> str | None:
    newest = next(iter(sync_runs.before(conn, item_id, None, limit=1)), None)
    return None if newest is None else newest.error


def _unread(conn: Connection, item_id: str) -> Sequence[str]:
    product = incomplete_parts.c.product
    return conn.scalars(sa.select(product).where(incomplete_parts.c.item_id == item_id).distinct()).all()


def _news(conn: Connection, item_id: str) -> News | None:
    """Return what Pluggy told after the Item was last fetched. A fetch covers what came before it."""
    fetched = sa.select(item_progress.c.fetched_seq).where(item_progress.c.item_id == item_id).scalar_subquery()
    some = (
        sa.select(inbox.c.received_at, inbox.c.state)
        .where(
            inbox.c.item_id == item_id,
            inbox.c.item_seq > fetched,
            inbox.c.state != "handled",
            inbox.c.name != events.FETCH_REQUESTED,
        )
        .order_by(inbox.c.item_seq)
        .limit(COUNTED)
        .subquery()
    )
    number, given_up = sa.func.count(), sa.func.count().filter(some.c.state == "dead")
    row = conn.execute(
        sa.select(number.label("number"), given_up.label("given_up"), sa.func.min(some.c.received_at).label("since"))
    ).one()
    return News(**row._mapping) if row.number else None


def _dead(conn: Connection, table: sa.Table, item_id: str) -> int:
    # Its state as part of the statement, as in the partial index.
    is_dead = table.c.state == sa.literal_column("'dead'", sa.Text)
    return count_rows(conn, table, table.c.item_id == item_id, is_dead, at_most=COUNTED)
