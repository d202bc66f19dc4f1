"""Items made, updated, answered and deleted: what the API and the control surface both do."""

from urllib.parse import urlsplit

from pluggy_sandbox.catalogue import connectors, outcomes
from pluggy_sandbox.catalogue.connectors import Connector, Login
from pluggy_sandbox.holdings.holdings import Holdings
from pluggy_sandbox.lifecycle import consents, encrypted, events, executions, parameters, refusals
from pluggy_sandbox.state import webhooks
from pluggy_sandbox.state.executions import APPROVED, REJECTED
from pluggy_sandbox.state.items import Credentials, Item, Options, view
from pluggy_sandbox.state.keys import Caller
from pluggy_sandbox.state.world import World
from pluggy_sandbox.wire.encoding import Json
from pluggy_sandbox.wire.errors import ApiError, BadRequestError, ConflictError


def item_view(world: World, item: Item) -> Json:
    """Return an Item as the API serves it."""
    if item.user_action and item.user_action["type"] == "qr":
        # The code rotates quickly: each look at the Item shows another one (Pluggy facts 3.6).
        code = world.ids.of("qr", item.id, item.history.executions, item.looks)
        item.user_action = item.user_action | {"attributes": {"qr": code}}
    health = world.health_of(item.connector)
    return view(item, connectors.view(item.connector, health, world.address))


def create(world: World, caller: Caller, connector: Connector, sent: Json) -> Item:
    """
    Make an Item and start its first execution.

    Raises:
        ApiError: one of Pluggy facts 3.8, POST /items.
    """
    given = encrypted.parameters(sent.get("parameters"), world.secrets)
    parameters.check(connector, given)
    options = sent | caller.options
    _check_creation(world, caller, connector, given, options)
    now = world.clock.now
    item_id = world.ids.next("item")
    item = Item(
        id=item_id,
        client_id=caller.client_id,
        connector=connector,
        credentials=Credentials(given),
        options=Options(
            products=list(options.get("products") or connector.products),
            webhook_url=_webhook_url(world, options),
            client_user_id=options.get("clientUserId"),
            oauth_redirect_uri=redirect_uri(world, options),
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
    given = encrypted.parameters(sent.get("parameters"), world.secrets)
    health = world.health_of(item.connector).status
    spoken = given if "parameters" in sent else None
    attempt = refusals.Attempt(item, spoken, world.clock.now, world.settings, health, caller.is_widget)
    refusal = refusals.refusal(attempt)
    if refusal is not None:
        raise refusal
    if given:
        parameters.check(item.connector, item.credentials.parameters | given)
    _change(world, item, sent)
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
    if ask.name not in sent:
        raise BadRequestError(f"Expected parameter '{ask.name}'", "ITEM_MFA_PARAMETER_EXPECTED_MISMATCH")
    executions.answer(world, item, execution, str(sent[ask.name]))


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
    item.authorization.approved_at = item.stamp(world.clock.now)
    execution = item.execution
    if execution is not None and execution.ask is not None:
        executions.answer(world, item, execution, APPROVED)
    elif item.execution_status in ("USER_AUTHORIZATION_PENDING", "USER_AUTHORIZATION_NOT_GRANTED"):
        executions.start(world, item, "INTERNAL")
    else:
        raise BadRequestError("nothing waits for an approval")


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
    Let the person refuse at the bank.

    Raises:
        BadRequestError: nothing waits for an approval.
    """
    execution = item.execution
    if execution is None or execution.ask is None:
        raise BadRequestError("nothing waits for an approval")
    executions.answer(world, item, execution, REJECTED)


def revoke(world: World, item: Item) -> None:
    """Let the person withdraw the consent at the bank (Pluggy facts 8)."""
    consents.revoke(world, item)


def _nothing_asked(item: Item) -> ApiError:
    if item.execution_status == "USER_INPUT_TIMEOUT":
        return BadRequestError("The MFA request has expired", "ITEM_MFA_EXPIRED")
    if item.execution_status == "LOGIN_MFA_IN_PROGRESS":
        return BadRequestError("The MFA was already provided", "ITEM_MFA_ALREADY_PROVIDED")
    return BadRequestError("The item is not waiting for an MFA", "ITEM_MFA_NOT_FOUND")


def _check_creation(world: World, caller: Caller, connector: Connector, given: dict[str, str], options: Json) -> None:
    refused = world.settings.refuse_creation_with
    if refused and not caller.is_widget:
        raise BadRequestError("Items can only be created through the widget", refused)
    if world.health_of(connector).status == "OFFLINE":
        raise BadRequestError("Connector is offline", "CONNECTOR_OFFLINE")
    own = [item for item in world.items.values() if item.client_id == caller.client_id]
    if options.get("avoidDuplicates"):
        same = [i.id for i in own if i.connector is connector and _login(i.credentials.parameters) == _login(given)]
        if same:
            raise BadRequestError("Item user already exists", "ITEM_USER_ALREADY_EXISTS", items=same)
    limit = world.settings.item_limit
    if world.settings.mode == "development" and len(own) >= limit:
        raise ConflictError("Item creation limit exceeded", "ITEM_CREATION_LIMIT_EXCEEDED", data={"itemsLimit": limit})


def _login(given: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in given.items() if name != "token"}


def _webhook_url(world: World, options: Json) -> str | None:
    url = options.get("webhookUrl")
    return webhooks.check_url(url, allow_local=world.settings.allow_local_webhooks) if url else None


def redirect_uri(world: World, options: Json) -> str | None:
    """
    Return where the person lands after the bank's page, None where nothing is said (Pluggy facts 1.3).

    Raises:
        BadRequestError: it is neither https nor a deep link, or points at this machine.
    """
    uri = options.get("oauthRedirectUri")
    if uri is None or world.settings.allow_local_webhooks:
        return uri
    parts = urlsplit(str(uri))
    if parts.scheme in ("", "http") or parts.hostname in ("localhost", "127.0.0.1"):
        raise BadRequestError("oauthRedirectUri must be a https URL or a deep link")
    return str(uri)


def _change(world: World, item: Item, sent: Json) -> None:
    if sent.get("webhookUrl"):
        item.options.webhook_url = _webhook_url(world, sent)
    if "clientUserId" in sent:
        item.options.client_user_id = sent["clientUserId"]
    if sent.get("products"):
        item.options.products = list(sent["products"])


def _remember_token(world: World, item: Item, given: dict[str, str]) -> None:
    if item.connector.login is Login.ONE_STEP and "token" in given:
        item.credentials.used_tokens[given["token"]] = world.clock.now
