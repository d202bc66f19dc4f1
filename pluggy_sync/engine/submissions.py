"""
Settling a user action: what a person or the product gives goes to Pluggy, and nowhere else.

Claim the action (open to submitted) and ask Pluggy, with no transaction open. If Pluggy accepts, save the Item that it
answers with; if not, take the claim back and say why. An event will tell how the execution ends.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog

from pluggy_sync.encryption import TooLongError
from pluggy_sync.engine import actions, executions, requests
from pluggy_sync.engine.errors import CannotActError
from pluggy_sync.pluggy import payloads
from pluggy_sync.pluggy.client import WRONG_FORM
from pluggy_sync.pluggy.errors import PluggyRefusedError, PluggyUnavailableError
from pluggy_sync.pluggy.payloads import Raw
from pluggy_sync.pluggy.urgency import somebody_waits
from pluggy_sync.resources import Resources
from pluggy_sync.rules import answers, refusals
from pluggy_sync.rules.action_states import EXPIRED, OPEN, SUBMITTED, SUPERSEDED
from pluggy_sync.rules.answers import Fault, Parameters
from pluggy_sync.rules.needs import LOGIN_BACKOFF, Kind
from pluggy_sync.rules.statuses import WAITING, WAITING_USER_INPUT
from pluggy_sync.store import item_progress, items, user_actions
from pluggy_sync.store.user_actions import Action

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Claim:
    """An action marked as submitted, the row of this attempt, and the Item's `last_event_seq` at that moment."""

    action: Action
    submission_id: int
    event_seq: int


def answer_mfa(res: Resources, action_id: str, value: str) -> Action:
    """
    Give the value that an action of kind `mfa` asks for; return the action, submitted.

    Raises:
        CannotActError: the action is not open, asks for something else, or Pluggy refused; it is open again then.
        PluggyUnavailableError: it did not reach Pluggy as far as is known; the action is open again.
    """
    claim = _claim(res, action_id, "mfa", lambda action: _check_value(action, value))
    return _submit(res, claim, lambda: _give_value(res, claim.action, value))


def give_credentials(res: Resources, action_id: str, parameters: Parameters | str) -> Action:
    """
    Give new credentials (an object, or the encrypted text) for an action; return the action, submitted.

    Raises:
        CannotActError, PluggyUnavailableError: as `answer_mfa`.
    """
    texts = [parameters] if isinstance(parameters, str) else [*parameters.keys(), *parameters.values()]
    if not all(answers.can_be_sent(text) for text in texts if isinstance(text, str)):
        raise CannotActError("invalid-parameters", "A value holds characters that cannot be sent.")
    form = _form_of(res, action_id)

    def check(action: Action) -> None:
        _check_takes_credentials(action)
        if not isinstance(parameters, str):
            _check_fits(parameters, form)

    claim = _claim(res, action_id, "credentials", check)
    return _submit(res, claim, lambda: res.pluggy.update_item(claim.action.item_id, parameters))


def restart(res: Resources, action_id: str) -> Action:
    """
    Start the update again because the person says that they are ready; return the action, submitted.

    For what the person does at the bank, and for a bank that asks for its code only during the execution.

    Raises:
        CannotActError, PluggyUnavailableError: as `answer_mfa`.
    """
    claim = _claim(res, action_id, "update", _check_can_restart)
    return _submit(res, claim, lambda: res.pluggy.update_item(claim.action.item_id, None))


def told_by_widget(res: Resources, action_id: str) -> Action:
    """
    Believe the widget that the person has acted in it; return the action, submitted.

    The Item is fetched now and once more later, because the widget's word is only a hint (Pluggy facts 4.4).

    Raises:
        CannotActError: the action is not open.
    """
    now = res.now()
    with res.begin() as tx:
        conn = tx.conn
        action = _locked(conn, action_id, now)
        _check_open(res, action)
        submitted = user_actions.submit(conn, action_id, now=now)
        if submitted is None:
            raise CannotActError("action-submitted")
        seen_at = items.lock(conn, action.item_id, now=now).updated_at
        if seen_at is not None:
            # A view that is newer than the stored one shows the outcome of what the person did.
            user_actions.mark_accepted(conn, action_id, seen_at + timedelta(milliseconds=1))
        submission_id = user_actions.begin_submission(conn, action_id, "widget", now=now)
        user_actions.end_submission(conn, submission_id, "accepted")
        requests.fetch(tx, action.item_id, why="the person acted in the widget", now=now)
        requests.fetch(
            tx, action.item_id, why="the person acted in the widget", now=now, due_at=now + executions.FETCH_AFTER
        )
    log.info("action.submitted", action_id=action_id, item_id=action.item_id, what="widget")
    return submitted


def cancel(res: Resources, action_id: str) -> Action:
    """
    Cancel the action, because the person will not act; return it. Nobody is asked again until the Item has changed.

    Raises:
        CannotActError: it is settled already, or an answer is under way.
    """
    now = res.now()
    with res.database.begin() as conn:
        action = _locked(conn, action_id, now)
        if action.state != OPEN:
            raise CannotActError("action-settled", f"The action is {action.state}.")
        seen = items.lock(conn, action.item_id, now=now).updated_at
        user_actions.settle(conn, action_id, SUPERSEDED, user_actions.CANCELLED, seen_at=seen, now=now)
        actions.time_to_settle(res, action, SUPERSEDED, now=now)
        cancelled = user_actions.get(conn, action_id)
    if cancelled is None:
        raise CannotActError("action-not-found")
    log.info("action.cancelled", action_id=action_id, item_id=action.item_id)
    return cancelled


def _claim(res: Resources, action_id: str, what: str, check: Callable[[Action], None]) -> _Claim:
    """Mark the action as submitted, unless *check* raises."""
    now = res.now()
    with res.database.begin() as conn:
        action = _locked(conn, action_id, now)
        _check_open(res, action)
        check(action)
        submitted = user_actions.submit(conn, action_id, now=now)
        if submitted is None:
            raise CannotActError("action-submitted")
        return _Claim(
            action=submitted,
            submission_id=user_actions.begin_submission(conn, action_id, what, now=now),
            event_seq=item_progress.get(conn, action.item_id).last_event_seq,
        )


def _locked(conn: sa.Connection, action_id: str, now: datetime) -> Action:
    """Return the action, with its Item's write lock held."""
    found = user_actions.get(conn, action_id)
    if found is not None:
        items.lock(conn, found.item_id, now=now)
        # Again, as of the lock.
        found = user_actions.get(conn, action_id)
    if found is None:
        raise CannotActError("action-not-found")
    return found


def _check_open(res: Resources, action: Action) -> None:
    now = res.pluggy_now()
    if action.state == SUBMITTED:
        raise CannotActError("action-submitted")
    overdue = action.state == OPEN and action.expires_at is not None and action.expires_at <= now
    if action.state == EXPIRED or overdue:
        raise CannotActError("action-expired")
    if action.state != OPEN:
        raise CannotActError("action-settled", f"The action is {action.state}.")
    if action.retry_at is not None and action.retry_at > now:
        raise CannotActError.of_refusal(refusals.refusal(refusals.WAIT), retry_at=action.retry_at)


def _check_value(action: Action, value: str) -> None:
    if action.kind != Kind.MFA:
        raise CannotActError("wrong-kind", f"An action of kind {action.kind} is not settled with a code.")
    if action.parameter is None or answers.name_of(action.parameter) is None:
        raise CannotActError("nothing-asked")
    fault = answers.fault_in(value, action.parameter)
    if fault is Fault.NO_MATCH:
        message = action.parameter.get("validationMessage")
        raise CannotActError("invalid-value", message if isinstance(message, str) and message else None)
    if fault is not None:
        raise CannotActError("invalid-value", fault.value)


def _waits_within_execution(action: Action) -> bool:
    return action.reason in WAITING


def _check_takes_credentials(action: Action) -> None:
    waits = _waits_within_execution(action) or action.reason == "USER_AUTHORIZATION_PENDING"
    if waits or action.kind not in (Kind.CREDENTIALS, Kind.CONSENT, Kind.BANK):
        raise CannotActError("wrong-kind", f"This action ({action.reason}) is not settled with credentials.")


def _check_fits(parameters: Parameters, form: Sequence[Raw]) -> None:
    faults = answers.faults_in_form(parameters, form)
    if faults:
        errors = [_named(name, message) for name, message in faults.items()]
        raise CannotActError("invalid-parameters", more={"errors": errors})


def _form_of(res: Resources, action_id: str) -> Sequence[Raw]:
    """Return the fields of the bank's form, as the action's Item was last seen; empty: it shows none."""
    with res.database.begin() as conn:
        action = user_actions.get(conn, action_id)
        item = None if action is None else items.get(conn, action.item_id)
    return [] if item is None or item.raw is None else payloads.item(item.raw).connector.credentials


def _named(name: str, message: str) -> dict[str, str]:
    """Return a fault as every problem names it."""
    return {"where": "json", "field": f"parameters.{name}" if name else "parameters", "message": message}


def _check_can_restart(action: Action) -> None:
    asks = action.kind == Kind.CREDENTIALS or (action.kind == Kind.MFA and action.parameter is not None)
    if _waits_within_execution(action) or asks:
        raise CannotActError("wrong-kind", f"This action ({action.reason}) needs an answer, not a new start.")


def _give_value(res: Resources, action: Action, value: str) -> payloads.Item:
    name = answers.name_of(action.parameter or {})
    if name is None:
        raise CannotActError("nothing-asked")
    if action.reason == WAITING_USER_INPUT:
        return res.pluggy.answer_mfa(action.item_id, name, value)
    # The connector takes the code together with the credentials, which Pluggy has. Start an execution with the code.
    return res.pluggy.update_item(action.item_id, {name: value})


def _submit(res: Resources, claim: _Claim, ask_pluggy: Callable[[], payloads.Item]) -> Action:
    action = claim.action
    with structlog.contextvars.bound_contextvars(item_id=action.item_id, action_id=action.id):
        try:
            with somebody_waits():
                item = ask_pluggy()
        except PluggyRefusedError as exc:
            refusal = refusals.refusal_of(exc.code, exc.status)
            if refusal.code == refusals.ALREADY_PROVIDED:
                _fetch_soon(res, claim)
                return action
            raise _taken_back(res, claim, exc, refusal) from exc
        except PluggyUnavailableError:
            _take_back(res, claim, "unavailable", retry_at=None)
            raise
        except TooLongError as exc:
            _take_back(res, claim, "invalid-parameters", retry_at=None)
            raise CannotActError("invalid-parameters", "The values are too long to be encrypted.") from exc
        except Exception as exc:
            # A fault of ours must not keep the person waiting. Its text may quote what was given.
            _take_back(res, claim, "failed", retry_at=None)
            log.warning("action.submission_failed", error=type(exc).__name__, next="the action is open again")
            raise
        _accepted(res, claim, item)
        log.info("action.submitted", attempt=action.attempts)
        return action


def _taken_back(res: Resources, claim: _Claim, error: PluggyRefusedError, refusal: refusals.Refusal) -> CannotActError:
    """Open the action again and return why Pluggy refused."""
    retry_at = refusals.retry_at(error.data)
    if refusal.code == refusals.WAIT:
        # Never longer than Pluggy documents: a mistake in it must not shut a person out.
        latest = res.pluggy_now() + LOGIN_BACKOFF
        retry_at = latest if retry_at is None else min(retry_at, latest)
    _take_back(res, claim, refusal.code, retry_at=retry_at if refusal.code == refusals.WAIT else None)
    errors = _errors_of_pluggy(error, _form_of(res, claim.action.id))
    return CannotActError.of_refusal(refusal, retry_at=retry_at, **({"errors": errors} if errors else {}))


def _errors_of_pluggy(error: PluggyRefusedError, form: Sequence[Raw]) -> list[dict[str, str]]:
    """Return which values Pluggy refused and why, in the words of the bank's form where it has some."""
    details = error.data.get("details")
    faults = [each for each in details if isinstance(each, dict)] if isinstance(details, list) else []
    said = {field.get("name"): field.get("validationMessage") for field in form}
    errors = []
    for fault in faults:
        message = said.get(fault["field"]) if fault["message"] == WRONG_FORM else None
        errors.append(_named(fault["field"], message if isinstance(message, str) and message else fault["message"]))
    return errors


def _take_back(res: Resources, claim: _Claim, outcome: str, *, retry_at: datetime | None) -> None:
    """Open the action again and request a fetch: the Item may differ from what we know."""
    now = res.now()
    action = claim.action
    with res.begin() as tx:
        conn = tx.conn
        items.lock(conn, action.item_id, now=now)
        user_actions.reopen(conn, action.id, retry_at=retry_at)
        user_actions.end_submission(conn, claim.submission_id, outcome)
        requests.fetch(tx, action.item_id, why="an answer was not taken", now=now)
    log.warning("action.not_taken", outcome=outcome)


def _fetch_soon(res: Resources, claim: _Claim) -> None:
    with res.begin() as tx:
        user_actions.end_submission(tx.conn, claim.submission_id, refusals.ALREADY_PROVIDED)
        requests.fetch(tx, claim.action.item_id, why="an answer was given before", now=res.now())


def _accepted(res: Resources, claim: _Claim, item: payloads.Item) -> None:
    """Write down that Pluggy accepted the answer and that the Item runs."""
    now = res.now()
    action = claim.action
    with res.begin() as tx:
        conn = tx.conn
        row = items.lock(conn, action.item_id, now=now)
        user_actions.mark_accepted(conn, action.id, item.updated_at or now)
        user_actions.end_submission(conn, claim.submission_id, "accepted")
        # The execution may have ended before we could tell it from the state before the answer. Then fetch again.
        overtaken = row.updated_at is not None and item.updated_at is not None and row.updated_at > item.updated_at
        runs = executions.follow(tx, item, why="an answer was taken", overtaken=overtaken, now=now)
    if runs:
        executions.save_start(res, item, event_seq=claim.event_seq)
