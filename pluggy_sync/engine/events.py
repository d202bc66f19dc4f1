"""
Handling an event: do what it asks for and mark it as handled, or reschedule it and keep the reason.

Waiting is kept in Postgres (`due_at`); the sweep sends the event again when it is due.
"""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
import structlog

from pluggy_sync import events, queue
from pluggy_sync.engine import items as item_fetching
from pluggy_sync.engine import outages, requests
from pluggy_sync.engine.sync.news import names_news
from pluggy_sync.pluggy.errors import PluggyError, PluggyLimitedError
from pluggy_sync.resources import Resources
from pluggy_sync.rules import backoff
from pluggy_sync.rules.statuses import RUNNING
from pluggy_sync.store import accounts, connectors, inbox, item_progress, items, transactions

log = structlog.get_logger(__name__)

# What these say is known without asking Pluggy.
_NOTHING_TO_ASK = frozenset({events.ITEM_LOGIN_SUCCEEDED, events.TRANSACTIONS_DELETED})


def handle_event(res: Resources, event_id: str) -> None:
    """Handle one stored event. Safe to repeat: an event that is done is passed over."""
    with res.database.begin() as conn:
        row = inbox.begin_attempt(conn, event_id)
    if row is None:
        return
    with structlog.contextvars.bound_contextvars(event_id=event_id, item_id=row.item_id, event_name=row.name):
        try:
            outcome = _handle(res, row)
        except PluggyLimitedError as exc:
            _reschedule(res, row, str(exc), timedelta(seconds=exc.retry_after_s))
        except PluggyError as exc:
            # A refusal too: a wrong secret or a disabled application heals once the operator has mended it.
            _reschedule(res, row, str(exc), backoff.wait(row.attempts))
        except Exception as exc:
            # A fault of ours. Its text may quote data, so only its name is kept; the log says where it was raised.
            _reschedule(res, row, type(exc).__name__, backoff.wait(row.attempts))
            raise
        else:
            if outcome is not None:
                _finish(res, event_id, outcome)


def _finish(res: Resources, event_id: str, outcome: str) -> None:
    with res.database.begin() as conn:
        inbox.finish(conn, event_id, outcome, now=res.now())
    log.info("event.handled", outcome=outcome)


def _reschedule(res: Resources, row: sa.Row[Any], error: str, wait: timedelta) -> None:
    now = res.now()
    with res.database.begin() as conn:
        if row.attempts + 1 >= backoff.MAX_ATTEMPTS:
            inbox.mark_dead(conn, row.event_id, error, now=now)
            log.error("event.dead", error=error, next="an operator can send it again")
            return
        inbox.reschedule(conn, row.event_id, error, until=now + wait)
    log.warning("event.reschedule", error=error, attempts=row.attempts + 1, next_try_at=str(now + wait))


def _handle(res: Resources, row: sa.Row[Any]) -> str | None:
    """Return the outcome, or None when the event was put off."""
    event = events.of_stored(row.event_id, row.name, row.item_id, row.payload)
    if event.name == events.CONNECTOR_STATUS_UPDATED:
        return _handle_connector(res, event)
    if event.item_id is None:
        return "kept"
    if event.name == events.TRANSACTIONS_DELETED:
        _bury(res, event, event.item_id)
    if event.name in _NOTHING_TO_ASK:
        return "noted"
    return _handle_item(res, row, event, event.item_id)


def _handle_item(res: Resources, row: sa.Row[Any], event: events.Event, item_id: str) -> str | None:
    if event.name == events.FETCH_REQUESTED and event.payload.get("why") == requests.CONTRADICTION:
        return _fetch_again(res, row, item_id)
    covered = _is_covered(res, row, event, item_id)
    if not covered:
        decision = item_fetching.fetch(res, item_id)
        if event.name not in (events.TRANSACTIONS_CREATED, events.TRANSACTIONS_UPDATED):
            return decision.step.value
    _request_sync_of_hinted_rows(res, row, event, item_id)
    return "covered" if covered else "fetched"


def _is_covered(res: Resources, row: sa.Row[Any], event: events.Event, item_id: str) -> bool:
    """Return whether the Item was fetched since the event was stored."""
    with res.database.begin() as conn:
        if row.item_seq is None or item_progress.get(conn, item_id).fetched_seq < row.item_seq:
            return False
        item = items.get(conn, item_id)
    # A request of our own may be for the end of an execution, which the fetch before came too early for.
    return event.name != events.FETCH_REQUESTED or item is None or item.status not in RUNNING


def _fetch_again(res: Resources, row: sa.Row[Any], item_id: str) -> str | None:
    """Fetch the Item whose last answer contradicted an event; put this request off while it still does."""
    decision = item_fetching.fetch_again(res, item_id)
    if decision is None:
        return "settled"
    if decision.contradiction is not None:
        _reschedule(res, row, f"Pluggy: {decision.contradiction}", backoff.wait(row.attempts + 1))
        return None
    return decision.step.value


def _request_sync_of_hinted_rows(res: Resources, row: sa.Row[Any], event: events.Event, item_id: str) -> None:
    """Make a sync due if a transactions event names rows that the last one cannot have shown."""
    now = res.now()
    with res.begin() as tx:
        conn = tx.conn
        item = items.get(conn, item_id)
        if item is None or item.deleted_at is not None or item.status != "UPDATED":
            # A run is going on, or failed: the next good one brings these rows along.
            return
        if item_progress.get(conn, item_id).synced_seq >= row.item_seq or not names_news(conn, event):
            return
        item_progress.request_sync(conn, item_id, through=row.item_seq, now=now)
        tx.after_commit(queue.SYNC_ITEM, item_id)


def _bury(res: Resources, event: events.Event, item_id: str) -> None:
    """Remove the transactions that Pluggy says are gone; ids never seen get a tombstone too."""
    if event.account_id is None:
        return
    now = res.now()
    with res.database.begin() as conn:
        item = items.lock(conn, item_id, now=now)
        account = accounts.get(conn, event.account_id)
        if item.deleted_at is not None:
            return
        if account is not None and account.item_id != item_id:
            # Never believe an account on an event's word (Pluggy facts 2.6).
            log.error("event.contradicts", reason="the account is another Item's", next="nothing is removed")
            return
        removed = transactions.remove(conn, item_id, event.account_id, event.transaction_ids, reason="event", now=now)
    log.info("transactions.removed", account_id=event.account_id, removed=removed)


def _handle_connector(res: Resources, event: events.Event) -> str:
    """Record how the connector is, and tell the product; when the bank is back, follow up its Items and persons."""
    if event.connector_id is None:
        return "kept"
    now = res.now()
    with res.begin() as tx:
        before = connectors.status(tx.conn, event.connector_id)
        if connectors.set_status(tx.conn, event.connector_id, event.connector_status, now=now):
            row = connectors.get(tx.conn, event.connector_id)
            name = None if row is None else row.name
            outages.status_changed(tx, event.connector_id, before, event.connector_status, name=name, now=now)
    outages.follow_up(res)
    return "noted"
