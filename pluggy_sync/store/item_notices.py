"""Items of which the product is told by the clock: consents about to end, stale data. Callers own the transaction."""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync.store.tables import connectors, items, user_actions


def consents_ending(conn: Connection, *, now: datetime, limit: int) -> list[str]:
    """Return ids of Items that may be due for a warning about the end of their consent, the soonest first."""
    same_end = items.c.consent_warned_of.is_not_distinct_from(items.c.consent_expires_at)
    # Days of the next warning, of 30, 7 and 1; after the last one there is none.
    next_days = sa.case((sa.not_(same_end), 30), (items.c.consent_warned_days > 7, 7), else_=1)
    warned_last = sa.and_(same_end, items.c.consent_warned_days <= 1)
    return list(
        conn.scalars(
            sa.select(items.c.id)
            .where(
                items.c.deleted_at.is_(None),
                items.c.consent_expires_at > now,
                items.c.consent_expires_at <= now + timedelta(days=30),
                items.c.consent_expires_at <= now + next_days * sa.literal(timedelta(days=1), sa.Interval),
                sa.not_(sa.func.coalesce(warned_last, sa.false())),
            )
            .order_by(items.c.consent_expires_at)
            .limit(limit)
        )
    )


def mark_consent_warned(conn: Connection, item_id: str, ends_at: datetime, days: int) -> None:
    """Record that the product was warned of this end of the consent, at this step."""
    conn.execute(
        sa.update(items).where(items.c.id == item_id).values(consent_warned_of=ends_at, consent_warned_days=days)
    )


def stale(conn: Connection, *, before: datetime, limit: int) -> list[str]:
    """
    Return ids of Items that were expected to be updated *before* then, and of which that was not told yet.

    An Item without a planned update is only expected to be updated if its last run failed. One that waits for its
    person, or whose bank is away, is told of by other means.
    """
    since = sa.func.coalesce(items.c.last_updated_at, items.c.first_seen_at)
    failed = sa.and_(items.c.status == "OUTDATED", since < before - timedelta(days=1))
    asked = sa.exists().where(user_actions.c.item_id == items.c.id, user_actions.c.state.in_(["open", "submitted"]))
    offline = sa.exists().where(connectors.c.id == items.c.connector_id, connectors.c.status == "OFFLINE")
    return list(
        conn.scalars(
            sa.select(items.c.id)
            .where(
                items.c.deleted_at.is_(None),
                items.c.status.in_(["UPDATED", "OUTDATED"]),
                sa.or_(items.c.next_auto_sync_at < before, sa.and_(items.c.next_auto_sync_at.is_(None), failed)),
                items.c.stale_told_of.is_distinct_from(since),
                ~asked,
                ~offline,
            )
            .limit(limit)
        )
    )


def mark_stale_told(conn: Connection, item_id: str, since: datetime) -> None:
    """Record that the product was told that the Item is stale since its update of then."""
    conn.execute(sa.update(items).where(items.c.id == item_id).values(stale_told_of=since))
