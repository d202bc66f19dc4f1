"""
All that decides what there is to sync of an Item, read by one query, and what a finished run moves on.

Callers own the transaction.
"""

import functools
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import JSONB

from pluggy_sync import events, wire
from pluggy_sync.pluggy import payloads
from pluggy_sync.rules.action_states import UNSETTLED
from pluggy_sync.rules.sync_plan import AccountState, Incomplete, Part, Reason, SyncState, TransactionEvent
from pluggy_sync.store import shared_resources
from pluggy_sync.store.tables import INSTANT, items

_NAMES = (events.TRANSACTIONS_CREATED, events.TRANSACTIONS_UPDATED, events.TRANSACTIONS_DELETED)

# About a week of an Item that is updated four times a day. Without a `transactions/*` among them, Pluggy does not tell.
NEWEST_EVENTS = 50

# An event is covered if the last finished run began after it was stored, unless a part of that run was incomplete.
_READ = sa.text(
    """
    SELECT items.id, items.raw, items.client_user_id, items.deleted_at, items.replaced_by, items.run_id,
           items.lease_until, items.synced_through, items.synced_update_at, items.first_synced_at, items.change_seq,
           progress.last_event_seq, progress.fetched_seq, progress.sync_requested_seq, progress.synced_seq,
           progress.sync_attempts, progress.due_at,
           EXISTS (SELECT FROM user_actions
                   WHERE item_id = items.id AND state = ANY(:unsettled)) AS has_unsettled_actions,
           (SELECT jsonb_agg(jsonb_build_object(
                       'id', id, 'type', type, 'balance', balance, 'listed', missing_since IS NULL,
                       'syncedThrough', synced_through) ORDER BY id)
            FROM accounts WHERE item_id = items.id) AS accounts,
           (SELECT jsonb_object_agg(product, collected_at)
            FROM data_product_watermarks WHERE item_id = items.id) AS watermarks,
           (SELECT to_jsonb(shared_resources) FROM shared_resources WHERE item_id = items.id) AS shared,
           (SELECT jsonb_agg(to_jsonb(incomplete_parts)) FROM incomplete_parts WHERE item_id = items.id) AS incomplete,
           (SELECT jsonb_agg(jsonb_build_object(
                       'seq', item_seq, 'name', name, 'accountId', payload -> 'accountId',
                       'ids', payload -> 'transactionIds', 'count', payload -> 'transactionsCount',
                       'since', payload -> 'transactionsCreatedAtFrom') ORDER BY item_seq)
            FROM inbox
            WHERE item_id = items.id AND name = ANY(:names)
              AND item_seq > least(progress.synced_seq,
                                   (SELECT min(after_seq) FROM incomplete_parts WHERE item_id = items.id))
           ) AS events,
           (SELECT min(received_at) FROM inbox
            WHERE item_id = items.id AND item_seq > progress.synced_seq AND name <> 'local/fetch_requested'
           ) AS received_at,
           (SELECT coalesce(bool_or(name = ANY(:names)), false)
            FROM (SELECT name FROM inbox WHERE item_id = items.id ORDER BY item_seq DESC LIMIT :newest_events) AS newest
           ) AS tells_of_transactions,
           (SELECT jsonb_build_object('name', name, 'triggeredBy', payload -> 'triggeredBy')
            FROM inbox WHERE item_id = items.id ORDER BY item_seq DESC LIMIT 1) AS newest
    FROM items LEFT JOIN item_progress AS progress ON progress.item_id = items.id
    WHERE items.id = :item_id
    """
).columns(
    raw=JSONB,
    accounts=JSONB,
    watermarks=JSONB,
    incomplete=JSONB,
    events=JSONB,
    newest=JSONB,
    shared=JSONB,
)


def read(conn: Connection, item_id: str) -> SyncState | None:
    """Return the Item's state, or None if it is not known here."""
    asked = {"item_id": item_id, "names": list(_NAMES), "unsettled": list(UNSETTLED), "newest_events": NEWEST_EVENTS}
    row = conn.execute(_READ, asked).one_or_none()
    if row is None:
        return None
    newest = row.newest or {}
    triggered_by = newest.get("triggeredBy")
    return SyncState(
        item_id=row.id,
        item=None if row.raw is None else payloads.item(row.raw),
        client_user_id=row.client_user_id,
        deleted_at=row.deleted_at,
        is_replaced=row.replaced_by is not None,
        has_unsettled_actions=row.has_unsettled_actions,
        run_id=row.run_id,
        lease_until=row.lease_until,
        synced_through=row.synced_through,
        synced_update_at=row.synced_update_at,
        first_synced_at=row.first_synced_at,
        change_seq=row.change_seq,
        last_event_seq=row.last_event_seq or 0,
        fetched_seq=row.fetched_seq or 0,
        sync_requested_seq=row.sync_requested_seq or 0,
        synced_seq=row.synced_seq or 0,
        sync_attempts=row.sync_attempts or 0,
        due_at=row.due_at,
        received_at=row.received_at,
        accounts=_accounts(row.accounts or []),
        watermarks={name: _instant(at) for name, at in (row.watermarks or {}).items()},
        incomplete=_incomplete(row.incomplete or []),
        events=_events(row.events or []),
        shared=shared_resources.of_json(row.shared),
        tells_of_transactions=row.tells_of_transactions,
        trigger=newest.get("name", "sweep"),
        triggered_by=triggered_by if isinstance(triggered_by, str) else None,
    )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _instant_or_none(text: str | None) -> datetime | None:
    return None if text is None else _instant(text)


def _accounts(found: Sequence[dict[str, Any]]) -> tuple[AccountState, ...]:
    return tuple(
        AccountState(
            id=each["id"],
            type=each["type"],
            balance=None if each["balance"] is None else Decimal(each["balance"]),
            listed=each["listed"],
            synced_through=_instant_or_none(each["syncedThrough"]),
        )
        for each in found
    )


def _incomplete(found: Sequence[dict[str, Any]]) -> dict[Part, Incomplete]:
    parts = [
        Incomplete(
            part=Part(each["product"], each["part_of"]),
            reason=Reason(each["reason"]),
            detail=each["detail"],
            attempts=each["attempts"],
            retry_at=_instant_or_none(each["retry_at"]),
            after_seq=each["after_seq"],
        )
        for each in found
    ]
    return {each.part: each for each in parts}


def _events(found: Sequence[dict[str, Any]]) -> tuple[TransactionEvent, ...]:
    """Return the events that name an account. Other parts that cannot be read count as absent."""
    return tuple(
        TransactionEvent(
            seq=each["seq"],
            name=each["name"],
            account_id=each["accountId"],
            ids=tuple(one for one in _list(each["ids"]) if isinstance(one, str)),
            created_at_from=_moment(each["since"]),
            count=each["count"] if isinstance(each["count"], int) else None,
        )
        for each in found
        if isinstance(each["accountId"], str)
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _moment(value: Any) -> datetime | None:
    try:
        return wire.instant(value)
    except (ValueError, TypeError, OverflowError):
        return None


_OF_ITEM = items.c.id == sa.bindparam("item")


@functools.cache
def _finish(*, told: bool) -> sa.Update:
    before = sa.select(items.c.told_change_seq).where(_OF_ITEM).scalar_subquery()
    return (
        sa.update(items)
        .where(_OF_ITEM)
        .values(
            synced_through=sa.func.greatest(items.c.synced_through, sa.bindparam("through", type_=INSTANT)),
            synced_update_at=sa.func.greatest(items.c.synced_update_at, sa.bindparam("update_at", type_=INSTANT)),
            first_synced_at=sa.func.coalesce(items.c.first_synced_at, sa.bindparam("first_at", type_=INSTANT)),
            told_change_seq=items.c.change_seq if told else items.c.told_change_seq,
            run_id=None,
            lease_until=None,
        )
        .returning(before)
    )


def finish(
    conn: Connection,
    item_id: str,
    *,
    synced_through: datetime | None,
    synced_update_at: datetime | None,
    first_synced_at: datetime | None,
    told: bool,
) -> int:
    """
    Move the Item's watermarks, forward only, and end the lease. None leaves a watermark where it is.

    Return where the change feed stood as the product was told before; *told*: it is told again now. The caller holds
    the Item's write lock.
    """
    moments = {"through": synced_through, "update_at": synced_update_at, "first_at": first_synced_at}
    return conn.scalar(_finish(told=told), {"item": item_id, **moments}) or 0
