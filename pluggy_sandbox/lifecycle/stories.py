"""
How an execution goes, told as a story (Pluggy facts 3.2, 7.3, 7.4).

A story is a generator. `PAUSE` lets a little real time pass; an `Ask` stops it until the person answers or virtual
time runs out; returning ends the execution well, `ExecutionFailedError` ends it badly.
"""

from collections.abc import Callable, Generator
from datetime import datetime, timedelta

from pluggy_sandbox.catalogue import logins, questions
from pluggy_sandbox.catalogue.connectors import Login
from pluggy_sandbox.catalogue.logins import Fate
from pluggy_sandbox.catalogue.outcomes import ExecutionFailedError
from pluggy_sandbox.lifecycle import collection, consents, events
from pluggy_sandbox.state.executions import APPROVED, PAUSE, Answer, Ask, Pause, Story
from pluggy_sandbox.state.items import Item, enter
from pluggy_sandbox.state.world import World
from pluggy_sandbox.wire.encoding import Json
from pluggy_sandbox.wire.instants import iso

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
LoggingIn = Generator[Pause | Ask, Answer, Fate]


def tell(world: World, item: Item, triggered_by: str) -> Story:
    """Tell one execution from its beginning to the merge."""
    yield PAUSE
    enter(item, "UPDATING", "LOGIN_IN_PROGRESS", world.clock.now)
    yield PAUSE
    if item.staged.outcome is not None:
        doom, item.staged.outcome = item.staged.outcome, None
        raise ExecutionFailedError(doom)
    fate = yield from _LOGINS[item.connector.login](world, item, triggered_by)
    events.item_event(world, item, "item/login_succeeded", triggered_by)
    for product in item.options.products:
        enter(item, "UPDATING", PRODUCT_STEPS.get(product, "TRANSACTIONS_IN_PROGRESS"), world.clock.now)
        yield PAUSE
    enter(item, "UPDATING", "MERGING", world.clock.now)
    yield PAUSE
    for changes in collection.collect(world, item, fate):
        events.transaction_events(world, item, changes, triggered_by)


def _by_password(world: World, item: Item, _: str) -> LoggingIn:
    fate = logins.fate_of(item.credentials.parameters.get("user", ""), item.credentials.parameters.get("password", ""))
    if fate is None:
        raise ExecutionFailedError("INVALID_CREDENTIALS")
    if fate.outcome not in ("SUCCESS", "PARTIAL_SUCCESS"):
        raise ExecutionFailedError(fate.outcome, provider_message=fate.provider_message)
    if fate.device:
        _check_device(world, item)
    for kind in fate.asks:
        yield from _ask(world, item, kind)
    return fate


def _by_one_step(world: World, item: Item, triggered_by: str) -> LoggingIn:
    fate = yield from _by_password(world, item, triggered_by)
    token = item.credentials.parameters.pop("token", None)  # good for one execution only
    if item.connector.id == logins.JOINT_CONNECTOR and token == logins.GOOD_JOINT_MFA:
        item.credentials.choice = "joint"
    elif not fate.asks and token != logins.GOOD_MFA:
        raise ExecutionFailedError("INVALID_CREDENTIALS_MFA")
    return fate


def _by_two_steps(world: World, item: Item, triggered_by: str) -> LoggingIn:
    fate = yield from _by_password(world, item, triggered_by)
    if not fate.asks:
        yield from _ask(world, item, "token")
    return fate


def _by_qr(world: World, item: Item, _: str) -> LoggingIn:
    expires = _deadline(world)
    action = {
        "type": "qr",
        "instructions": "Abra o aplicativo do banco e leia o código QR",
        "attributes": {"qr": world.ids.of("qr", item.id, item.history.executions)},
        "expiresAt": iso(expires),
    }
    yield Ask(expires, user_action=action, when_late="USER_AUTHORIZATION_NOT_GRANTED")
    return Fate()


def _by_consent(world: World, item: Item, triggered_by: str) -> LoggingIn:
    """Open Finance: a living consent lets the execution pass; a lost one is noticed, and only the person renews it."""
    approvers = logins.approvers_of(item.credentials.parameters.get("cpf", ""))
    if approvers is None:
        raise ExecutionFailedError("INVALID_CREDENTIALS")
    if consents.living(item, world.clock.now) is None:
        yield from _renew(world, item, triggered_by)
    consents.check_approvers(item, approvers, world.clock.now, world.settings.authorization_pending_seconds)
    return Fate()


def _renew(world: World, item: Item, triggered_by: str) -> Generator[Pause | Ask, Answer, None]:
    known_lost = item.history.outcome_before.startswith("USER_AUTHORIZATION") or not item.authorization.consents
    if not known_lost and triggered_by != "USER":
        raise ExecutionFailedError("USER_AUTHORIZATION_REVOKED")
    if triggered_by in ("SYNC", "INTERNAL"):
        raise ExecutionFailedError(
            "USER_AUTHORIZATION_REVOKED" if item.authorization.consents else "USER_AUTHORIZATION_NOT_GRANTED"
        )
    expires = _deadline(world)
    page = _consent_page(world, item, expires)
    given = yield Ask(expires, parameter=page, when_late="USER_AUTHORIZATION_NOT_GRANTED")
    if given != APPROVED:
        raise ExecutionFailedError("USER_AUTHORIZATION_NOT_GRANTED")
    consents.grant(world, item)
    yield PAUSE


def _elsewhere(_world: World, _item: Item, _: str) -> LoggingIn:
    yield PAUSE
    return Fate()


_LOGINS: dict[Login, Callable[[World, Item, str], LoggingIn]] = {
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
    """Let an execution pass only when the device was approved, or two virtual minutes went by (Pluggy facts 7.3)."""
    if item.authorization.approved_at:
        return
    now = world.clock.now
    if item.authorization.pending_since is None:
        item.authorization.pending_since = now
        raise ExecutionFailedError("USER_AUTHORIZATION_PENDING")
    ready = item.authorization.pending_since + timedelta(seconds=world.settings.authorization_pending_seconds)
    if now < ready:
        left = int((ready - now).total_seconds())
        raise ExecutionFailedError("USER_AUTHORIZATION_NOT_GRANTED", f"Device not authorized yet, wait {left} seconds")
    item.authorization.approved_at = now


def _ask(world: World, item: Item, kind: str) -> Generator[Pause | Ask, Answer, None]:
    expires = _deadline(world)
    question = questions.QUESTIONS[kind]
    given = yield Ask(expires, parameter=question | {"optional": False, "mfa": True, "expiresAt": iso(expires)})
    if given not in (questions.choices(kind) or [logins.GOOD_MFA]) or given == questions.WRONG_CHOICE:
        raise ExecutionFailedError("INVALID_CREDENTIALS_MFA")
    if kind == "company":
        item.credentials.choice = f"company-{given}"
    yield PAUSE


def _consent_page(world: World, item: Item, expires: datetime) -> Json:
    return {
        "name": "oauth_code",
        "label": "Autorização",
        "type": "oauth",
        "data": f"{world.address}/_sandbox/bank/authorize?itemId={item.id}",
        "optional": False,
        "expiresAt": iso(expires),
    }
