"""
User actions follow the Item: a decision opens the action it asks for and settles those that are over.

The caller holds the Item's write lock: one need is one action and one notification.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from pluggy_sync import tallies
from pluggy_sync.engine import requests
from pluggy_sync.notifications import messages
from pluggy_sync.pluggy import payloads
from pluggy_sync.pluggy.payloads import Item, Raw
from pluggy_sync.resources import Resources
from pluggy_sync.rules import needs, reminders
from pluggy_sync.rules.action_states import EXPIRED, OPEN, RESOLVED, SUBMITTED, SUPERSEDED, UNSETTLED
from pluggy_sync.rules.decision import MACHINE_RETRYABLE, Decision, Step
from pluggy_sync.rules.needs import Need
from pluggy_sync.rules.statuses import RUNNING, WAITING_USER_ACTION, WAITING_USER_INPUT
from pluggy_sync.store import items, user_actions
from pluggy_sync.store.user_actions import Action
from pluggy_sync.transaction import Transaction

log = structlog.get_logger(__name__)

# After a deadline Pluggy ends the execution and tells so within seconds. Then the Item shows what became of it.
FETCH_AFTER = timedelta(seconds=30)


def apply(
    tx: Transaction, res: Resources, item: Item, decision: Decision, *, before: Raw | None, now: datetime
) -> None:
    """
    Bring the Item's actions in line with *decision*, and tell the product what changed.

    *before*: the Item as it was stored before, None if it was not.
    """
    unsettled = user_actions.unsettled(tx.conn, item.id)
    if decision.step is Step.SYNC:
        for action in unsettled:
            if _is_over(action, item):
                _resolve(tx, res, action, decision.reason or item.status, now=now)
        if decision.need is not None:
            was_pending = before is not None and payloads.resources_pending(before) is True
            _ask_besides(tx, res, item, decision.need, unsettled, was_pending=was_pending, now=now)
    elif decision.step is Step.ASK and decision.need is not None:
        _ask(tx, res, item, decision.need, unsettled, now=now)
    elif decision.step is Step.WAIT and item.execution_status in MACHINE_RETRYABLE:
        # The person did what was asked. Pluggy or the bank has to mend what failed after that.
        for action in unsettled:
            if action.state == SUBMITTED and _is_outcome(action, item):
                _resolve(tx, res, action, str(item.execution_status), now=now)


def _is_over(action: Action, item: Item) -> bool:
    """Return whether *action* is done, given that the Item is well. Some actions are opened while it is well."""
    if action.reason == needs.CONSENT_EXPIRING:
        return item.consent_expires_at != action.expires_at
    if action.reason == needs.UPDATE_NEEDS_PERSON:
        return item.last_updated_at != action.asked_at_update
    if action.reason == needs.RESOURCES_PENDING:
        return item.has_resources_pending is not True
    return True


def _resolve(tx: Transaction, res: Resources, action: Action, outcome: str, *, now: datetime) -> None:
    user_actions.settle(tx.conn, action.id, RESOLVED, outcome, now=now)
    time_to_settle(res, action, RESOLVED, now=now)
    messages.action_settled(tx, action, messages.ACTION_RESOLVED, outcome, now=now)


def time_to_settle(res: Resources, action: Action, state: str, *, now: datetime) -> None:
    """Note how long the action was open."""
    res.tallies.time(tallies.SETTLED_AFTER, (now - action.created_at).total_seconds(), action.kind, state)


def _ask(
    tx: Transaction,
    res: Resources,
    item: Item,
    need: Need,
    unsettled: Sequence[Action],
    *,
    now: datetime,
) -> None:
    same = next((action for action in unsettled if _same(action, need, item)), None)
    for action in unsettled:
        if (same is None or action.id != same.id) and _replaces(need, action):
            # No notification: the new request says all that matters.
            user_actions.settle(tx.conn, action.id, SUPERSEDED, need.reason, now=now)
            time_to_settle(res, action, SUPERSEDED, now=now)
    if same is not None:
        user_actions.refresh(tx.conn, same.id, need, retry_at=_not_before(res, need))
        return
    if need.expires_at is not None and need.expires_at <= res.pluggy_now():
        # It is too late to answer. The event of the execution's end will say what is needed instead.
        return
    cancelled_at = user_actions.cancelled_at(tx.conn, item.id, need.dedup_key)
    if cancelled_at is not None and (item.updated_at is None or item.updated_at <= cancelled_at):
        # The Item has not changed since the person or the product cancelled the same need.
        return
    _open(tx, res, item, need, now=now)


def _ask_besides(
    tx: Transaction,
    res: Resources,
    item: Item,
    need: Need,
    unsettled: Sequence[Action],
    *,
    was_pending: bool,
    now: datetime,
) -> None:
    """Ask for what is missing though the Item is well; nothing else is settled by it. *was_pending*: it was before."""
    if any(action.dedup_key == need.dedup_key for action in unsettled):
        return
    if was_pending and user_actions.cancelled_at(tx.conn, item.id, need.dedup_key) is not None:
        # Turned down, and nothing has changed about it since. Every update of the Item would ask anew.
        return
    _open(tx, res, item, need, now=now)


def _open(tx: Transaction, res: Resources, item: Item, need: Need, *, now: datetime) -> Action:
    remind_at = reminders.reminder_at(now, res.settings.remind_after_hours, need.expires_at, after=now)
    action = user_actions.open_new(
        tx.conn,
        item.id,
        need,
        retry_at=_not_before(res, need),
        asked_at_update=item.last_updated_at,
        remind_at=remind_at,
        now=now,
    )
    messages.action_required(tx, action, res.links, res.texts, now=now)
    return action


def ask_for(tx: Transaction, res: Resources, item: Item, need: Need, *, now: datetime) -> Action:
    """
    Return the unsettled action for *need*. Open it, and tell the product, unless it is open already.

    For a need that the product asks about. It settles no other action.
    """
    for action in user_actions.unsettled(tx.conn, item.id):
        if action.dedup_key == need.dedup_key:
            return action
    return _open(tx, res, item, need, now=now)


def opened(conn: Connection, item: Item, need: Need, *, now: datetime) -> Action:
    """Return the unsettled action for *need*; open it if there is none. The caller tells the product."""
    for action in user_actions.unsettled(conn, item.id):
        if action.dedup_key == need.dedup_key:
            return action
    return user_actions.open_new(conn, item.id, need, asked_at_update=item.last_updated_at, now=now)


def _not_before(res: Resources, need: Need) -> datetime | None:
    """Return until when the person has to wait; None: not at all. It is never longer from now than Pluggy documents."""
    return None if need.retry_at is None else min(need.retry_at, res.pluggy_now() + needs.LOGIN_BACKOFF)


def _replaces(need: Need, action: Action) -> bool:
    """Return whether asking for *need* ends *action*. What lasts stays true whatever else is asked."""
    return action.reason not in needs.LASTING or need.kind is needs.Kind.CONSENT


def _same(action: Action, need: Need, item: Item) -> bool:
    """
    Return whether *need* is what *action* asked for already.

    While an answer is on its way to Pluggy, the question that it answers is the same. The question is new if the Item
    changed after Pluggy accepted the answer: the bank asks again, or the answer did not help.
    """
    if action.dedup_key != need.dedup_key:
        return False
    if action.state == OPEN:
        return True
    if need.reason == WAITING_USER_INPUT:
        return not _is_after(action, item)
    # A rotating code or a pending approval changes the Item, though nothing is asked anew.
    return need.reason == WAITING_USER_ACTION or not _is_outcome(action, item)


def _is_outcome(action: Action, item: Item) -> bool:
    """Return whether the stopped Item shows the outcome of the submission, and not the state before it."""
    if action.accepted_at is None:
        # Pluggy has not answered yet.
        return False
    return item.updated_at is None or item.updated_at >= action.accepted_at


def _is_after(action: Action, item: Item) -> bool:
    """Return whether the Item changed after Pluggy accepted the submission, whose answer may show the old state."""
    return action.accepted_at is not None and item.updated_at is not None and item.updated_at > action.accepted_at


def expire(res: Resources, item_id: str, action_id: str) -> None:
    """
    Close an action whose deadline has passed, and tell the product.

    Pluggy tells by an event how the Item does now. In case that is lost, the Item is fetched a little later.
    """
    now = res.now()
    with res.begin() as tx:
        items.lock(tx.conn, item_id, now=now)
        action = user_actions.get(tx.conn, action_id)
        if action is None or action.state not in UNSETTLED:
            return
        if action.expires_at is None or action.expires_at > res.pluggy_now():
            return
        user_actions.settle(tx.conn, action_id, EXPIRED, "deadline_passed", now=now)
        time_to_settle(res, action, EXPIRED, now=now)
        messages.action_settled(tx, action, messages.ACTION_EXPIRED, "deadline_passed", now=now)
        requests.fetch_once(tx, item_id, why=requests.DEADLINE_PASSED, now=now, due_at=now + FETCH_AFTER)
    log.info("action.expired", item_id=item_id, action_id=action_id)


def reopen_stuck(res: Resources, item_id: str, action_id: str) -> None:
    """Open an action again if nothing came of its submission: the process died, or the person left the widget."""
    now = res.now()
    with res.begin() as tx:
        row = items.lock(tx.conn, item_id, now=now)
        action = user_actions.get(tx.conn, action_id)
        if action is None or action.state != SUBMITTED or row.status in RUNNING:
            return
        user_actions.reopen(tx.conn, action_id, retry_at=None)
        requests.fetch(tx, item_id, why="a submission came to nothing", now=now)
    log.warning("action.reopened", item_id=item_id, action_id=action_id)
