"""
Updating an Item because the product asks: directly if the founding rule allows it, otherwise through its person.

Nothing here runs by a timer.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa
import structlog

from pluggy_sync.engine import actions, executions, requests
from pluggy_sync.engine import items as item_fetching
from pluggy_sync.engine.errors import CannotActError, PersonNeededError
from pluggy_sync.pluggy import payloads
from pluggy_sync.pluggy.errors import PluggyLimitedError, PluggyRefusedError, PluggyUnavailableError
from pluggy_sync.pluggy.urgency import somebody_waits
from pluggy_sync.resources import Resources
from pluggy_sync.rules import needs, refusals
from pluggy_sync.rules.action_states import SUBMITTED
from pluggy_sync.rules.decision import of_view
from pluggy_sync.rules.refresh import Verdict, verdict_on
from pluggy_sync.store import connectors, item_progress, items, user_actions
from pluggy_sync.store.user_actions import Action

log = structlog.get_logger(__name__)

# One request to Pluggy counts for all that come meanwhile. Longer than we wait for Pluggy. Short, since a process that
# dies leaves it behind: then nothing runs though we say so.
CLAIM = timedelta(seconds=30)


class Result(StrEnum):
    """How a request to update came out."""

    STARTED = "started"
    RUNNING = "running"
    FRESH = "fresh"


@dataclass(frozen=True, kw_only=True)
class Refreshed:
    """`available_at`: when Pluggy updates the Item again, for FRESH; None when it did not say."""

    result: Result
    available_at: datetime | None = None


def refresh(res: Resources, item_id: str) -> Refreshed:
    """
    Update the Item if that needs nobody; return how it came out.

    Raises:
        PersonNeededError: a person must act first.
        CannotActError: the Item is unknown, deleted or replaced, its bank is offline, or Pluggy refuses for another
            reason.
        PluggyUnavailableError: Pluggy does not answer, or takes no more updates this minute.
    """
    with res.database.begin() as conn:
        row = items.get(conn, item_id)
        if row is None:
            raise CannotActError("item-not-found")
        if row.deleted_at is not None:
            raise CannotActError("item-deleted")
        if row.replaced_by is not None:
            raise CannotActError("item-replaced", more={"replacedBy": row.replaced_by})
        event_seq = item_progress.get(conn, item_id).last_event_seq
        asked = _asked(conn, item_id)
        offline = connectors.is_offline(conn, row.connector_id)
    if row.raw is None or (asked is not None and asked.state == SUBMITTED):
        # The Item was registered a moment ago and is being fetched, or an answer is on its way.
        return Refreshed(result=Result.RUNNING)
    item = payloads.item(row.raw)
    verdict = verdict_on(item, offline=offline)
    if verdict is Verdict.RUNNING:
        return Refreshed(result=Result.RUNNING)
    if verdict is Verdict.OFFLINE:
        raise CannotActError(refusals.BANK_OFFLINE)
    if asked is not None or verdict is Verdict.PERSON:
        raise PersonNeededError(asked if asked is not None else _ask_person(res, item))
    return _update_once(res, item, event_seq)


def _asked(conn: sa.Connection, item_id: str) -> Action | None:
    """Return the oldest unsettled action without which the Item cannot be updated."""
    unsettled = user_actions.unsettled(conn, item_id)
    return next((action for action in unsettled if action.reason not in needs.LASTING), None)


def _update_once(res: Resources, item: payloads.Item, event_seq: int) -> Refreshed:
    """Ask Pluggy, unless another request is asking already."""
    now = res.now()
    with res.database.begin() as conn:
        claimed = items.claim_refresh(conn, item.id, now=now, until=now + CLAIM)
    if not claimed:
        return Refreshed(result=Result.RUNNING)
    try:
        with somebody_waits():
            return _update(res, item, event_seq)
    finally:
        with res.database.begin() as conn:
            items.end_refresh(conn, item.id)


def _update(res: Resources, item: payloads.Item, event_seq: int) -> Refreshed:
    with structlog.contextvars.bound_contextvars(item_id=item.id):
        try:
            running = res.pluggy.update_item(item.id, None)
        except PluggyRefusedError as exc:
            return _refused(res, item, exc)
        except PluggyLimitedError:
            raise
        except PluggyUnavailableError:
            # Pluggy may have started the execution all the same.
            _fetch_soon(res, item.id, why="an update was not answered")
            raise
        _started(res, running, event_seq)
        log.info("item.refresh_started")
        return Refreshed(result=Result.STARTED)


def _started(res: Resources, item: payloads.Item, event_seq: int) -> None:
    now = res.now()
    with res.begin() as tx:
        runs = executions.follow(tx, item, why="an update was started", now=now)
    if runs:
        executions.save_start(res, item, event_seq=event_seq)


def _refused(res: Resources, item: payloads.Item, error: PluggyRefusedError) -> Refreshed:
    """Return what a refusal means, or raise it. Our view of the Item was wrong: request a fetch."""
    refusal = refusals.refusal_to_update(error.code, error.status)
    log.info("item.refresh_refused", code=refusal.code, pluggy_code=refusal.pluggy_code, status=error.status)
    retry_at = refusals.retry_at({"lastUpdatedAt": item.raw.get("lastUpdatedAt"), **error.data})
    if refusal.code == refusals.ALREADY_FRESH:
        return Refreshed(result=Result.FRESH, available_at=retry_at)
    _fetch_soon(res, item.id, why="an update was refused")
    if refusal.code == refusals.ALREADY_UPDATING:
        return Refreshed(result=Result.RUNNING)
    if refusal.code in (refusals.NEEDS_PERSON, refusals.WAIT):
        raise PersonNeededError(_fetch_and_ask(res, item)) from error
    raise CannotActError.of_refusal(refusal, retry_at=retry_at) from error


def _fetch_soon(res: Resources, item_id: str, *, why: str) -> None:
    with res.begin() as tx:
        requests.fetch(tx, item_id, why=why, now=res.now())


def _fetch_and_ask(res: Resources, item: payloads.Item) -> Action:
    """Return what a person must do for the Item as Pluggy shows it now."""
    item_fetching.fetch(res, item.id)
    with res.database.begin() as conn:
        asked = _asked(conn, item.id)
    return asked if asked is not None else _ask_person(res, item)


def _ask_person(res: Resources, item: payloads.Item) -> Action:
    """Return the action that the Item needs before it can be updated. Open it, unless it is open already."""
    # `refresh` has checked that the bank is not offline.
    decision = of_view(item, offline=False)
    need = decision.need if decision.need is not None else needs.code_to_update(item)
    with res.begin() as tx:
        row = items.lock(tx.conn, item.id, now=res.now())
        if row.deleted_at is not None:
            raise CannotActError("item-deleted")
        return actions.ask_for(tx, res, item, need, now=res.now())
