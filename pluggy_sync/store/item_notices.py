"""Items to tell the product of by the clock: consents about to end, stale data. Callers own the transaction."""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync.rules.action_states import OPEN
from pluggy_sync.rules.contradictions import Contradiction
from pluggy_sync.rules.freshness import ASSUMED_PERIOD
from pluggy_sync.rules.needs import NOT_BLOCKING
from pluggy_sync.rules.reminders import WARN_DAYS
from pluggy_sync.rules.statuses import OUTDATED, UPDATED
from pluggy_sync.store.connectors import is_offline_or_away
from pluggy_sync.store.item_progress import SYNC_PENDING
from pluggy_sync.store.tables import INSTANT, connectors, item_progress, items, user_actions


def _bank_is_offline() -> sa.ColumnElement[bool]:
    return sa.exists().where(connectors.c.id == items.c.connector_id, is_offline_or_away())


def _consents_ending() -> sa.Select[str]:
    now = sa.bindparam("now", type_=INSTANT)
    same_end = items.c.consent_warned_of.is_not_distinct_from(items.c.consent_expires_at)
    # The step that follows the last warning; after the last step there is none.
    steps = [(items.c.consent_warned_days > days, days) for days in WARN_DAYS[1:]]
    next_days = sa.case((sa.not_(same_end), WARN_DAYS[0]), *steps)
    return (
        sa.select(items.c.id)
        .where(
            items.c.deleted_at.is_(None),
            items.c.replaced_by.is_(None),
            items.c.consent_expires_at > now,
            items.c.consent_expires_at <= now + sa.literal(timedelta(days=WARN_DAYS[0]), sa.Interval),
            items.c.consent_expires_at <= now + next_days * sa.literal(timedelta(days=1), sa.Interval),
            ~_bank_is_offline(),
        )
        .order_by(items.c.consent_expires_at)
        .limit(sa.bindparam("limit"))
    )


_CONSENTS_ENDING = _consents_ending()


def consents_ending(conn: Connection, *, now: datetime, limit: int) -> list[str]:
    """
    Return ids of Items that may be due for a warning about the end of their consent, the soonest first.

    `rules.reminders.consent_warning` decides. While the bank is offline nobody is warned.
    """
    return list(conn.scalars(_CONSENTS_ENDING, {"now": now, "limit": limit}))


def mark_consent_warned(conn: Connection, item_id: str, ends_at: datetime, days: int) -> None:
    """Record that the product was warned of this end of the consent, at this step."""
    conn.execute(
        sa.update(items).where(items.c.id == item_id).values(consent_warned_of=ends_at, consent_warned_days=days)
    )


def told_of() -> sa.ColumnElement[datetime]:
    """Return the update since which an Item may be stale: its last one, or when the Item was first named."""
    return sa.func.coalesce(items.c.last_updated_at, items.c.first_seen_at)


def _perhaps_stale() -> sa.Select[str]:
    before, long_before = sa.bindparam("before", type_=INSTANT), sa.bindparam("long_before", type_=INSTANT)
    unplanned = sa.and_(items.c.next_auto_sync_at.is_(None), told_of() < long_before)
    asked = sa.exists().where(
        user_actions.c.item_id == items.c.id,
        user_actions.c.state == OPEN,
        user_actions.c.reason.not_in(NOT_BLOCKING),
    )
    pending = sa.exists().where(
        item_progress.c.item_id == items.c.id,
        sa.or_(SYNC_PENDING, item_progress.c.contradiction != Contradiction.NOT_FOUND),
    )
    return (
        sa.select(items.c.id)
        .where(
            items.c.deleted_at.is_(None),
            items.c.replaced_by.is_(None),
            items.c.status.in_([UPDATED, OUTDATED]),
            sa.or_(items.c.next_auto_sync_at < before, unplanned),
            items.c.stale_told_of.is_distinct_from(told_of()),
            ~asked,
            ~sa.and_(items.c.status == UPDATED, pending),
            ~_bank_is_offline(),
        )
        .limit(sa.bindparam("limit"))
    )


_PERHAPS_STALE = _perhaps_stale()


def perhaps_stale(conn: Connection, *, before: datetime, limit: int) -> list[str]:
    """
    Return ids of Items whose update may be overdue since *before*, and that the product was not told of.

    `rules.freshness.tells_stale` decides. This only leaves out Items that it certainly does not tell of.
    """
    moments = {"before": before, "long_before": before - ASSUMED_PERIOD}
    return list(conn.scalars(_PERHAPS_STALE, {**moments, "limit": limit}))


def mark_stale_told(conn: Connection, item_id: str, since: datetime) -> None:
    """Record that the product was told that the Item is stale since its update of then."""
    conn.execute(sa.update(items).where(items.c.id == item_id).values(stale_told_of=since))
