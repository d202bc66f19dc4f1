"""
Updating an Item because the product asks: directly if the founding rule allows it, else by way of its person.

Nothing here runs by timer.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
import structlog

from pluggy_sync import events, wire
from pluggy_sync.engine import actions, requests
from pluggy_sync.engine import items as item_fetching
from pluggy_sync.engine.submissions import CannotActError
from pluggy_sync.pluggy import payloads, rate_budget
from pluggy_sync.pluggy.errors import PluggyRefusedError
from pluggy_sync.resources import Resources
from pluggy_sync.rules import needs, refusals
from pluggy_sync.rules.decision import RUNNING, of_view
from pluggy_sync.rules.refresh import Verdict, need_to_update, verdict_on
from pluggy_sync.store import connectors, item_progress, items, user_actions

log = structlog.get_logger(__name__)

Action = sa.Row[Any]


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


class PersonNeededError(Exception):
    """A person must act first; `action` says what to do."""

    def __init__(self, action: Action) -> None:
        super().__init__(action.id)
        self.action = action


def refresh(res: Resources, item_id: str) -> Refreshed:
    """
    Update the Item if that needs nobody; return how it came out.

    Raises:
        PersonNeededError: a person must act first.
        CannotActError: the Item is unknown, deleted, or Pluggy refuses; `bank-offline` and so on.
        PluggyUnavailableError: Pluggy does not answer, or takes no more updates this minute.
    """
    with res.database.begin() as conn:
        row = items.get(conn, item_id)
        if row is None:
            raise CannotActError("item-not-found", "No such Item is known here.")
        if row.deleted_at is not None:
            raise CannotActError("item-deleted", "The Item was deleted and its data purged.")
        event_seq = item_progress.get(conn, item_id).last_event_seq
        asked = _asked(conn, item_id)
        offline = row.connector_id is not None and connectors.status(conn, row.connector_id) == "OFFLINE"
    if row.raw is None or (asked is not None and asked.state == "submitted"):
        # It was registered a moment ago and is being fetched, or an answer is under way.
        return Refreshed(result=Result.RUNNING)
    item = payloads.item(row.raw)
    verdict = verdict_on(item, offline=offline)
    if verdict is Verdict.RUNNING:
        return Refreshed(result=Result.RUNNING)
    if verdict is Verdict.OFFLINE:
        raise _offline()
    if asked is not None or verdict is Verdict.PERSON:
        raise PersonNeededError(asked if asked is not None else _ask_person(res, item))
    return _update(res, item, event_seq)


def _asked(conn: sa.Connection, item_id: str) -> Action | None:
    """Return the oldest unsettled action without which the Item cannot be updated."""
    unsettled = user_actions.unsettled(conn, item_id)
    return next((action for action in unsettled if action.reason != needs.CONSENT_EXPIRING), None)


def _offline() -> CannotActError:
    refusal = refusals.refusal_of("CONNECTOR_OFFLINE", 400)
    return CannotActError(refusal.code, refusal.detail)


def _update(res: Resources, item: payloads.Item, event_seq: int) -> Refreshed:
    with structlog.contextvars.bound_contextvars(item_id=item.id):
        try:
            with rate_budget.lane(rate_budget.Lane.PERSON):
                running = res.pluggy.update_item(item.id, None)
        except PluggyRefusedError as exc:
            return _refused(res, item, exc)
        _keep(res, running, event_seq)
        log.info("item.refresh_started")
        return Refreshed(result=Result.STARTED)


def _keep(res: Resources, item: payloads.Item, event_seq: int) -> None:
    """Write down that the Item runs, and fetch it later in case no event tells of the execution's end."""
    now = res.now()
    runs = item.status in RUNNING
    with res.begin() as tx:
        due_at = now + item_fetching.FETCH_AFTER if runs else now
        requests.fetch(tx, item.id, why="an update was started", now=now, due_at=due_at)
    if not runs:
        return
    decision = of_view(item)
    item_fetching.save(res, item, decision, event_seq=event_seq)


def _refused(res: Resources, item: payloads.Item, error: PluggyRefusedError) -> Refreshed:
    """Return what a refusal means, or raise it. What we know of the Item was not right, so the Item is fetched."""
    refusal = refusals.refusal_of(error.code, error.status)
    log.info("item.refresh_refused", code=refusal.code)
    if refusal.code == refusals.ALREADY_FRESH:
        return Refreshed(result=Result.FRESH, available_at=_available_at(item, error))
    _fetch_soon(res, item.id)
    if refusal.code == refusals.ALREADY_UPDATING:
        return Refreshed(result=Result.RUNNING)
    if refusal.code in (refusals.NEEDS_PERSON, refusals.WAIT):
        raise PersonNeededError(_fetch_and_ask(res, item)) from error
    raise CannotActError(refusal.code, refusal.detail) from error


def _available_at(item: payloads.Item, error: PluggyRefusedError) -> datetime | None:
    hours = error.data.get("minUpdateFrequencyAllowedInHours")
    told = error.data.get("lastUpdatedAt")
    try:
        since = wire.instant(told) or item.last_updated_at
        return None if since is None or hours is None else since + timedelta(hours=float(str(hours)))
    except (ValueError, TypeError):
        return None


def _fetch_soon(res: Resources, item_id: str) -> None:
    with res.begin() as tx:
        requests.fetch(tx, item_id, why="an update was refused", now=res.now())


def _fetch_and_ask(res: Resources, item: payloads.Item) -> Action:
    """Return what a person must do for the Item as Pluggy shows it now."""
    item_fetching.fetch(res, item.id, events.FETCH_REQUESTED, asked=0)
    with res.database.begin() as conn:
        asked = _asked(conn, item.id)
    return asked if asked is not None else _ask_person(res, item)


def _ask_person(res: Resources, item: payloads.Item) -> Action:
    """Return the action for what keeps the Item from being updated, opened unless it is."""
    decision = of_view(item)
    need = decision.need if decision.need is not None else need_to_update(item)
    with res.begin() as tx:
        row = items.lock(tx.conn, item.id, now=res.now())
        if row.deleted_at is not None:
            raise CannotActError("item-deleted", "The Item was deleted and its data purged.")
        return actions.ask_for(tx, res, item, need, now=res.now())
