"""
Databases as large as one likes, made by set-based SQL: Items with a year behind them, and a little open work.

What a deployment has for each Item (accounts, transactions, events, runs, settled actions) grows with the size. What is
open (events that wait, syncs that are due, open actions, silent Items ...) is the same few rows in every size, so that
an operation on it returns the same. Notifications lie in the order in which they were written, as in a deployment: the
newest stand on the same pages.
"""

import hashlib
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Engine

from pluggy_sync.events import FETCH_REQUESTED


@dataclass(frozen=True, kw_only=True)
class Size:
    """How many rows of each kind."""

    items: int
    transactions: int
    events: int

    @property
    def rows_of_account(self) -> int:
        """Transactions of each account; an Item has two."""
        return max(1, self.transactions // (2 * self.items))

    @property
    def events_of_item(self) -> int:
        """Events of each Item; every fourth led to a sync run, a notification and a settled action."""
        return max(4, self.events // self.items)

    def with_items(self, items: int) -> "Size":
        """Return the size of *items* with as much behind each."""
        return Size(items=items, transactions=items * 2 * self.rows_of_account, events=items * self.events_of_item)


FULL = Size(items=100_000, transactions=10_000_000, events=1_000_000)
# What stands for an empty database: a page, and a count as far as one is made, of anything is full in it too.
ITEMS_OF_SMALL = 700

# Item number 7 is the same in every database. Ids are as random as Pluggy's.
ITEM = "md5('item ' || n)::uuid::text"
ACCOUNT = "md5('account ' || n || ' ' || k)::uuid::text"

# Numbers of the Items that something is open of.
_ACTIONS = "n BETWEEN 1 AND 60"
_SYNCS = "n BETWEEN 61 AND 90"
_SILENT = "n BETWEEN 91 AND 100"
_UNRECONCILED = "n BETWEEN 101 AND 120"
_BANK_WAS_AWAY = "n BETWEEN 121 AND 140"
_DELETED = "n BETWEEN 141 AND 170"
_RUNNING = "n BETWEEN 171 AND 175"

_STATEMENTS = {
    "connectors": """
        INSERT INTO connectors (id, name, status, updated_at)
        SELECT n, 'Banco ' || n, 'ONLINE', now() FROM generate_series(1, 50) AS n
    """,
    "items": f"""
        INSERT INTO items (id, client_user_id, connector_id, status, execution_status, raw, updated_at, last_updated_at,
            next_auto_sync_at, consent_expires_at, synced_through, synced_update_at, first_synced_at, told_change_seq,
            first_seen_at, application, fetched_at, reconciled_at, deleted_at, change_seq, notification_seq)
        SELECT id, CASE WHEN NOT deleted THEN 'user-' || n END, connector_id,
               CASE WHEN deleted THEN NULL ELSE status END, CASE WHEN deleted THEN NULL ELSE execution_status END,
               CASE WHEN deleted THEN NULL ELSE jsonb_build_object(
                   'id', id, 'status', status, 'executionStatus', execution_status, 'clientUserId', 'user-' || n,
                   'connector', jsonb_build_object('id', connector_id, 'name', 'Banco ' || connector_id, 'imageUrl',
                       'https://cdn.example/' || connector_id || '.svg', 'primaryColor', '1A1A1A',
                       'type', 'PERSONAL_BANK',
                       'country', 'BR', 'credentials', '[]'::jsonb, 'hasMFA', false, 'oauth', true,
                       'products', '["ACCOUNTS", "TRANSACTIONS", "CREDIT_CARDS", "IDENTITY"]'::jsonb,
                       'health', '{{"status": "ONLINE", "stage": null}}'::jsonb),
                   'products', '["ACCOUNTS", "TRANSACTIONS"]'::jsonb, 'createdAt', '2025-03-09T12:00:00.000Z',
                   'statusDetail', jsonb_build_object(
                       'accounts', jsonb_build_object(
                           'isUpdated', true, 'lastUpdatedAt', updated, 'warnings', '[]'::jsonb),
                       'transactions', jsonb_build_object(
                           'isUpdated', true, 'lastUpdatedAt', updated, 'warnings', '[]'::jsonb)
                   ), 'updatedAt', updated, 'lastUpdatedAt', updated, 'nextAutoSyncAt', planned) END,
               updated, updated, CASE WHEN deleted THEN NULL ELSE planned END,
               CASE WHEN deleted THEN NULL ELSE now() + interval '40 days' + n % 300 * interval '1 day' END,
               updated, updated, updated, :rows * 2,
               now() - interval '365 days', 'client', updated,
               CASE WHEN {_UNRECONCILED} THEN now() - interval '8 days'
                    ELSE now() - n % 6 * interval '1 day' - interval '1 hour' END,
               CASE WHEN deleted THEN updated END, :rows * 2, :events / 4
        FROM (SELECT n, {ITEM} AS id, n % 50 + 1 AS connector_id, {_DELETED} AS deleted,
                     CASE WHEN {_ACTIONS} THEN 'LOGIN_ERROR' WHEN {_BANK_WAS_AWAY} THEN 'OUTDATED'
                          WHEN {_RUNNING} THEN 'UPDATING' ELSE 'UPDATED' END AS status,
                     CASE WHEN {_ACTIONS} THEN 'INVALID_CREDENTIALS' WHEN {_BANK_WAS_AWAY} THEN 'CONNECTION_ERROR'
                          WHEN {_RUNNING} THEN 'LOGIN_IN_PROGRESS' ELSE 'SUCCESS' END AS execution_status,
                     now() - interval '2 hours' - n % 200 * interval '1 minute' AS updated,
                     CASE WHEN {_SILENT} THEN now() - interval '5 hours' - interval '30 minutes' * (n % 7)
                          ELSE now() + interval '6 hours' - n % 200 * interval '1 minute' END AS planned
              FROM generate_series(1, :items) AS n) AS made
    """,
    "item_progress": f"""
        INSERT INTO item_progress (item_id, last_event_seq, fetched_seq, sync_requested_seq, synced_seq, due_at,
                                   settled_seq, settled_updated_at, settled_last_updated_at)
        SELECT {ITEM}, :events + 1, :events, :events, CASE WHEN {_SYNCS} THEN :events - 1 ELSE :events END,
               CASE WHEN {_SYNCS} THEN now() - interval '1 minute' END, :events, now(), now()
        FROM generate_series(1, :items) AS n WHERE NOT ({_DELETED})
    """,
    "accounts": f"""
        INSERT INTO accounts (id, item_id, type, subtype, number, name, balance, currency_code, raw, synced_at,
                              synced_through)
        SELECT {ACCOUNT}, {ITEM}, 'BANK', 'CHECKING_ACCOUNT', '0001/12345-' || k, 'Conta Corrente', 1234.56, 'BRL',
               jsonb_build_object('id', {ACCOUNT}, 'itemId', {ITEM}, 'type', 'BANK', 'subtype', 'CHECKING_ACCOUNT',
                   'number', '0001/12345-' || k, 'name', 'Conta Corrente', 'balance', 1234.56, 'currencyCode', 'BRL',
                   'bankData', '{{"transferNumber": "001/0001/12345-0", "closingBalance": 1234.56}}'::jsonb),
               now(), now() - interval '2 hours'
        FROM generate_series(1, :items) AS n, generate_series(1, 2) AS k WHERE NOT ({_DELETED})
    """,
    "data_product_watermarks": f"""
        INSERT INTO data_product_watermarks (item_id, product, collected_at, synced_at)
        SELECT {ITEM}, product, now() - interval '2 hours', now() - interval '2 hours'
        FROM generate_series(1, :items) AS n, unnest(ARRAY['ACCOUNTS', 'IDENTITY']) AS product WHERE NOT ({_DELETED})
    """,
    "balances": f"""
        INSERT INTO balances (account_id, collected_at, item_id, balance, rows_total, drift)
        SELECT {ACCOUNT}, now() - d * interval '7 days', {ITEM}, 1234.56, 1000, 0
        FROM generate_series(1, :items) AS n, generate_series(1, 2) AS k, generate_series(1, 10) AS d
        WHERE NOT ({_DELETED})
    """,
    "transactions": f"""
        INSERT INTO transactions (id, account_id, item_id, date, day, description, amount, currency_code, type, status,
                                  category_id, provider_id, created_at, updated_at, raw)
        SELECT id, account_id, item_id, date, (date AT TIME ZONE 'America/Sao_Paulo')::date,
               'PIX ENVIADO PADARIA ' || r, -12.34, 'BRL', 'DEBIT', 'POSTED', '11000000', provider_id, date, date,
               jsonb_build_object('id', id, 'accountId', account_id, 'description', 'PIX ENVIADO PADARIA ' || r,
                   'descriptionRaw', 'PIX ENVIADO PADARIA ' || r || ' LTDA', 'currencyCode', 'BRL', 'amount', -12.34,
                   'amountInAccountCurrency', null, 'date', date, 'type', 'DEBIT', 'status', 'POSTED',
                   'category', 'Food and drinks', 'categoryId', '11000000', 'balance', 4321.09,
                   'providerId', provider_id,
                   'providerCode', null, 'operationType', 'PIX', 'order', 0, 'paymentData',
                   '{{"payer": {{"name": "A", "documentNumber": null}}, "paymentMethod": "PIX",
                      "reason": null}}'::jsonb,
                   'creditCardMetadata', null, 'merchant', null, 'createdAt', date, 'updatedAt', date)
        FROM (SELECT r, {ITEM} AS item_id, {ACCOUNT} AS account_id,
                     md5('row ' || n || ' ' || k || ' ' || r)::uuid::text AS id,
                     md5('provider ' || n || ' ' || k || ' ' || r)::uuid::text AS provider_id,
                     date_trunc('day', now()) + interval '3 hours' - r * interval '365 days' / :rows AS date
              FROM generate_series(1, :items) AS n, generate_series(1, 2) AS k, generate_series(1, :rows) AS r
              WHERE NOT ({_DELETED})) AS made
    """,
    "changes": f"""
        INSERT INTO changes (item_id, seq, kind, transaction_id, account_id, changed_at)
        SELECT {ITEM}, (k - 1) * :rows + r, 'added', md5('row ' || n || ' ' || k || ' ' || r)::uuid::text, {ACCOUNT},
               now() - r * interval '365 days' / :rows
        FROM generate_series(1, :items) AS n, generate_series(1, 2) AS k, generate_series(1, :rows) AS r
        WHERE NOT ({_DELETED})
    """,
    "inbox": f"""
        INSERT INTO inbox (event_id, name, item_id, item_seq, payload, state, outcome, attempts, received_at, due_at,
                           handled_at)
        SELECT id, name, {ITEM}, s, jsonb_build_object('event', name, 'eventId', id, 'itemId', {ITEM}, 'clientId',
                   'client', 'triggeredBy', 'SYNC', 'clientUserId', 'user-' || n,
                   'why', CASE WHEN name = :fetch_requested THEN 'silent past its auto-sync' END),
               CASE WHEN s > :events THEN 'stored' ELSE 'handled' END, CASE WHEN s <= :events THEN 'sync' END, 1,
               at, at, CASE WHEN s <= :events THEN at END
        FROM (SELECT n, s, md5('event ' || n || ' ' || s)::uuid::text AS id,
                     now() - interval '1 minute' - (:events + 1 - s) * interval '365 days' / :events AS at,
                     CASE s % 20 WHEN 0 THEN :fetch_requested ELSE 'item/updated' END AS name
              FROM generate_series(1, :events + 1) AS s, generate_series(1, :items) AS n
              WHERE s <= :events OR n BETWEEN 150 AND 180) AS made
    """,
    "sync_runs": f"""
        INSERT INTO sync_runs (id, item_id, trigger, triggered_by, began_at_seq, window_from, window_to, requests,
                               added, parts, started_at, finished_at, outcome, cursor)
        SELECT md5('run ' || n || ' ' || s)::uuid, {ITEM},
               CASE s % 2 WHEN 0 THEN 'reconciliation' ELSE 'item/updated' END, 'SYNC', s * 4, current_date - 3, now(),
               6, 4, '{{"ACCOUNTS": "collected anew"}}'::jsonb,
               now() - interval '3 hours' - s * interval '365 days' * 4 / :events,
               now() - interval '3 hours' - s * interval '365 days' * 4 / :events, 'done', s * 10
        FROM generate_series(1, :events / 4) AS s, generate_series(1, :items) AS n
    """,
    "user_actions": f"""
        INSERT INTO user_actions (id, item_id, client_user_id, kind, reason, dedup_key, state, attempts, created_at,
                                  settled_at, outcome, told_at)
        SELECT 'act_' || md5(n || ' ' || s), {ITEM}, 'user-' || n, 'credentials', 'INVALID_CREDENTIALS',
               'credentials', CASE WHEN s = 0 THEN 'open' ELSE 'resolved' END, 1,
               now() - n * interval '1 second' - s * interval '365 days' * 4 / :events,
               CASE WHEN s > 0 THEN now() - s * interval '365 days' * 4 / :events END,
               CASE WHEN s > 0 THEN 'updated' END, now()
        FROM generate_series(0, :events / 4) AS s, generate_series(1, :items) AS n
        WHERE NOT ({_DELETED}) AND (s > 0 OR {_ACTIONS})
    """,
    "outbox": f"""
        INSERT INTO outbox (id, type, item_id, sequence, body, created_at)
        SELECT 'msg_' || md5(n || ' ' || s), 'item.synced', {ITEM}, s,
               '{{"type": "item.synced", "timestamp": "2026-03-09T12:00:00.000Z", "data": {{"itemId": "' || {ITEM}
                   || '", "clientUserId": "user-' || n || '", "cursor": "40", "added": 4, "modified": 0}}}}',
               now() - (:events / 4 + 1 - s) * interval '365 days' * 4 / :events - n % 1000 * interval '1 second'
                   AS created_at
        FROM generate_series(1, :events / 4 + 1) AS s, generate_series(1, :items) AS n
        WHERE NOT ({_DELETED}) AND (s <= :events / 4 OR n BETWEEN 176 AND 195)
        ORDER BY created_at
    """,
    "deliveries": """
        INSERT INTO deliveries (endpoint_id, notification_id, item_id, sequence, created_at, state, attempts, due_at,
                                first_tried_at, delivered_at)
        SELECT 'ep_environment', id, item_id, sequence, created_at,
               CASE WHEN sequence > :events / 4 THEN 'pending' ELSE 'delivered' END, 1, now() - interval '1 minute',
               now(), CASE WHEN sequence <= :events / 4 THEN now() END
        FROM outbox ORDER BY created_at
    """,
    "notification_stream": """
        INSERT INTO notification_stream (position, notification_id)
        SELECT nextval('stream_positions'), id FROM outbox ORDER BY created_at
    """,
    "change_stream": """
        INSERT INTO change_stream (position, item_id, after_seq, through_seq)
        SELECT nextval('stream_positions'), id, 0, change_seq FROM items WHERE deleted_at IS NULL
    """,
    "delivery_attempts": """
        INSERT INTO delivery_attempts (notification_id, endpoint_id, started_at, duration_ms, status_code)
        SELECT notification_id, endpoint_id, created_at, 20, 204 FROM deliveries WHERE state = 'delivered'
        ORDER BY created_at
    """,
}


def write(engine: Engine, size: Size, *, told: Callable[[str], None] = lambda _: None) -> None:
    """Fill the empty tables of *engine*, each with one statement, and tell of each. Its statistics are up to date."""
    numbers = {
        "items": size.items,
        "rows": size.rows_of_account,
        "events": size.events_of_item,
        "fetch_requested": FETCH_REQUESTED,
    }
    for table, statement in _STATEMENTS.items():
        began = time.monotonic()
        with engine.begin() as conn:
            rows = conn.execute(_bound(statement), numbers).rowcount
        told(f"{table}: {rows:,} rows in {time.monotonic() - began:.0f} s")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.exec_driver_sql("VACUUM ANALYZE")


def _bound(statement: str) -> sa.TextClause:
    text = sa.text(statement)
    return text.bindparams(
        *(
            sa.bindparam(name, type_=sa.Text if name == "fetch_requested" else sa.Integer)
            for name in ("items", "rows", "events", "fetch_requested")
            if f":{name}" in statement
        )
    )


def item_id(number: int) -> str:
    """Return the id of the Item with that number."""
    return _made(f"item {number}")


def account_id(number: int, account: int = 1) -> str:
    """Return the id of that account, the first or the second, of the Item with that number."""
    return _made(f"account {number} {account}")


def row_id(number: int, account: int, row: int) -> str:
    """Return the id of a transaction: row 1 is the newest of its account."""
    return _made(f"row {number} {account} {row}")


def _made(name: str) -> str:
    return str(uuid.UUID(hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()))
