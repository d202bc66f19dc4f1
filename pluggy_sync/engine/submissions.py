"""
Settling a user action: what a person or the product gives goes to Pluggy, and nowhere else.

Claim the action (open to submitted), ask Pluggy with no transaction open, then either take the claim back and say
why, or write down the Item that Pluggy answered with. What the run then comes to is told by its event.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog

from pluggy_sync import wire
from pluggy_sync.encryption import TooLongError
from pluggy_sync.engine import items as item_fetching
from pluggy_sync.engine import requests
from pluggy_sync.pluggy import payloads, rate_budget
from pluggy_sync.pluggy.errors import PluggyRefusedError, PluggyUnavailableError
from pluggy_sync.resources import Resources
from pluggy_sync.rules import refusals
from pluggy_sync.rules.decision import RUNNING, of_view
from pluggy_sync.rules.needs import LOGIN_BACKOFF, Kind
from pluggy_sync.store import item_progress, items, user_actions

log = structlog.get_logger(__name__)

MAX_VALUE_LENGTH = 1000
# Expressions come from Pluggy; a long value could keep a careless one busy.
MAX_CHECKED_LENGTH = 100

Action = sa.Row[Any]
Parameters = Mapping[str, str]


class CannotActError(Exception):
    """It cannot be done. `code` is a stable word, `detail` says why and quotes nothing that was given."""

    def __init__(self, code: str, detail: str, *, more: Mapping[str, Any] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.more = dict(more or {})


def answer_mfa(res: Resources, action_id: str, value: str) -> Action:
    """
    Give the value that an action of kind `mfa` asks for; return the action, submitted.

    Raises:
        CannotActError: the action is not open, asks for something else, or Pluggy refused; it is open again then.
        PluggyUnavailableError: it did not reach Pluggy as far as is known; the action is open again.
    """
    action, event_seq = _claim(res, action_id, lambda action: _check_value(action, value))
    return _submit(res, action, event_seq, "mfa", lambda: _give_value(res, action, value))


def give_credentials(res: Resources, action_id: str, parameters: Parameters | str) -> Action:
    """
    Give new credentials (an object, or the encrypted text) for an action; return the action, submitted.

    Raises:
        CannotActError, PluggyUnavailableError: as `answer_mfa`.
    """
    action, event_seq = _claim(res, action_id, _check_takes_credentials)
    return _submit(res, action, event_seq, "credentials", lambda: res.pluggy.update_item(action.item_id, parameters))


def restart(res: Resources, action_id: str) -> Action:
    """
    Start the update again, because the person says to be ready; return the action, submitted.

    For what is settled at the bank, and for a bank that asks for its code only during the run.

    Raises:
        CannotActError, PluggyUnavailableError: as `answer_mfa`.
    """
    action, event_seq = _claim(res, action_id, _check_can_restart)
    return _submit(res, action, event_seq, "update", lambda: res.pluggy.update_item(action.item_id, None))


def told_by_widget(res: Resources, action_id: str) -> Action:
    """
    Take the word of the widget that the person has acted in it; return the action, submitted.

    The Item is looked at, now and later: the widget's word is only a hint (Pluggy facts 4.4).

    Raises:
        CannotActError: the action is not open.
    """
    now = res.now()
    with res.begin() as tx:
        conn = tx.conn
        action = _locked(conn, action_id, now)
        _check_open(action, now)
        submitted = user_actions.submit(conn, action_id, now=now)
        if submitted is None:
            raise CannotActError("action-submitted", "An answer is under way.")
        seen_at = items.lock(conn, action.item_id, now=now).updated_at
        if seen_at is not None:
            # Whatever the Item shows later than what is stored now came of what the person did.
            user_actions.mark_accepted(conn, action_id, seen_at + timedelta(milliseconds=1))
        attempt_id = user_actions.begin_submission(conn, action_id, "widget", now=now)
        user_actions.end_submission(conn, attempt_id, "accepted")
        requests.fetch(tx, action.item_id, why="the person acted in the widget", now=now)
        requests.fetch(
            tx, action.item_id, why="the person acted in the widget", now=now, due_at=now + item_fetching.FETCH_AFTER
        )
    log.info("action.submitted", action_id=action_id, item_id=action.item_id, what="widget")
    return submitted


def cancel(res: Resources, action_id: str) -> Action:
    """
    Give the action up: the person will not act. It is not asked again until the Item has changed. Return it.

    Raises:
        CannotActError: it is settled already, or an answer is under way.
    """
    now = res.now()
    with res.database.begin() as conn:
        action = _locked(conn, action_id, now)
        if action.state != "open":
            raise CannotActError("action-settled", f"The action is {action.state}.")
        seen = items.lock(conn, action.item_id, now=now).updated_at
        user_actions.settle(conn, action_id, "superseded", user_actions.CANCELLED, seen_at=seen, now=now)
        cancelled = user_actions.get(conn, action_id)
    if cancelled is None:
        raise CannotActError("action-not-found", "No such action.")
    log.info("action.cancelled", action_id=action_id, item_id=action.item_id)
    return cancelled


def _claim(res: Resources, action_id: str, check: Callable[[Action], None]) -> tuple[Action, int]:
    """Mark the action as submitted; return it, and the Item's `event_seq` as of then."""
    now = res.now()
    with res.database.begin() as conn:
        action = _locked(conn, action_id, now)
        _check_open(action, now)
        check(action)
        submitted = user_actions.submit(conn, action_id, now=now)
        if submitted is None:
            raise CannotActError("action-submitted", "An answer is under way.")
        return submitted, item_progress.get(conn, action.item_id).last_event_seq


def _locked(conn: sa.Connection, action_id: str, now: datetime) -> Action:
    """Return the action, with its Item's write lock held."""
    found = user_actions.get(conn, action_id)
    if found is not None:
        items.lock(conn, found.item_id, now=now)
        # Again, as of the lock.
        found = user_actions.get(conn, action_id)
    if found is None:
        raise CannotActError("action-not-found", "No such action.")
    return found


def _check_open(action: Action, now: datetime) -> None:
    if action.state == "submitted":
        raise CannotActError("action-submitted", "An answer is under way. Wait for its outcome.")
    overdue = action.state == "open" and action.expires_at is not None and action.expires_at <= now
    if action.state == "expired" or overdue:
        raise CannotActError("action-expired", "The time to answer is over.")
    if action.state != "open":
        raise CannotActError("action-settled", f"The action is {action.state}.")
    if action.retry_at is not None and action.retry_at > now:
        raise _wait(action.retry_at)


def _wait(until: datetime) -> CannotActError:
    refusal = refusals.refusal_of("TOO_MANY_CONSECUTIVE_LOGIN_FAILURES", 400)
    return CannotActError(refusal.code, refusal.detail, more={"retryAt": wire.to_text(until)})


def _check_value(action: Action, value: str) -> None:
    if action.kind != Kind.MFA:
        raise CannotActError("wrong-kind", f"An action of kind {action.kind} is not settled with a code.")
    parameter = action.parameter
    if parameter is None:
        raise CannotActError("nothing-asked", "The bank does not wait for an answer now. Start the update again.")
    if not value.strip() or len(value) > MAX_VALUE_LENGTH:
        raise CannotActError("invalid-value", "The value is empty or too long.")
    choices = [str(option.get("value")) for option in parameter.get("options") or []]
    if choices and value not in choices:
        raise CannotActError("invalid-value", "The value is none of the options.")
    if not _matches(parameter.get("validation"), value):
        raise CannotActError("invalid-value", parameter.get("validationMessage") or "The value has a wrong form.")


def _matches(expression: object, value: str) -> bool:
    """Return whether *value* fits what the bank's form asks for; what cannot be checked here is left to the bank."""
    if not isinstance(expression, str) or len(value) > MAX_CHECKED_LENGTH:
        return True
    try:
        return re.search(expression, value) is not None
    except re.error:
        return True


def _check_takes_credentials(action: Action) -> None:
    waits = action.reason in ("WAITING_USER_INPUT", "WAITING_USER_ACTION", "USER_AUTHORIZATION_PENDING")
    if waits or action.kind not in (Kind.CREDENTIALS, Kind.CONSENT, Kind.BANK):
        raise CannotActError("wrong-kind", f"This action ({action.reason}) is not settled with credentials.")


def _check_can_restart(action: Action) -> None:
    waits = action.reason in ("WAITING_USER_INPUT", "WAITING_USER_ACTION")
    if waits or action.kind == Kind.CREDENTIALS or (action.kind == Kind.MFA and action.parameter is not None):
        raise CannotActError("wrong-kind", f"This action ({action.reason}) needs an answer, not a new start.")


def _give_value(res: Resources, action: Action, value: str) -> payloads.Item:
    name = str(action.parameter["name"])
    if action.reason == "WAITING_USER_INPUT":
        return res.pluggy.answer_mfa(action.item_id, name, value)
    # The connector wants the code together with the credentials, which Pluggy has: a new run, with the code.
    return res.pluggy.update_item(action.item_id, {name: value})


def _submit(
    res: Resources, action: Action, event_seq: int, what: str, ask_pluggy: Callable[[], payloads.Item]
) -> Action:
    with structlog.contextvars.bound_contextvars(item_id=action.item_id, action_id=action.id):
        with res.database.begin() as conn:
            attempt_id = user_actions.begin_submission(conn, action.id, what, now=res.now())
        try:
            with rate_budget.lane(rate_budget.Lane.PERSON):
                item = ask_pluggy()
        except PluggyRefusedError as exc:
            refusal = refusals.refusal_of(exc.code, exc.status)
            if refusal.code == refusals.ALREADY_PROVIDED:
                _fetch_later(res, action, attempt_id)
                return action
            _take_back(res, action, attempt_id, refusal.code, retry_at=_retry_at(res, exc, refusal))
            raise _cannot(exc, refusal, retry_at=_retry_at(res, exc, refusal)) from exc
        except PluggyUnavailableError:
            _take_back(res, action, attempt_id, "unavailable", retry_at=None)
            raise
        except TooLongError as exc:
            _take_back(res, action, attempt_id, "invalid-parameters", retry_at=None)
            raise CannotActError("invalid-parameters", "The values are too long to be encrypted.") from exc
        _keep(res, action, attempt_id, item, event_seq)
        log.info("action.submitted", what=what, attempt=action.attempts)
        return action


def _retry_at(res: Resources, error: PluggyRefusedError, refusal: refusals.Refusal) -> datetime | None:
    """Return until when a person must wait; at most the documented time, since Pluggy's clock may differ from ours."""
    if refusal.code != refusals.WAIT:
        return None
    latest = res.now() + LOGIN_BACKOFF
    try:
        told = wire.instant(error.data.get("canRetryAfterDate"))
    except (ValueError, TypeError):
        told = None
    return min(told, latest) if told is not None else latest


def _cannot(error: PluggyRefusedError, refusal: refusals.Refusal, *, retry_at: datetime | None) -> CannotActError:
    if retry_at is not None:
        return _wait(retry_at)
    faults = error.data.get("details")
    more = {"errors": faults} if isinstance(faults, list) else None
    return CannotActError(refusal.code, refusal.detail, more=more)


def _take_back(res: Resources, action: Action, attempt_id: int, outcome: str, *, retry_at: datetime | None) -> None:
    """Open the action again, and look at the Item: it may have come to differ from what we know."""
    now = res.now()
    with res.begin() as tx:
        conn = tx.conn
        items.lock(conn, action.item_id, now=now)
        user_actions.reopen(conn, action.id, retry_at=retry_at)
        user_actions.end_submission(conn, attempt_id, outcome)
        requests.fetch(tx, action.item_id, why="an answer was not taken", now=now)
    log.warning("action.not_taken", outcome=outcome)


def _fetch_later(res: Resources, action: Action, attempt_id: int) -> None:
    with res.begin() as tx:
        user_actions.end_submission(tx.conn, attempt_id, refusals.ALREADY_PROVIDED)
        requests.fetch(tx, action.item_id, why="an answer was given before", now=res.now())


def _keep(res: Resources, action: Action, attempt_id: int, item: payloads.Item, event_seq: int) -> None:
    """
    Write down that Pluggy took it and that the Item runs.

    The run may have ended before we got here, and its view may have been saved while it could not be told from the
    one before the submission: then the Item is looked at again, now that it can.
    """
    now = res.now()
    with res.begin() as tx:
        conn = tx.conn
        row = items.lock(conn, action.item_id, now=now)
        user_actions.mark_accepted(conn, action.id, item.updated_at or now)
        user_actions.end_submission(conn, attempt_id, "accepted")
        overtaken = row.updated_at is not None and item.updated_at is not None and row.updated_at > item.updated_at
        fetch_now = overtaken or item.status not in RUNNING
        requests.fetch(
            tx,
            action.item_id,
            why="an answer was taken",
            now=now,
            due_at=now if fetch_now else now + item_fetching.FETCH_AFTER,
        )
    if fetch_now:
        return
    decision = of_view(item)
    item_fetching.save(res, item, decision, event_seq=event_seq)
