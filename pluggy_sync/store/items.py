"""
Items as last seen. Callers own the transaction.

Tests: `engine/test_items.py`, `engine/test_deletion.py`, `engine/test_refresh.py`.
"""

import dataclasses
import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from pluggy_sync import events
from pluggy_sync.pluggy import payloads
from pluggy_sync.rules.action_states import UNSETTLED
from pluggy_sync.rules.statuses import RUNNING, UPDATED
from pluggy_sync.store import erased
from pluggy_sync.store import inbox as inbox_queries
from pluggy_sync.store.personal_data import PURGED, Held
from pluggy_sync.store.tables import (
    NOT_UPDATED,
    accounts,
    balances,
    bills,
    inbox,
    item_progress,
    items,
    sync_runs,
    transactions,
    user_actions,
)


@dataclass(frozen=True, kw_only=True)
class StoredItem:
    """An Item as last seen. `status` and `raw` are None until it was seen once, and after it was deleted."""

    id: str
    client_user_id: str | None
    connector_id: int | None
    status: str | None
    execution_status: str | None
    raw: dict[str, Any] | None
    updated_at: datetime | None
    last_updated_at: datetime | None
    next_auto_sync_at: datetime | None
    consent_expires_at: datetime | None
    # The watermark of transactions, and `lastUpdatedAt` of the Item that the last good sync run worked from.
    synced_through: datetime | None
    synced_update_at: datetime | None
    first_seen_at: datetime
    # The client id with which Pluggy showed it last; None: unknown.
    application: str | None
    fetched_at: datetime | None
    reconciled_at: datetime | None
    deleted_at: datetime | None
    # The Item that brings its accounts now; None: it is in its own place.
    replaced_by: str | None
    run_id: uuid.UUID | None
    lease_until: datetime | None
    consent_warned_of: datetime | None
    consent_warned_days: int | None
    stale_told_of: datetime | None
    change_seq: int
    notification_seq: int


COLUMNS = [items.c[field.name] for field in dataclasses.fields(StoredItem)]


_OF_ITEM = items.c.id == sa.bindparam("item")
_UPDATE = sa.update(items).where(_OF_ITEM)

_GET = sa.select(*COLUMNS).where(_OF_ITEM)


def get(conn: Connection, item_id: str) -> StoredItem | None:
    """Return the Item, or None."""
    row = conn.execute(_GET, {"item": item_id}).one_or_none()
    return None if row is None else StoredItem(**row._mapping)


_LOCK = _GET.with_for_update(key_share=True)
_MAKE = insert(items).on_conflict_do_nothing(index_elements=[items.c.id])


def lock(conn: Connection, item_id: str, *, now: datetime) -> StoredItem:
    """
    Return the Item, which is made if it is new, and take its write lock until the transaction ends.

    One whose person was erased is not made again: what is returned is a deleted Item.
    """
    row = conn.execute(_LOCK, {"item": item_id}).one_or_none()
    if row is None and erased.is_item(conn, item_id):
        return _deleted(item_id, at=now)
    if row is None:
        conn.execute(_MAKE, {"id": item_id, "first_seen_at": now})
        row = conn.execute(_LOCK, {"item": item_id}).one()
    return StoredItem(**row._mapping)


def _deleted(item_id: str, *, at: datetime) -> StoredItem:
    of_nobody: dict[str, Any] = {each.name: None for each in dataclasses.fields(StoredItem)}
    return StoredItem(
        **{**of_nobody, "id": item_id, "first_seen_at": at, "deleted_at": at, "change_seq": 0, "notification_seq": 0}
    )


_SAVE = _UPDATE.values(
    client_user_id=sa.func.coalesce(sa.bindparam("shown_user", type_=sa.Text), items.c.client_user_id)
)


def save(conn: Connection, item: payloads.Item, *, application: str, now: datetime) -> None:
    """
    Save *item*, as Pluggy showed it to *application*, a client id.

    The caller holds its lock and has checked that the view is not older than the stored one.
    """
    conn.execute(
        _SAVE,
        {
            "item": item.id,
            "shown_user": item.client_user_id,
            "connector_id": item.connector.id,
            "status": item.status,
            "execution_status": item.execution_status,
            "raw": item.raw,
            "updated_at": item.updated_at,
            "last_updated_at": item.last_updated_at,
            "next_auto_sync_at": item.next_auto_sync_at,
            "consent_expires_at": item.consent_expires_at,
            "application": application,
            "fetched_at": now,
        },
    )


def name_user(conn: Connection, item_id: str, client_user_id: str) -> None:
    """Keep whose Item it is, when Pluggy did not say. One who was erased is not named: the fetch tells what to do."""
    if erased.erasure_of_user(conn, client_user_id) is not None:
        return
    conn.execute(
        sa.update(items)
        .where(items.c.id == item_id, items.c.client_user_id.is_(None))
        .values(client_user_id=client_user_id)
    )


_NEXT_NOTIFICATION = _UPDATE.values(notification_seq=items.c.notification_seq + 1).returning(items.c.notification_seq)


def next_notification(conn: Connection, item_id: str) -> int:
    """Return the next number of the Item's notifications."""
    number: int = conn.execute(_NEXT_NOTIFICATION, {"item": item_id}).scalar_one()
    return number


def claim_refresh(conn: Connection, item_id: str, *, now: datetime, until: datetime) -> bool:
    """
    Let the caller ask Pluggy to update the Item; return False if another request is asking.

    The claim ends with `end_refresh`, or at *until* if the process dies.
    """
    claimed = conn.execute(
        sa.update(items)
        .where(items.c.id == item_id, sa.or_(items.c.refresh_until.is_(None), items.c.refresh_until <= now))
        .values(refresh_until=until)
    )
    return claimed.rowcount == 1


def end_refresh(conn: Connection, item_id: str) -> None:
    """Let the next one ask Pluggy to update the Item."""
    conn.execute(_UPDATE, {"item": item_id, "refresh_until": None})


def to_fetch_since_bank_is_back(conn: Connection, connector_id: int, *, back_at: datetime, limit: int) -> list[str]:
    """
    Return ids of the connector's Items whose last execution did not end well and that were not fetched since, by id.

    An Item with an unsettled action waits for its person, who is told again.
    """
    asked = sa.exists().where(user_actions.c.item_id == items.c.id, user_actions.c.state.in_(UNSETTLED))
    requested = sa.exists().where(
        inbox.c.item_id == items.c.id, inbox.c.state == "stored", inbox.c.name == events.FETCH_REQUESTED
    )
    return list(
        conn.scalars(
            sa.select(items.c.id)
            .where(
                items.c.connector_id == connector_id,
                # As in the index: Postgres uses it only for values that it knows when it plans the statement.
                sa.text(NOT_UPDATED),
                items.c.replaced_by.is_(None),
                items.c.status.not_in([UPDATED, *RUNNING]),
                sa.or_(items.c.fetched_at.is_(None), items.c.fetched_at < back_at),
                ~asked,
                ~requested,
            )
            .order_by(items.c.id)
            .limit(limit)
        )
    )


def remove_unseen(conn: Connection, item_id: str, *, through: int, now: datetime) -> bool:
    """
    Remove an Item that Pluggy never showed, as if it had never been named; return whether that was done.

    It is not removed if an event came after the offset *through*, or if the Item was seen once. Its events stay. They
    count as handled and lose their offsets.
    """
    of_item = inbox.c.item_id == item_id
    came_since = sa.exists().where(of_item, inbox.c.item_seq > through, inbox.c.name != events.FETCH_REQUESTED)
    seen = sa.exists().where(
        items.c.id == item_id, sa.or_(items.c.status.is_not(None), items.c.deleted_at.is_not(None))
    )
    if conn.scalar(sa.select(sa.or_(came_since, seen))):
        return False
    conn.execute(sa.delete(items).where(items.c.id == item_id))
    conn.execute(sa.delete(item_progress).where(item_progress.c.item_id == item_id))
    inbox_queries.finish_of_item(conn, item_id, "removed", now=now)
    conn.execute(sa.update(inbox).where(of_item).values(item_seq=None))
    return True


def purge(conn: Connection, item_id: str, *, now: datetime) -> None:
    """Remove everything that is the person's and leave the Item's tombstone. The caller holds the lock."""
    _purge(conn, item_id, PURGED, kept={"connector_id"}, now=now)


def purge_all_but_history(conn: Connection, item_id: str, *, now: datetime) -> None:
    """
    Purge a replaced Item as `purge` does, but for the history of its accounts that is kept for its successor.

    The caller has removed what is not kept (`series.remove_what_successors_have`). Pluggy lists none of it any more:
    whoever adds up what is listed does not count the account of the old Item and that of the new one.
    """
    tables = [each for each in PURGED if each.table not in (transactions, balances, bills, accounts)]
    _purge(conn, item_id, tables, kept={"connector_id", "replaced_by"}, now=now)
    for table in (accounts, bills):
        listed = (table.c.item_id == item_id, table.c.missing_since.is_(None))
        conn.execute(sa.update(table).where(*listed).values(missing_since=now))


def _purge(conn: Connection, item_id: str, tables: Iterable[Held], *, kept: Collection[str], now: datetime) -> None:
    for held in tables:
        conn.execute(sa.delete(held.table).where(held.rows_of(item_id)))
    cleared = {column.name: None for column in items.columns if column.nullable and column.name not in kept}
    conn.execute(sa.update(items).where(items.c.id == item_id).values({**cleared, "deleted_at": now}))
    # They name the person's accounts.
    conn.execute(
        sa.update(sync_runs).where(sync_runs.c.item_id == item_id).values(parts=sa.null(), incomplete=sa.null())
    )
    conn.execute(
        sa.update(item_progress).where(item_progress.c.item_id == item_id).values(due_at=None, scheduled_at=None)
    )
