"""Items as last seen, how far their events were followed, and who may write. Callers own the transaction."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from pluggy_sync.api import payloads
from pluggy_sync.store.inbox import GRACE
from pluggy_sync.store.tables import (
    accounts,
    balances,
    bills,
    changes,
    connectors,
    consents,
    identities,
    investment_transactions,
    investments,
    item_work,
    items,
    loans,
    product_marks,
    tombstones,
    transactions,
    user_actions,
)

# Emptied when the Item is deleted, in this order. `sync_runs` hold only counts.
_OF_THE_PERSON = (
    transactions,
    tombstones,
    changes,
    balances,
    bills,
    investments,
    investment_transactions,
    identities,
    loans,
    consents,
    product_marks,
    user_actions,
    accounts,
)


@dataclass(frozen=True, kw_only=True)
class Work:
    """The counts of an Item's `item_work` row."""

    wanted: int
    looked: int
    sync_wanted: int
    synced: int
    sync_attempts: int


def get(conn: Connection, item_id: str) -> sa.Row[Any] | None:
    """Return the Item's row, or None."""
    return conn.execute(sa.select(items).where(items.c.id == item_id)).one_or_none()


def user_of(conn: Connection, item_id: str) -> str | None:
    """Return the product's id of the person whose Item it is, or None."""
    user: str | None = conn.scalar(sa.select(items.c.client_user_id).where(items.c.id == item_id))
    return user


def lock(conn: Connection, item_id: str, *, now: datetime) -> sa.Row[Any]:
    """Return the Item's row, made if it is new, and hold its write lock until the transaction ends."""
    conn.execute(
        insert(items).values(id=item_id, first_seen_at=now).on_conflict_do_nothing(index_elements=[items.c.id])
    )
    return conn.execute(sa.select(items).where(items.c.id == item_id).with_for_update(key_share=True)).one()


def work(conn: Connection, item_id: str) -> Work:
    """Return the Item's counts; all are 0 when no event of it was stored."""
    row = conn.execute(sa.select(item_work).where(item_work.c.item_id == item_id)).one_or_none()
    if row is None:
        return Work(wanted=0, looked=0, sync_wanted=0, synced=0, sync_attempts=0)
    return Work(
        wanted=row.wanted,
        looked=row.looked,
        sync_wanted=row.sync_wanted,
        synced=row.synced,
        sync_attempts=row.sync_attempts,
    )


def save(conn: Connection, item: payloads.Item, *, now: datetime) -> None:
    """Keep *item* as the present view of its row. The caller holds its lock and has found the view not older."""
    conn.execute(
        sa.update(items)
        .where(items.c.id == item.id)
        .values(
            client_user_id=sa.func.coalesce(item.client_user_id, items.c.client_user_id),
            connector_id=item.connector.id,
            status=item.status,
            execution_status=item.execution_status,
            raw=item.raw,
            updated_at=item.updated_at,
            last_updated_at=item.last_updated_at,
            next_auto_sync_at=item.next_auto_sync_at,
            consent_expires_at=item.consent_expires_at,
            looked_at=now,
        )
    )


def name_user(conn: Connection, item_id: str, client_user_id: str) -> None:
    """Keep whose Item it is, when Pluggy did not say."""
    conn.execute(
        sa.update(items)
        .where(items.c.id == item_id, items.c.client_user_id.is_(None))
        .values(client_user_id=client_user_id)
    )


def mark_looked(conn: Connection, item_id: str, *, through: int) -> None:
    """Record that the Item was fetched when `wanted` stood at *through*."""
    conn.execute(
        sa.update(item_work)
        .where(item_work.c.item_id == item_id)
        .values(looked=sa.func.greatest(item_work.c.looked, through))
    )


def want_sync(conn: Connection, item_id: str, *, through: int, now: datetime) -> None:
    """
    Record that there is something to sync as of *through*.

    The caller queues it; the sweep does if it was not begun within the grace.
    """
    conn.execute(
        sa.update(item_work)
        .where(item_work.c.item_id == item_id, item_work.c.sync_wanted < through)
        .values(sync_wanted=through, due_at=now + GRACE)
    )


def next_notification(conn: Connection, item_id: str) -> int:
    """Return the next number of the Item's notifications."""
    number: int = conn.execute(
        sa.update(items)
        .where(items.c.id == item_id)
        .values(notification_seq=items.c.notification_seq + 1)
        .returning(items.c.notification_seq)
    ).scalar_one()
    return number


def hold(conn: Connection, item_id: str, run_id: uuid.UUID, *, until: datetime) -> None:
    """Give the Item to a run. The caller holds its lock and has found it free."""
    conn.execute(sa.update(items).where(items.c.id == item_id).values(run_id=run_id, run_held_until=until))


def lock_for_run(conn: Connection, item_id: str, run_id: uuid.UUID, *, until: datetime) -> bool:
    """Take the write lock and prolong the lease; return False if the Item is no longer this run's."""
    held = conn.execute(
        sa.update(items)
        .where(items.c.id == item_id, items.c.run_id == run_id, items.c.deleted_at.is_(None))
        .values(run_held_until=until)
    )
    return held.rowcount == 1


def release(conn: Connection, item_id: str, run_id: uuid.UUID) -> None:
    """Give the Item back, if it is still this run's."""
    conn.execute(
        sa.update(items).where(items.c.id == item_id, items.c.run_id == run_id).values(run_id=None, run_held_until=None)
    )


def move_watermark(conn: Connection, item_id: str, synced_through: datetime | None) -> None:
    """Record up to which collection of transactions everything is stored. The watermark only moves forward."""
    conn.execute(
        sa.update(items)
        .where(items.c.id == item_id)
        .values(synced_through=sa.func.greatest(items.c.synced_through, synced_through))
    )


def mark_update_synced(conn: Connection, item_id: str, last_updated_at: datetime | None) -> None:
    """Record the `lastUpdatedAt` of the view that was synced."""
    conn.execute(
        sa.update(items)
        .where(items.c.id == item_id)
        .values(synced_update_at=sa.func.greatest(items.c.synced_update_at, last_updated_at))
    )


def mark_synced(conn: Connection, item_id: str, *, through: int) -> bool:
    """Record that a run that began at *through* is done; return whether more is wanted by now."""
    row = conn.execute(
        sa.update(item_work)
        .where(item_work.c.item_id == item_id)
        .values(synced=sa.func.greatest(item_work.c.synced, through), sync_attempts=0)
        .returning(item_work.c.sync_wanted, item_work.c.synced)
    ).one()
    return bool(row.sync_wanted > row.synced)


def put_off_sync(conn: Connection, item_id: str, *, until: datetime, failed: bool) -> None:
    """Let the sweep start the Item's sync at *until*."""
    attempts = item_work.c.sync_attempts + 1 if failed else item_work.c.sync_attempts
    conn.execute(
        sa.update(item_work).where(item_work.c.item_id == item_id).values(due_at=until, sync_attempts=attempts)
    )


def take_due_syncs(conn: Connection, *, now: datetime, until: datetime, limit: int) -> list[str]:
    """Return ids of Items whose sync is due and that no run holds, and put each off *until* then."""
    due = (
        sa.select(item_work.c.item_id)
        .join(items, items.c.id == item_work.c.item_id)
        .where(
            item_work.c.sync_wanted > item_work.c.synced,
            item_work.c.due_at <= now,
            sa.or_(items.c.run_held_until.is_(None), items.c.run_held_until <= now),
            items.c.deleted_at.is_(None),
        )
        .order_by(item_work.c.due_at)
        .limit(limit)
        .with_for_update(of=item_work, skip_locked=True)
    )
    taken = sa.update(item_work).where(item_work.c.item_id.in_(due)).values(due_at=until).returning(item_work.c.item_id)
    return list(conn.scalars(taken))


def of_connector_waiting(conn: Connection, connector_id: int) -> list[str]:
    """Return ids of the connector's Items whose last run did not end well and which wait for nobody's action."""
    asked = sa.exists().where(user_actions.c.item_id == items.c.id, user_actions.c.state.in_(["open", "submitted"]))
    return list(
        conn.scalars(
            sa.select(items.c.id).where(
                items.c.connector_id == connector_id,
                items.c.deleted_at.is_(None),
                items.c.status.not_in(["UPDATED", "UPDATING", "MERGING"]),
                ~asked,
            )
        )
    )


def mark_reconciled(conn: Connection, item_id: str, *, now: datetime) -> None:
    """Record that the Item's whole stored year was compared with Pluggy's."""
    conn.execute(sa.update(items).where(items.c.id == item_id).values(reconciled_at=now))


def due_for_reconciliation(conn: Connection, *, before: datetime, limit: int) -> list[str]:
    """Return ids of good Items that were not reconciled since *before*, the longest waiting first."""
    reconciled = sa.func.coalesce(items.c.reconciled_at, items.c.first_seen_at)
    return list(
        conn.scalars(
            sa.select(items.c.id)
            .where(items.c.deleted_at.is_(None), items.c.status == "UPDATED", reconciled < before)
            .order_by(reconciled)
            .limit(limit)
        )
    )


def silent(conn: Connection, *, due_before: datetime, limit: int) -> list[str]:
    """Return ids of Items whose next auto-sync is long past and which were not looked at since then."""
    return list(
        conn.scalars(
            sa.select(items.c.id)
            .where(
                items.c.deleted_at.is_(None),
                items.c.next_auto_sync_at < due_before,
                items.c.looked_at < items.c.next_auto_sync_at,
            )
            .order_by(items.c.next_auto_sync_at)
            .limit(limit)
        )
    )


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


def purge(conn: Connection, item_id: str, *, now: datetime) -> None:
    """Remove everything that is the person's and leave the Item's tombstone. The caller holds the lock."""
    for table in _OF_THE_PERSON:
        conn.execute(sa.delete(table).where(table.c.item_id == item_id))
    kept = {"id", "first_seen_at", "notification_seq", "connector_id", "change_seq"}
    cleared = {column.name: None for column in items.columns if column.name not in kept}
    conn.execute(sa.update(items).where(items.c.id == item_id).values({**cleared, "deleted_at": now}))
