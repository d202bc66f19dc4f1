"""
How an execution goes, step by step (Pluggy facts 3.2, 7.3, 7.4).

A step does something, or returns an `Ask`: then the execution waits until the person answers or time runs out.
`ExecutionFailedError` ends the execution badly; after its last step it has ended well. What is left of an execution is
data, so an execution that a restart of the sandbox interrupts goes on after it.
"""

from collections.abc import Callable
from datetime import timedelta

from pluggy_sandbox.catalogue import logins, questions
from pluggy_sandbox.catalogue.connectors import Login
from pluggy_sandbox.catalogue.logins import Fate
from pluggy_sandbox.catalogue.outcomes import ExecutionFailedError
from pluggy_sandbox.lifecycle import collection, consents, events
from pluggy_sandbox.state.executions import APPROVED, Ask, Execution, Step
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


def steps(item: Item) -> list[Step]:
    """Return what an execution of *item* does, from its beginning to the merge."""
    products = [Step("product", product) for product in item.options.products]
    return [Step("reach_login"), Step("log_in"), Step("logged_in"), *products, Step("merge"), Step("collect")]


def take_step(world: World, item: Item, execution: Execution) -> Ask | None:
    """
    Do the next step of *execution*; return what the person must give or do before it goes on, None for nothing.

    Raises:
        ExecutionFailedError: the execution ends here, in error.
    """
    step = execution.steps.pop(0)
    return _STEPS[step.name](world, item, execution, step.about)


def _reach_login(world: World, item: Item, _: Execution, __: str) -> None:
    enter(item, "UPDATING", "LOGIN_IN_PROGRESS", world.clock.now)


def _log_in(world: World, item: Item, execution: Execution, _: str) -> None:
    if item.staged.outcome is not None:
        outcome, item.staged.outcome = item.staged.outcome, None
        raise ExecutionFailedError(outcome)
    execution.steps[:0] = _LOGINS[item.connector.login](world, item, execution)


def _logged_in(world: World, item: Item, execution: Execution, _: str) -> None:
    events.item_event(world, item, "item/login_succeeded", execution.triggered_by)


def _product(world: World, item: Item, _: Execution, product: str) -> None:
    enter(item, "UPDATING", PRODUCT_STEPS.get(product, "TRANSACTIONS_IN_PROGRESS"), world.clock.now)


def _merge(world: World, item: Item, _: Execution, __: str) -> None:
    enter(item, "UPDATING", "MERGING", world.clock.now)


def _collect(world: World, item: Item, execution: Execution, _: str) -> None:
    for changes in collection.collect(world, item, _fate(item) or Fate()):
        events.transaction_events(world, item, changes, execution.triggered_by)


# Logins: each checks what it can, and returns the steps that it needs besides.


def _by_password(world: World, item: Item, _: Execution) -> list[Step]:
    return _questions(_let_in(world, item))


def _by_one_step(world: World, item: Item, _: Execution) -> list[Step]:
    fate = _let_in(world, item)
    token = item.credentials.parameters.pop("token", None)  # good for one execution only
    if item.connector.id == logins.JOINT_CONNECTOR and token == logins.GOOD_JOINT_MFA:
        item.credentials.choice = "joint"
    elif not fate.asks and token != logins.GOOD_MFA:
        raise ExecutionFailedError("INVALID_CREDENTIALS_MFA")
    return _questions(fate)


def _by_two_steps(world: World, item: Item, _: Execution) -> list[Step]:
    return _questions(_let_in(world, item)) or [Step("ask", "token"), Step("check_answer", "token")]


def _by_qr(_: World, __: Item, ___: Execution) -> list[Step]:
    return [Step("show_qr"), Step("check_approval")]


def _by_consent(world: World, item: Item, execution: Execution) -> list[Step]:
    """Open Finance: a living consent lets the execution pass; a lost one is noticed, and only the person renews it."""
    if logins.approvers_of(item.credentials.parameters.get("cpf", "")) is None:
        raise ExecutionFailedError("INVALID_CREDENTIALS")
    if consents.living(item, world.clock.now) is not None:
        return [Step("check_approvers")]
    had_one = bool(item.authorization.consents)
    known_lost = item.history.outcome_before.startswith("USER_AUTHORIZATION") or not had_one
    if not known_lost and execution.triggered_by != "USER":
        raise ExecutionFailedError("USER_AUTHORIZATION_REVOKED")
    if execution.triggered_by in ("SYNC", "INTERNAL"):
        raise ExecutionFailedError("USER_AUTHORIZATION_REVOKED" if had_one else "USER_AUTHORIZATION_NOT_GRANTED")
    return [Step("show_consent"), Step("check_approval"), Step("grant_consent"), Step("check_approvers")]


def _elsewhere(_: World, __: Item, ___: Execution) -> list[Step]:
    return []


_LOGINS: dict[Login, Callable[[World, Item, Execution], list[Step]]] = {
    Login.PASSWORD: _by_password,
    Login.ONE_STEP: _by_one_step,
    Login.TWO_STEPS: _by_two_steps,
    Login.QR: _by_qr,
    Login.OPEN_FINANCE: _by_consent,
    Login.ELSEWHERE: _elsewhere,
}


def _fate(item: Item) -> Fate | None:
    """Return what comes of the login that *item* was given, None where the bank does not know it."""
    if item.connector.login not in (Login.PASSWORD, Login.ONE_STEP, Login.TWO_STEPS):
        return Fate()
    given = item.credentials.parameters
    return logins.fate_of(given.get("user", ""), given.get("password", ""))


def _let_in(world: World, item: Item) -> Fate:
    fate = _fate(item)
    if fate is None:
        raise ExecutionFailedError("INVALID_CREDENTIALS")
    if fate.outcome not in ("SUCCESS", "PARTIAL_SUCCESS"):
        raise ExecutionFailedError(fate.outcome, provider_message=fate.provider_message)
    if fate.device:
        _check_device(world, item)
    return fate


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


# What is asked of the person, and what comes of the answer.


def _questions(fate: Fate) -> list[Step]:
    return [Step(name, kind) for kind in fate.asks for name in ("ask", "check_answer")]


def _ask(world: World, _: Item, __: Execution, kind: str) -> Ask:
    question = questions.QUESTIONS[kind] | {"optional": False, "mfa": True}
    return _until_deadline(world, parameter=question, when_late="USER_INPUT_TIMEOUT")


def _check_answer(_: World, item: Item, execution: Execution, kind: str) -> None:
    given = execution.answer
    if given not in (questions.choices(kind) or [logins.GOOD_MFA]) or given == questions.WRONG_CHOICE:
        raise ExecutionFailedError("INVALID_CREDENTIALS_MFA")
    if kind == "company":
        item.credentials.choice = f"company-{given}"


def _show_qr(world: World, item: Item, _: Execution, __: str) -> Ask:
    action: Json = {
        "type": "qr",
        "instructions": "Abra o aplicativo do banco e leia o código QR",
        "attributes": {"qr": world.ids.of("qr", item.id, item.history.executions)},
    }
    return _until_deadline(world, user_action=action, when_late="USER_AUTHORIZATION_NOT_GRANTED")


def _show_consent(world: World, item: Item, _: Execution, __: str) -> Ask:
    page: Json = {
        "name": "oauth_code",
        "label": "Autorização",
        "type": "oauth",
        "data": f"{world.address}/_sandbox/bank/authorize?itemId={item.id}",
        "optional": False,
    }
    return _until_deadline(world, parameter=page, when_late="USER_AUTHORIZATION_NOT_GRANTED")


def _check_approval(_: World, __: Item, execution: Execution, ___: str) -> None:
    if execution.answer != APPROVED:
        raise ExecutionFailedError("USER_AUTHORIZATION_NOT_GRANTED")


def _grant_consent(world: World, item: Item, _: Execution, __: str) -> None:
    consents.grant(world, item)


def _check_approvers(world: World, item: Item, _: Execution, __: str) -> None:
    approvers = logins.approvers_of(item.credentials.parameters.get("cpf", ""))
    if approvers is None:
        raise ExecutionFailedError("INVALID_CREDENTIALS")
    consents.check_approvers(world, item, approvers)


def _until_deadline(
    world: World, *, parameter: Json | None = None, user_action: Json | None = None, when_late: str
) -> Ask:
    real = world.settings.real_deadlines
    expires = (world.clock.real() if real else world.clock.now) + timedelta(seconds=world.settings.mfa_seconds)
    end = {"expiresAt": iso(expires)}
    return Ask(
        expires,
        in_real_time=real,
        parameter=parameter | end if parameter else None,
        user_action=user_action | end if user_action else None,
        when_late=when_late,
    )


_STEPS: dict[str, Callable[[World, Item, Execution, str], Ask | None]] = {
    "reach_login": _reach_login,
    "log_in": _log_in,
    "ask": _ask,
    "check_answer": _check_answer,
    "show_qr": _show_qr,
    "show_consent": _show_consent,
    "check_approval": _check_approval,
    "grant_consent": _grant_consent,
    "check_approvers": _check_approvers,
    "logged_in": _logged_in,
    "product": _product,
    "merge": _merge,
    "collect": _collect,
}
