"""Items made, updated, answered and deleted: what the API and the control surface both do."""

from pluggy_sandbox.catalogue import connectors, outcomes
from pluggy_sandbox.catalogue.connectors import Connector, Login
from pluggy_sandbox.holdings.holdings import Holdings
from pluggy_sandbox.lifecycle import (
    consents,
    encrypted,
    events,
    executions,
    institutions,
    options,
    parameters,
    refusals,
    resources,
)
from pluggy_sandbox.state.executions import APPROVED, REJECTED, Execution
from pluggy_sandbox.state.items import Credentials, Item, Options, view
from pluggy_sandbox.state.keys import Caller
from pluggy_sandbox.state.world import World
from pluggy_sandbox.wire import fields
from pluggy_sandbox.wire.encoding import Json
from pluggy_sandbox.wire.errors import ApiError, BadRequestError, ConflictError

_UNAPPROVED = ("USER_AUTHORIZATION_PENDING", "USER_AUTHORIZATION_NOT_GRANTED")


def item_view(world: World, item: Item) -> Json:
    """Return an Item as the API serves it."""
    if item.user_action and item.user_action["type"] == "qr":
        # The code rotates quickly: each look at the Item shows another one (Pluggy facts 3.6).
        code = world.ids.of("qr", item.id, item.history.executions, item.looks)
        item.user_action = item.user_action | {"attributes": {"qr": code}}
    return view(item, institutions.view(world, item.connector))


def create(world: World, caller: Caller, sent: Json) -> Item:
    """
    Make an Item and start its first execution.

    What a connect token says is stronger than what the browser sends, except for the products.

    Raises:
        ApiError: one of Pluggy facts 3.8, POST /items.
    """
    connector = _connector(sent)
    said = options.read(world, sent) | options.fixed_by(caller)
    products = options.products(sent, caller)
    given = encrypted.parameters(sent.get("parameters"), world.secrets)
    parameters.check(connector, given)
    _check_creation(world, caller, connector, given, said)
    now = world.clock.now
    item_id = world.ids.next("item")
    item = Item(
        id=item_id,
        number=world.ids.counters["item"],
        client_id=caller.client_id,
        connector=connector,
        credentials=Credentials(given),
        options=Options(
            products=products or list(connector.products),
            webhook_url=said.get("webhookUrl"),
            client_user_id=said.get("clientUserId"),
            oauth_redirect_uri=said.get("oauthRedirectUri"),
        ),
        holdings=Holdings(item_id, world.ids.of),
        created_at=now,
        updated_at=now,
        token_id=caller.token_id,
    )
    world.items[item.id] = item
    _remember_token(world, item, given)
    executions.start(world, item, caller.triggers)
    return item


def update(world: World, caller: Caller, item: Item, sent: Json) -> None:
    """
    Change an Item and start an execution.

    Raises:
        ApiError: one of Pluggy facts 3.8, PATCH /items/{id}.
    """
    said, products = options.read(world, sent), options.products(sent, caller)
    given = encrypted.parameters(sent.get("parameters"), world.secrets)
    health = world.health_of(item.connector).status
    spoken = given if "parameters" in sent else None
    attempt = refusals.Attempt(item, spoken, world.clock.now, world.settings, health, caller.is_widget)
    refusal = refusals.refusal(attempt)
    if refusal is not None:
        raise refusal
    if given:
        parameters.check(item.connector, item.credentials.parameters | given)
    _change(item, said, products)
    item.credentials.parameters |= given
    _remember_token(world, item, given)
    item.auto_sync.disabled_at = None
    executions.stop(item)
    executions.start(world, item, caller.triggers)


def answer(world: World, item: Item, sent: Json) -> None:
    """
    Give a waiting execution the value it asked for.

    Raises:
        BadRequestError: one of Pluggy facts 3.8, POST /items/{id}/mfa.
    """
    execution = item.execution
    ask = execution.ask if execution else None
    if execution is None or ask is None or ask.parameter is None:
        raise _nothing_asked(item)
    value = parameters.read(sent).get(ask.name)
    if value is None:
        raise BadRequestError(f"Expected parameter '{ask.name}'", "ITEM_MFA_PARAMETER_EXPECTED_MISMATCH")
    executions.answer(world, item, execution, value)


def delete(world: World, item: Item) -> None:
    """Delete an Item for good and tell."""
    executions.forget(world, item)
    events.item_event(world, item, "item/deleted", "CLIENT")
    world.changed.notify_all()


def approve(world: World, item: Item) -> None:
    """
    Let the person approve at the bank: a waiting execution goes on, an ended one begins again by itself.

    Raises:
        BadRequestError: nothing waits for an approval.
    """
    waiting = _awaiting_approval(item)
    if waiting is None and item.execution_status not in _UNAPPROVED and not resources.are_pending(item):
        raise BadRequestError("nothing waits for an approval")
    item.authorization.approved_at = item.stamp(world.clock.now)
    if waiting is not None:
        executions.answer(world, item, waiting, APPROVED)
    else:
        resources.approve(item)
        executions.stop(item)
        executions.start(world, item, "INTERNAL")


def known_error(code: object) -> str:
    """
    Return *code* if an execution can end with it.

    Raises:
        BadRequestError: none can.
    """
    if code not in outcomes.ERRORS:
        raise BadRequestError(f"executionStatus must be one of {', '.join(outcomes.ERRORS)}")
    return str(code)


def reject(world: World, item: Item) -> None:
    """
    Let the person refuse at the bank, for good: a device or a further holder is asked anew after it.

    Raises:
        BadRequestError: nothing waits for an approval.
    """
    waiting = _awaiting_approval(item)
    if waiting is not None:
        executions.answer(world, item, waiting, REJECTED)
    elif item.execution_status == "USER_AUTHORIZATION_PENDING":
        item.authorization.pending_since = item.authorization.approved_at = None
        item.staged.outcome = "USER_AUTHORIZATION_NOT_GRANTED"
        executions.start(world, item, "INTERNAL")
    else:
        raise BadRequestError("nothing waits for an approval")


def _awaiting_approval(item: Item) -> Execution | None:
    """Return the execution that waits for the person to approve, None where none does."""
    execution = item.execution
    return execution if execution and execution.ask and execution.ask.is_approval else None


def revoke(world: World, item: Item) -> None:
    """Let the person withdraw the consent at the bank (Pluggy facts 8)."""
    consents.revoke(world, item)


def _nothing_asked(item: Item) -> ApiError:
    if item.execution_status == "USER_INPUT_TIMEOUT":
        return BadRequestError("The MFA request has expired", "ITEM_MFA_EXPIRED")
    if item.execution_status == "LOGIN_MFA_IN_PROGRESS":
        return BadRequestError("The MFA was already provided", "ITEM_MFA_ALREADY_PROVIDED")
    return BadRequestError("The item is not waiting for an MFA", "ITEM_MFA_NOT_FOUND")


def _connector(sent: Json) -> Connector:
    number = fields.whole(sent, "connectorId", least=0, most=10**9)
    connector = connectors.BY_ID.get(-1 if number is None else number)
    if connector is None:
        raise BadRequestError("connectorId is not a known connector", "CONNECTOR_NOT_FOUND")
    return connector


def _check_creation(world: World, caller: Caller, connector: Connector, given: dict[str, str], said: Json) -> None:
    refused = world.settings.refuse_creation_with
    if refused and not caller.is_widget:
        raise BadRequestError("Items can only be created through the widget", refused)
    if world.health_of(connector).status == "OFFLINE":
        raise BadRequestError("Connector is offline", "CONNECTOR_OFFLINE")
    own = [item for item in world.items.values() if item.client_id == caller.client_id]
    if said.get("avoidDuplicates"):
        same = [i.id for i in own if i.connector is connector and _login(i.credentials.parameters) == _login(given)]
        if same:
            raise BadRequestError("Item user already exists", "ITEM_USER_ALREADY_EXISTS", items=same)
    limit = world.settings.item_limit
    if world.settings.mode == "development" and len(own) >= limit:
        raise ConflictError("Item creation limit exceeded", "ITEM_CREATION_LIMIT_EXCEEDED", data={"itemsLimit": limit})


def _login(given: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in given.items() if name != "token"}


def _change(item: Item, said: Json, products: list[str] | None) -> None:
    item.options.webhook_url = said.get("webhookUrl") or item.options.webhook_url
    if "clientUserId" in said:
        item.options.client_user_id = said["clientUserId"]
    if products:
        item.options.products = products


def _remember_token(world: World, item: Item, given: dict[str, str]) -> None:
    if item.connector.login is Login.ONE_STEP and "token" in given:
        item.credentials.used_tokens[given["token"]] = world.clock.now
