"""
Handling an event: do what it asks for and mark it as handled, or reschedule it and keep the reason.

Waiting is kept in Postgres (`due_at`); the sweep sends the event again when it is due.
"""

import re
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import NamedTuple

import structlog

from pluggy_sync import cause, events, tallies, tracing
from pluggy_sync.engine import items as item_fetching
from pluggy_sync.engine import outages, requests
from pluggy_sync.pluggy import rate_budget
from pluggy_sync.pluggy.errors import PluggyError, PluggyLimitedError
from pluggy_sync.resources import Resources
from pluggy_sync.rules import backoff
from pluggy_sync.rules.statuses import CONNECTOR_STATUSES, RUNNING
from pluggy_sync.store import connectors, inbox, item_progress
from pluggy_sync.store.inbox import WaitingEvent
from pluggy_sync.store.item_progress import ItemProgress

log = structlog.get_logger(__name__)

# The Item was fetched since the event was stored.
COVERED = "covered"
# For these Pluggy need not be asked.
_NOTHING_TO_ASK = frozenset({events.ITEM_LOGIN_SUCCEEDED})
_OF_TRANSACTIONS = frozenset({events.TRANSACTIONS_CREATED, events.TRANSACTIONS_UPDATED, events.TRANSACTIONS_DELETED})

_CODE = re.compile(r"[A-Za-z0-9_]{1,64}")


class _Handled(NamedTuple):
    """What came of an event: a word for it, and the code behind it, if there is one."""

    outcome: str
    reason: str | None = None


def handle_event(res: Resources, event_id: str) -> None:
    """Handle one stored event. Safe to repeat: an event that is done is passed over."""
    with tracing.span("handle event", kind="consumer", event_id=event_id) as span:
        span.note(outcome=_handle_stored(res, event_id))


def _handle_stored(res: Resources, event_id: str) -> str | None:
    """Return what came of it, in a word; None: it was rescheduled, or is finished, and the log says why."""
    with res.database.begin() as conn:
        waiting = inbox.begin_attempt(conn, event_id)
        if waiting is None:
            return "passed_over"
        progress = ItemProgress() if waiting.item_id is None else item_progress.get(conn, waiting.item_id)
        is_done = _is_surely_covered(waiting, progress)
        if is_done:
            inbox.finish(conn, event_id, COVERED, now=res.now())
    with structlog.contextvars.bound_contextvars(event_id=event_id, item_id=waiting.item_id, event_name=waiting.name):
        if is_done:
            log.info("event.handled", outcome=COVERED)
            _time(res, waiting)
            return COVERED
        try:
            with cause.received(waiting.received_at if _is_of_pluggy(waiting) else None):
                handled = _handle(res, waiting, progress)
        except PluggyLimitedError as exc:
            _await_budget(res, waiting, exc)
            return "awaits_budget"
        except PluggyError as exc:
            # Refusals are tried again too: the operator may mend a wrong secret or a disabled application.
            _reschedule(res, waiting, str(exc), backoff.wait(waiting.attempts))
            return "rescheduled"
        except Exception as exc:
            # A fault of ours. Only its name is kept, because its text may quote data. The log says where it was raised.
            _reschedule(res, waiting, type(exc).__name__, backoff.wait(waiting.attempts))
            raise
        if handled is not None:
            _finish(res, event_id, handled.outcome, reason=handled.reason)
        _time(res, waiting)
        return None if handled is None else handled.outcome


def _is_of_pluggy(waiting: WaitingEvent) -> bool:
    return waiting.name != events.FETCH_REQUESTED


def _time(res: Resources, waiting: WaitingEvent) -> None:
    """Note how long it took from the webhook until now. Requests of our own may have to wait for something."""
    if _is_of_pluggy(waiting):
        lane = tallies.URGENT if waiting.name in events.URGENT else tallies.OTHER
        res.tallies.time(tallies.HANDLED_AFTER, (res.now() - waiting.received_at).total_seconds(), lane)


def _finish(res: Resources, event_id: str, outcome: str, *, reason: str | None = None, **about: object) -> None:
    with res.database.begin() as conn:
        inbox.finish(conn, event_id, outcome, reason=_as_code(reason), now=res.now())
    log.info("event.handled", outcome=outcome, **about)


def _as_code(reason: str | None) -> str | None:
    """Return *reason* if it is a code: Pluggy may have put any text into it."""
    return reason if reason is not None and _CODE.fullmatch(reason) else None


def _reschedule(res: Resources, waiting: WaitingEvent, error: str, wait: timedelta) -> None:
    now = res.now()
    with res.database.begin() as conn:
        if waiting.attempts + 1 >= backoff.MAX_ATTEMPTS:
            inbox.mark_dead(conn, waiting.event_id, error, now=now)
            log.error("event.dead", error=error, next="an operator can send it again")
            return
        inbox.reschedule(conn, waiting.event_id, error, until=now + wait)
    log.warning("event.rescheduled", error=error, attempts=waiting.attempts + 1, next_try_at=str(now + wait))


def _await_budget(res: Resources, waiting: WaitingEvent, error: PluggyLimitedError) -> None:
    """Reschedule the event. It was not tried, so it comes no closer to being given up."""
    until = res.now() + timedelta(seconds=error.retry_after_s)
    with res.database.begin() as conn:
        inbox.await_budget(conn, waiting.event_id, str(error), until=until)
    log.info("event.awaits_budget", error=str(error), next_try_at=str(until))


def _handle(res: Resources, waiting: WaitingEvent, progress: ItemProgress) -> _Handled | None:
    """Return what came of it, or None when the event was rescheduled, or is finished already."""
    event = events.of_stored(waiting.event_id, waiting.name, waiting.item_id, waiting.payload)
    if event.name == events.CONNECTOR_STATUS_UPDATED:
        return _handle_connector(res, event)
    if event.item_id is None:
        return _Handled("kept")
    if event.name in _NOTHING_TO_ASK:
        return _Handled("noted")
    return _handle_item(res, waiting, event, event.item_id, progress)


def _handle_item(
    res: Resources, waiting: WaitingEvent, event: events.Event, item_id: str, progress: ItemProgress
) -> _Handled | None:
    if event.name == events.FETCH_REQUESTED and requests.is_of_contradiction(event.payload.get("why")):
        return _fetch_again(res, waiting, item_id, progress)
    if _is_covered(waiting, event, progress):
        # A fetch after this event was stored has also asked whether there is anything to sync.
        return _Handled(COVERED)
    with _lane_of(event):
        decision = item_fetching.fetch_at(res, item_id, progress)
    outcome = "fetched" if event.name in _OF_TRANSACTIONS else decision.step.value
    return _Handled(outcome, decision.reason)


def _lane_of(event: events.Event) -> AbstractContextManager[None]:
    """Return the lane of a fetch: that of the task, unless it is one that reconciliation asked for."""
    of_reconciliation = event.name == events.FETCH_REQUESTED and event.payload.get("why") == inbox.SILENT
    return rate_budget.lane(rate_budget.Lane.RECONCILIATION) if of_reconciliation else nullcontext()


def _is_surely_covered(waiting: WaitingEvent, progress: ItemProgress) -> bool:
    """Return whether the event is covered as its name alone shows: most events of a burst are."""
    if waiting.item_id is None or waiting.name in (
        events.CONNECTOR_STATUS_UPDATED,
        events.FETCH_REQUESTED,
        *_NOTHING_TO_ASK,
    ):
        return False
    return waiting.item_seq is not None and progress.fetched_seq >= waiting.item_seq


def _is_covered(waiting: WaitingEvent, event: events.Event, progress: ItemProgress) -> bool:
    """Return whether the Item was fetched since the event was stored."""
    if waiting.item_seq is None or progress.fetched_seq < waiting.item_seq:
        return False
    # Our own request may wait for the end of an execution. The earlier fetch came before that end.
    return event.name != events.FETCH_REQUESTED or progress.status not in RUNNING


def _fetch_again(res: Resources, waiting: WaitingEvent, item_id: str, progress: ItemProgress) -> _Handled | None:
    """Fetch an Item because Pluggy's last answer contradicted an event; reschedule the request while it still does."""
    decision = item_fetching.fetch_again(res, item_id, progress)
    if decision is None:
        return _Handled("settled")
    if decision.contradiction is not None:
        _reschedule(res, waiting, f"Pluggy: {decision.contradiction}", backoff.wait(waiting.attempts + 1))
        return None
    return _Handled(decision.step.value, decision.reason)


def _handle_connector(res: Resources, event: events.Event) -> _Handled | None:
    """Save the connector's status and tell the product. If the bank is back, follow up its Items and persons."""
    if event.connector_id is None:
        return _Handled("kept")
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
