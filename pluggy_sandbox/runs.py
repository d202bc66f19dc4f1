"""
Runs: how an Item goes through one execution, told as a story (Pluggy facts 3.2).

A story is a generator. `PAUSE` lets a little real time pass; an `Ask` stops it until the person answers
(or virtual time runs out); returning ends the run well, `RunFailedError` ends it badly.
"""

from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pluggy_sandbox import collecting, events, logins, questions
from pluggy_sandbox.connectors import Login
from pluggy_sandbox.encoding import Json
from pluggy_sandbox.instants import iso
from pluggy_sandbox.items import Item
from pluggy_sandbox.logins import Fate
from pluggy_sandbox.outcomes import RunFailedError
from pluggy_sandbox.world import World

PRODUCT_STEPS = {
    "ACCOUNTS": "ACCOUNTS_IN_PROGRESS",
    "CREDIT_CARDS": "CREDITCARDS_IN_PROGRESS",
    "TRANSACTIONS": "TRANSACTIONS_IN_PROGRESS",
    "INVESTMENTS": "INVESTMENTS_IN_PROGRESS",
    "INVESTMENTS_TRANSACTIONS": "INVESTMENTS_TRANSACTIONS_IN_PROGRESS",
    "PAYMENT_DATA": "PAYMENT_DATA_IN_PROGRESS",
    "IDENTITY": "IDENTITY_IN_PROGRESS",
    "LOANS": "LOANS_IN_PROGRESS",
    "MOVE_SECURITY": "MOVE_SECURITY_IN_PROGRESS",
    "ACCOUNT_STATEMENTS": "ACCOUNT_STATEMENTS_IN_PROGRESS",
}


class Pause:
    """A little real time."""


PAUSE = Pause()


@dataclass(frozen=True)
class Ask:
    """Something the person must give (`parameter`) or do (`user_action`) until an instant."""

    expires_at: datetime
    parameter: Json | None = None
    user_action: Json | None = None

    @property
    def name(self) -> str:
        """The key that an answer must use."""
        return str((self.parameter or {}).get("name", ""))

    @property
    def event(self) -> str:
        """The event that tells of it; also how it is written in `status`."""
        return "item/waiting_user_input" if self.parameter else "item/waiting_user_action"


Answer = str | None
Story = Generator[Pause | Ask, Answer, None]
Asking = Generator[Pause | Ask, Answer, str]


@dataclass
class Run:
    """One execution in progress."""

    story: Story
    triggered_by: str
    ask: Ask | None = None


def start(world: World, item: Item, triggered_by: str) -> None:
    """Start a run; the caller has checked that none is in progress."""
    item.runs += 1
    item.error = item.parameter = item.user_action = None
    item.next_auto_sync_at = None
    _enter(world, item, "UPDATING", "CREATED" if item.runs == 1 else "LOGIN_IN_PROGRESS")
    run = item.run = Run(_story(world, item, triggered_by), triggered_by)
    _later(world, item, run)


def answer(world: World, item: Item, run: Run, value: str) -> None:
    """Give the waiting run of *item* what it asked for."""
    run.ask, item.parameter, item.user_action = None, None, None
    _enter(world, item, "UPDATING", "LOGIN_MFA_IN_PROGRESS")
    _later(world, item, run, value)


def stop(item: Item) -> None:
    """Abandon the run in progress, if any, without a trace."""
    item.run = None


def _later(world: World, item: Item, run: Run, value: Answer = None) -> None:
    pause = world.settings.run_seconds / (len(item.products) + 4)
    world.timers.after(pause, lambda: _step(world, item, run, value))


def _step(world: World, item: Item, run: Run, value: Answer = None, failure: RunFailedError | None = None) -> None:
    with world.lock:
        if item.run is not run:
            return  # deleted, or overtaken, meanwhile
        try:
            wanted = run.story.throw(failure) if failure else run.story.send(value)
        except StopIteration:
            _succeed(world, item, run)
        except RunFailedError as exc:
            _fail(world, item, run, exc)
        else:
            if isinstance(wanted, Ask):
                _wait(world, item, run, wanted)
            else:
                _later(world, item, run)
        world.changed.notify_all()


def _wait(world: World, item: Item, run: Run, ask: Ask) -> None:
    run.ask, item.parameter, item.user_action = ask, ask.parameter, ask.user_action
    state = "WAITING_USER_INPUT" if ask.parameter else "WAITING_USER_ACTION"
    _enter(world, item, state, state)
    events.item_event(world, item, ask.event, run.triggered_by)
    world.clock.at(ask.expires_at, lambda: _expire(world, item, run, ask))


def _expire(world: World, item: Item, run: Run, ask: Ask) -> None:
    if item.run is run and run.ask is ask:
        run.ask = None
        timeout = RunFailedError("USER_INPUT_TIMEOUT", parameter=ask.name or None)
        _step(world, item, run, failure=timeout)


def _succeed(world: World, item: Item, run: Run) -> None:
    first = item.last_updated_at is None
    at = item.stamp(world.clock.now)
    item.run, item.last_updated_at, item.last_run_ended_at = None, at, at
    item.failed_logins = item.errors_in_row = 0
    item.status = "UPDATED"
    item.execution_status = "PARTIAL_SUCCESS" if _is_partial(item) else "SUCCESS"
    plan_auto_sync(world, item, timedelta(hours=world.settings.auto_sync_hours))
    events.item_event(world, item, "item/created" if first else "item/updated", run.triggered_by)


def _is_partial(item: Item) -> bool:
    return any(part and not part["isUpdated"] for part in (item.status_detail or {}).values())


def _fail(world: World, item: Item, run: Run, failure: RunFailedError) -> None:
    _enter(world, item, failure.status, failure.code)
    item.run, item.last_run_ended_at = None, item.updated_at
    item.parameter = item.user_action = None
    item.failed_logins = item.failed_logins + 1 if failure.status == "LOGIN_ERROR" else 0
    item.errors_in_row += 1
    item.error = {"code": failure.code, "message": failure.message}
    if failure.provider_message:
        item.error["providerMessage"] = failure.provider_message
    told: Json = {"code": failure.code, "message": failure.message}
    if failure.parameter:
        told["parameter"] = failure.parameter
    if failure.status != "LOGIN_ERROR" and item.errors_in_row <= 5:  # hourly, up to 5 times (Pluggy facts 3.3)
        plan_auto_sync(world, item, timedelta(hours=1))
    events.item_event(world, item, "item/error", run.triggered_by, error=told)


def plan_auto_sync(world: World, item: Item, wait: timedelta) -> None:
    """Set when the next auto-sync is due: never in development mode, nor where a person is needed each time."""
    possible = item.connector.login in (Login.PASSWORD, Login.OPEN_FINANCE)
    if world.settings.mode != "production" or item.auto_sync_disabled_at or not possible:
        item.next_auto_sync_at = None
        return
    due = item.next_auto_sync_at = item.updated_at + wait
    world.clock.at(due, lambda: _auto_sync(world, item, due))


def _auto_sync(world: World, item: Item, due: datetime) -> None:
    still_due = item.next_auto_sync_at == due and world.items.get(item.id) is item
    if still_due and item.run is None and world.health_of(item.connector).status != "OFFLINE":
        start(world, item, "SYNC")


def _enter(world: World, item: Item, status: str, execution_status: str) -> None:
    item.status, item.execution_status = status, execution_status
    item.stamp(world.clock.now)


# The story itself.


def _story(world: World, item: Item, triggered_by: str) -> Story:
    yield PAUSE
    _enter(world, item, "UPDATING", "LOGIN_IN_PROGRESS")
    yield PAUSE
    fate = yield from _LOGINS[item.connector.login](world, item)
    events.item_event(world, item, "item/login_succeeded", triggered_by)
    for product in item.products:
        if product != fate.failing_product:
            _enter(world, item, "UPDATING", PRODUCT_STEPS.get(product, "TRANSACTIONS_IN_PROGRESS"))
            yield PAUSE
    _enter(world, item, "UPDATING", "MERGING")
    yield PAUSE
    for changes in collecting.collect(world, item, fate):
        events.transaction_events(world, item, changes, triggered_by)


def _by_password(world: World, item: Item) -> Generator[Pause | Ask, Answer, Fate]:
    fate = logins.fate_of(item.parameters.get("user", ""), item.parameters.get("password", ""))
    if fate is None:
        raise RunFailedError("INVALID_CREDENTIALS")
    if fate.outcome not in ("SUCCESS", "PARTIAL_SUCCESS"):
        raise RunFailedError(fate.outcome, provider_message=fate.provider_message)
    if fate.device:
        _check_device(world, item)
    for kind in fate.asks:
        given = yield Ask(_deadline(world), parameter=_question(world, kind))
        _check_answer(kind, given)
        yield PAUSE
    return fate


def _by_one_step(world: World, item: Item) -> Generator[Pause | Ask, Answer, Fate]:
    fate = yield from _by_password(world, item)
    good = (logins.GOOD_MFA, logins.GOOD_JOINT_MFA) if item.connector.id == 9 else (logins.GOOD_MFA,)
    token = item.parameters.pop("token", None)  # good for one run only
    if not fate.asks and token not in good:
        raise RunFailedError("INVALID_CREDENTIALS_MFA")
    return fate


def _by_two_steps(world: World, item: Item) -> Generator[Pause | Ask, Answer, Fate]:
    fate = yield from _by_password(world, item)
    if not fate.asks:
        given = yield Ask(_deadline(world), parameter=_question(world, "token"))
        _check_answer("token", given)
        yield PAUSE
    return fate


def _by_qr(world: World, item: Item) -> Generator[Pause | Ask, Answer, Fate]:
    expires = _deadline(world)
    action = {
        "type": "qr",
        "instructions": "Abra o aplicativo do banco e leia o código QR",
        "attributes": {"qr": world.ids.of("qr", item.id, item.runs)},
        "expiresAt": iso(expires),
    }
    yield Ask(expires, user_action=action)
    return Fate()


def _by_consent(world: World, item: Item) -> Generator[Pause | Ask, Answer, Fate]:
    if not item.approved_at:
        expires = _deadline(world)
        yield Ask(expires, parameter=_consent_page(world, item, expires))
        item.approved_at = item.stamp(world.clock.now)
        yield PAUSE
    return Fate()


def _elsewhere(_world: World, _item: Item) -> Generator[Pause | Ask, Answer, Fate]:
    yield PAUSE
    return Fate()


_LOGINS: dict[Login, Any] = {
    Login.PASSWORD: _by_password,
    Login.ONE_STEP: _by_one_step,
    Login.TWO_STEPS: _by_two_steps,
    Login.QR: _by_qr,
    Login.OPEN_FINANCE: _by_consent,
    Login.ELSEWHERE: _elsewhere,
}


def _deadline(world: World) -> datetime:
    return world.clock.now + timedelta(seconds=world.settings.mfa_seconds)


def _check_device(world: World, item: Item) -> None:
    """Let a run pass only when the device was approved, or two virtual minutes went by (Pluggy facts 7.3)."""
    if item.approved_at:
        return
    now = world.clock.now
    if item.pending_since is None:
        item.pending_since = now
        raise RunFailedError("USER_AUTHORIZATION_PENDING")
    ready = item.pending_since + timedelta(seconds=world.settings.authorization_pending_seconds)
    if now < ready:
        left = int((ready - now).total_seconds())
        raise RunFailedError("USER_AUTHORIZATION_NOT_GRANTED", f"Device not authorized yet, wait {left} seconds")
    item.approved_at = now


def _question(world: World, kind: str) -> Json:
    expires = iso(_deadline(world))
    return questions.QUESTIONS[kind] | {"optional": False, "mfa": True, "expiresAt": expires}


def _check_answer(kind: str, given: Answer) -> None:
    options = [option["value"] for option in questions.QUESTIONS[kind].get("options", [])]
    if given not in (options or [logins.GOOD_MFA]):
        raise RunFailedError("INVALID_CREDENTIALS_MFA")


def _consent_page(world: World, item: Item, expires: datetime) -> Json:
    return {
        "name": "oauth_code",
        "label": "Autorização",
        "type": "oauth",
        "data": f"{world.address}/_sandbox/bank/authorize?itemId={item.id}",
        "optional": False,
        "expiresAt": iso(expires),
    }
