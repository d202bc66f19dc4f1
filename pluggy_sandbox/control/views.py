"""The views of the control surface. No authentication; JSON; camelCase."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from flask import Blueprint, Response, current_app, request, stream_with_context

from pluggy_sandbox.api.answers import JSON, answer, world
from pluggy_sandbox.api.connectors import found as found_connector
from pluggy_sandbox.api.requests import body, whole_argument
from pluggy_sandbox.bank import changes
from pluggy_sandbox.bank.accounts import Account
from pluggy_sandbox.catalogue.connectors import CONNECTOR_STATUSES, PRODUCTS
from pluggy_sandbox.control.lookup import any_item
from pluggy_sandbox.holdings.holdings import AccountChanges
from pluggy_sandbox.lifecycle import collection, events, executions, items, refusals, resources
from pluggy_sandbox.state import faults, webhooks
from pluggy_sandbox.state.items import AVAILABLE, Item
from pluggy_sandbox.state.keys import Application
from pluggy_sandbox.state.quotas import Quotas
from pluggy_sandbox.state.world import World
from pluggy_sandbox.wire import fields, instants, switches
from pluggy_sandbox.wire.encoding import Json, encode
from pluggy_sandbox.wire.errors import BadRequestError, NotFoundError

blueprint = Blueprint("control", __name__, url_prefix="/_sandbox")
TRIGGERS = ("USER", "CLIENT", "SYNC", "INTERNAL")
# A request beyond these is a mistake; each keeps one request from holding the sandbox for minutes.
MOST_DAYS, _MOST_SPEED, _MOST_WAIT, _MOST_CHANGES = 366, 100_000, 600, 1_000
_MOST_NUMBER = 2**53
_LAST_INSTANT = datetime(2200, 1, 1, tzinfo=UTC)


def _item(item_id: str) -> Item:
    return any_item(world(), item_id)


@blueprint.get("/clock")
def clock() -> Response:
    """Tell the time."""
    here = world()
    with here.lock:
        return _time(here)


@blueprint.post("/clock")
def move_clock() -> Response:
    """Move time forward, or let it run."""
    here, sent = world(), body()
    seconds = fields.number(sent, "advanceSeconds", least=0, most=MOST_DAYS * 86_400) or 0
    days = fields.number(sent, "advanceDays", least=0, most=MOST_DAYS) or 0
    speed = fields.number(sent, "speed", least=0, most=_MOST_SPEED)
    by = timedelta(seconds=seconds, days=days)
    with here.lock:
        if here.clock.now + by >= _LAST_INSTANT:
            raise BadRequestError(f"time must stay before {instants.iso(_LAST_INSTANT)}")
        here.advance(by)
        if speed is not None:
            here.run_clock(speed)
        return _time(here)


def _time(here: World) -> Response:
    return answer({"now": instants.iso(here.clock.now), "speed": here.clock.speed})


@blueprint.get("/items")
def show_items() -> Response:
    """List every Item, which the API itself never does."""
    here = world()
    with here.lock:
        return answer({"results": [items.item_view(here, item) for item in here.items.values()]})


@blueprint.post("/items/<item_id>/run")
def run(item_id: str) -> Response:
    """Start an execution as auto-sync would."""
    here, triggered_by = world(), fields.choice(body(), "triggeredBy", TRIGGERS) or "SYNC"
    with here.lock:
        item = _item(item_id)
        if item.is_running:
            raise refusals.already_updating(here.settings)
        executions.stop(item)
        executions.start(here, item, triggered_by)
        return answer(items.item_view(here, item))


@blueprint.post("/items/<item_id>/evolve")
def evolve(item_id: str) -> Response:
    """Make changes happen at the bank; the next execution brings them to Pluggy."""
    here, sent = world(), body()
    with here.lock:
        item = _item(item_id)
        done = _make_changes(here, item, sent)
        plan = collection.next_execution(here, item, collection.customer_of(here, item))
        return answer({**_ids(item, done), "nextRun": _totals(plan)})


def _make_changes(here: World, item: Item, sent: Json) -> changes.Changed:
    wanted, account_id = _changes(sent), fields.text(sent, "accountId")
    customer = collection.customer_of(here, item)
    held = item.holdings.accounts.get(account_id or "")
    if account_id is not None and held is None:
        raise NotFoundError("Account not found", "ACCOUNT_NOT_FOUND")
    since = instants.day_in_brazil((item.last_updated_at or here.clock.now) - timedelta(days=2))
    here.evolutions += 1
    dice = here.ids.chance("evolve", item.id, here.evolutions)
    scene = changes.Scene(here.clock.now, dice, item.holdings.collected_keys(), since)
    done = changes.Changed()
    for change in wanted:
        preferred = [held.source] if held else _suited(customer.accounts, change)
        try:
            done.join(changes.make_in_first(preferred, change, scene))
        except changes.ImpossibleChangeError as exc:
            raise BadRequestError(str(exc)) from None
    return done


def _changes(sent: Json) -> list[changes.Change]:
    return [
        changes.Change(
            _kind(change),
            fields.whole(change, "count", least=1, most=_MOST_CHANGES) or 1,
            fields.whole(change, "days", least=0, most=MOST_DAYS),
        )
        for change in fields.records(sent, "changes") or []
    ]


def _kind(change: Json) -> str:
    kind = fields.choice(change, "kind", changes.KINDS)
    if kind is None:
        raise BadRequestError("kind is required")
    return kind


def _suited(accounts: list[Account], change: changes.Change) -> list[Account]:
    """Return the accounts in the order in which a change looks for its row: pending ones live on cards."""
    pending = change.kind in ("pending", "post_new_id", "post_same_id", "post_new_provider_id")
    return sorted(accounts, key=lambda a: (a.type == "CREDIT") != pending)


def _ids(item: Item, done: changes.Changed) -> Json:
    return {
        "added": [item.holdings.transaction_id(key) for key in done.added],
        "modified": [item.holdings.transaction_id(key) for key in done.modified],
        "removed": [item.holdings.transaction_id(key) for key in done.removed],
    }


def _totals(plan: list[AccountChanges]) -> Json:
    return {
        "added": [i for account in plan for i in account.created],
        "modified": [i for account in plan for i in account.updated],
        "removed": [i for account in plan for i in account.deleted],
    }


@blueprint.get("/items/<item_id>/truth")
def truth(item_id: str) -> Response:
    """Give what a perfect mirror of the API would hold, in the API's own words."""
    here = world()
    with here.lock:
        item = _item(item_id)
        head = {
            "item": items.item_view(here, item),
            "hidden": item.authorization.is_revoked,
            "accounts": [held.view for held in item.holdings.accounts.values()],
            "bills": [b for held in item.holdings.accounts.values() for b in held.bills],
            "investments": item.holdings.investments,
            "investmentTransactions": item.holdings.investment_transactions,
            "identity": item.holdings.identity,
            "loans": item.holdings.loans,
            "consents": item.authorization.consents,
        }
        start = encode(head)[:-1] + b',"transactions":['
    return Response(stream_with_context(_with_rows(start, item)), content_type=JSON)


def _with_rows(start: bytes, item: Item) -> Iterator[bytes]:
    yield start
    comma = b""
    for row in item.holdings.transactions():
        yield comma + row
        comma = b","
    yield b"]}"


@blueprint.post("/items/<item_id>/approve")
def approve(item_id: str) -> Response:
    """The person approves at the bank: device, QR code or consent."""
    here = world()
    with here.lock:
        item = _item(item_id)
        items.approve(here, item)
        return answer(items.item_view(here, item))


@blueprint.post("/items/<item_id>/reject")
def reject(item_id: str) -> Response:
    """The person refuses at the bank."""
    here = world()
    with here.lock:
        item = _item(item_id)
        items.reject(here, item)
        return answer(items.item_view(here, item))


@blueprint.post("/items/<item_id>/exhaust")
def exhaust(item_id: str) -> Response:
    """Use up the Open Finance quotas of this month for some products, all if none is named."""
    here, products = world(), fields.texts(body(), "products", PRODUCTS)
    with here.lock:
        item = _item(item_id)
        quota = here.quotas.setdefault(collection.customer_key(item), Quotas())
        quota.exhaust(products or item.options.products, here.clock.now)
        return answer({"used": quota.used})


@blueprint.put("/items/<item_id>/resources")
def arrange_resources(item_id: str) -> Response:
    """Let the bank give resources of some types another status, by type; the next execution reads it."""
    here, sent = world(), body()
    unknown = sorted(set(sent) - set(resources.PRODUCTS))
    if unknown:
        raise BadRequestError(f"unknown type: {', '.join(unknown)}; there are {', '.join(resources.PRODUCTS)}")
    statuses = {kind: fields.choice(sent, kind, resources.STATUSES) or AVAILABLE for kind in sent}
    with here.lock:
        item = _item(item_id)
        item.resources.at_bank |= statuses
        return answer(item.resources.at_bank)


@blueprint.post("/items/<item_id>/revoke")
def revoke(item_id: str) -> Response:
    """The person withdraws the consent at the bank."""
    here = world()
    with here.lock:
        item = _item(item_id)
        items.revoke(here, item)
        return answer(items.item_view(here, item))


@blueprint.delete("/items/<item_id>")
def delete(item_id: str) -> Response:
    """Clean an Item up, as Pluggy does with old ones."""
    here = world()
    with here.lock:
        items.delete(here, _item(item_id))
        return answer({"count": 1})


@blueprint.post("/settle")
def settle() -> Response:
    """Wait until no execution is in progress and no delivery is on its way."""
    here, seconds = world(), fields.number(body(), "timeoutSeconds", least=0, most=_MOST_WAIT)
    with here.lock:
        settled = here.wait_idle(30 if seconds is None else seconds)
        return answer({"settled": settled, "pendingDeliveries": here.courier.pending})


@blueprint.get("/requests")
def requests() -> Response:
    """List the API's requests received after number `since`."""
    here, since = world(), whole_argument("since", 0, least=0, most=_MOST_NUMBER)
    with here.lock:
        return answer([r for r in here.requests if r["n"] > since])


@blueprint.get("/deliveries")
def deliveries() -> Response:
    """List deliveries with their attempts, oldest first: all, or the `latest` n."""
    here, latest = world(), whole_argument("latest", 0, least=0, most=_MOST_NUMBER)
    with here.lock:
        return answer({"results": [d.view() for d in list(here.courier.log)[-latest:]]})


@blueprint.post("/deliveries/<delivery_id>/replay")
def replay(delivery_id: str) -> Response:
    """Send a delivery again, with the same eventId."""
    here = world()
    with here.lock:
        again = here.courier.replay(delivery_id)
        if again is None:
            raise NotFoundError("Delivery not found")
        return answer(again.view())


@blueprint.post("/deliver")
def deliver() -> Response:
    """Send a hand-made event to every webhook that wants it."""
    here, sent = world(), body()
    payload = fields.record(sent, "payload")
    if payload is None:
        raise BadRequestError("payload is required")
    headers = None if sent.get("headers") is None else webhooks.check_headers(sent["headers"])
    with here.lock:
        item = here.items.get(str(payload.get("itemId")))
        sent_out = events.send(here, payload, item, headers=headers)
        return answer({"results": [d.view() for d in sent_out]})


@blueprint.route("/faults", methods=["GET", "PUT", "DELETE"])
def show_or_set_faults() -> Response:
    """Tell, set or end what goes wrong."""
    here = world()
    with here.lock:
        if request.method != "GET":
            here.suffer(faults.read(body() if request.method == "PUT" else {}))
        return answer(switches.as_json(here.faults))


@blueprint.route("/settings", methods=["GET", "PUT"])
def show_or_set_settings() -> Response:
    """Tell or change how the sandbox behaves."""
    here = world()
    with here.lock:
        if request.method == "PUT":
            before = here.settings
            here.apply(switches.changed(before, body()))
            if (before.mode, before.auto_sync_hours) != (here.settings.mode, here.settings.auto_sync_hours):
                executions.plan_anew(here)
            if before.run_seconds != here.settings.run_seconds:
                executions.set_pace(here)
        return answer(switches.as_json(here.settings))


@blueprint.post("/reset")
def reset() -> Response:
    """Begin again with nothing."""
    seed = fields.whole(body(), "seed", least=0, most=_MOST_NUMBER)
    here = current_app.extensions["sandbox"].reset(seed)
    return answer({"seed": here.ids.seed, "now": instants.iso(here.clock.now)})


@blueprint.put("/applications/<client_id>")
def application(client_id: str) -> Response:
    """Make an application, give it a new secret (keys already issued live on), or switch it off."""
    here, sent = world(), body()
    secret, enabled = fields.text(sent, "clientSecret"), fields.truth(sent, "enabled")
    with here.lock:
        known = here.keyring.applications.setdefault(client_id, Application(client_id, ""))
        known.client_secret = known.client_secret if secret is None else secret
        known.enabled = known.enabled if enabled is None else enabled
        return answer({"clientId": client_id, "enabled": known.enabled})


@blueprint.post("/keys/expire")
def expire_keys() -> Response:
    """Make every API key issued so far void."""
    world().keyring.expire_all()
    return answer({"expired": True})


@blueprint.put("/connectors/<connector_id>/health")
def connector_health(connector_id: str) -> Response:
    """Say how an institution is doing, and tell the webhooks."""
    here, status = world(), fields.choice(body(), "status", CONNECTOR_STATUSES)
    if status is None:
        raise BadRequestError("status is required")
    with here.lock:
        connector = found_connector(connector_id)
        health = here.health_of(connector)
        health.status = status
        events.connector_event(here, connector.id, status)
        return answer(health.view())
