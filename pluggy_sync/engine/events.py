"""
Handling an event: do what it asks for and mark it as handled, or reschedule it and keep the reason.

Waiting is kept in Postgres (`due_at`); the sweep sends the event again when it is due.
"""

from datetime import timedelta

import structlog

from pluggy_sync import events
from pluggy_sync.engine import items as item_fetching
from pluggy_sync.engine import outages, requests
from pluggy_sync.pluggy.errors import PluggyError, PluggyLimitedError
from pluggy_sync.resources import Resources
from pluggy_sync.rules import backoff
from pluggy_sync.rules.statuses import CONNECTOR_STATUSES, RUNNING
from pluggy_sync.store import connectors, inbox, item_progress
from pluggy_sync.store.inbox import WaitingEvent
from pluggy_sync.store.item_progress import ItemProgress

log = structlog.get_logger(__name__)

# What these say is known without asking Pluggy.
_NOTHING_TO_ASK = frozenset({events.ITEM_LOGIN_SUCCEEDED})
_OF_TRANSACTIONS = frozenset({events.TRANSACTIONS_CREATED, events.TRANSACTIONS_UPDATED, events.TRANSACTIONS_DELETED})


def handle_event(res: Resources, event_id: str) -> None:
    """Handle one stored event. Safe to repeat: an event that is done is passed over."""
    with res.database.begin() as conn:
        waiting = inbox.begin_attempt(conn, event_id)
        if waiting is None:
            return
        progress = ItemProgress() if waiting.item_id is None else item_progress.get(conn, waiting.item_id)
    with structlog.contextvars.bound_contextvars(event_id=event_id, item_id=waiting.item_id, event_name=waiting.name):
        try:
            outcome = _handle(res, waiting, progress)
        except PluggyLimitedError as exc:
            _reschedule(res, waiting, str(exc), timedelta(seconds=exc.retry_after_s))
        except PluggyError as exc:
            # A refusal too: a wrong secret or a disabled application heals once the operator has mended it.
            _reschedule(res, waiting, str(exc), backoff.wait(waiting.attempts))
        except Exception as exc:
            # A fault of ours. Its text may quote data, so only its name is kept; the log says where it was raised.
            _reschedule(res, waiting, type(exc).__name__, backoff.wait(waiting.attempts))
            raise
        else:
            if outcome is not None:
                _finish(res, event_id, outcome)


def _finish(res: Resources, event_id: str, outcome: str, **about: object) -> None:
    with res.database.begin() as conn:
        inbox.finish(conn, event_id, outcome, now=res.now())
    log.info("event.handled", outcome=outcome, **about)


def _reschedule(res: Resources, waiting: WaitingEvent, error: str, wait: timedelta) -> None:
    now = res.now()
    with res.database.begin() as conn:
        if waiting.attempts + 1 >= backoff.MAX_ATTEMPTS:
            inbox.mark_dead(conn, waiting.event_id, error, now=now)
            log.error("event.dead", error=error, next="an operator can send it again")
            return
        inbox.reschedule(conn, waiting.event_id, error, until=now + wait)
    log.warning("event.rescheduled", error=error, attempts=waiting.attempts + 1, next_try_at=str(now + wait))


def _handle(res: Resources, waiting: WaitingEvent, progress: ItemProgress) -> str | None:
    """Return the outcome, or None when the event was rescheduled, or is finished already."""
    event = events.of_stored(waiting.event_id, waiting.name, waiting.item_id, waiting.payload)
    if event.name == events.CONNECTOR_STATUS_UPDATED:
        return _handle_connector(res, event)
    if event.item_id is None:
        return "kept"
    if event.name in _NOTHING_TO_ASK:
        return "noted"
    return _handle_item(res, waiting, event, event.item_id, progress)


def _handle_item(
    res: Resources, waiting: WaitingEvent, event: events.Event, item_id: str, progress: ItemProgress
) -> str | None:
    if event.name == events.FETCH_REQUESTED and event.payload.get("why") == requests.CONTRADICTION:
        return _fetch_again(res, waiting, item_id, progress)
    if _is_covered(waiting, event, progress):
        # Whoever fetched the Item after this event was stored has also asked whether there is anything to sync.
        return "covered"
    decision = item_fetching.fetch_at(res, item_id, progress)
    return "fetched" if event.name in _OF_TRANSACTIONS else decision.step.value


def _is_covered(waiting: WaitingEvent, event: events.Event, progress: ItemProgress) -> bool:
    """Return whether the Item was fetched since the event was stored."""
    if waiting.item_seq is None or progress.fetched_seq < waiting.item_seq:
        return False
    # A request of our own may be for the end of an execution, which the fetch before came too early for.
    return event.name != events.FETCH_REQUESTED or progress.status not in RUNNING


def _fetch_again(res: Resources, waiting: WaitingEvent, item_id: str, progress: ItemProgress) -> str | None:
    """Fetch the Item whose last answer contradicted an event; reschedule this request while it still does."""
    decision = item_fetching.fetch_again(res, item_id, progress)
    if decision is None:
        return "settled"
    if decision.contradiction is not None:
        _reschedule(res, waiting, f"Pluggy: {decision.contradiction}", backoff.wait(waiting.attempts + 1))
        return None
    return decision.step.value


def _handle_connector(res: Resources, event: events.Event) -> str | None:
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
    # Pluggy may have put any text into the status.
    known = event.connector_status if event.connector_status in CONNECTOR_STATUSES else None
    _finish(res, event.event_id, "noted", connector_id=event.connector_id, status=known)
    return None
