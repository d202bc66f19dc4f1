"""Items as last seen, how far their events were followed, and who may write. Callers own the transaction."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from pluggy_sync.pluggy import payloads
from pluggy_sync.store.tables import (
    accounts,
    balances,
    bills,
    changes,
    consents,
    data_product_watermarks,
    identities,
    investment_transactions,
    investments,
    items,
    loans,
    tombstones,
    transactions,
    unreadable_rows,
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
    data_product_watermarks,
    unreadable_rows,
    user_actions,
    accounts,
)


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
            fetched_at=now,
        )
    )


def name_user(conn: Connection, item_id: str, client_user_id: str) -> None:
    """Keep whose Item it is, when Pluggy did not say."""
    conn.execute(
        sa.update(items)
        .where(items.c.id == item_id, items.c.client_user_id.is_(None))
        .values(client_user_id=client_user_id)
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


def purge(conn: Connection, item_id: str, *, now: datetime) -> None:
    """Remove everything that is the person's and leave the Item's tombstone. The caller holds the lock."""
    for table in _OF_THE_PERSON:
        conn.execute(sa.delete(table).where(table.c.item_id == item_id))
    kept = {"id", "first_seen_at", "notification_seq", "connector_id", "change_seq"}
    cleared = {column.name: None for column in items.columns if column.name not in kept}
    conn.execute(sa.update(items).where(items.c.id == item_id).values({**cleared, "deleted_at": now}))
