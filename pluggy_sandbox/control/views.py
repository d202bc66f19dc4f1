"""The views of the control surface. No authentication; JSON; camelCase."""

from collections.abc import Iterator
from datetime import timedelta

from flask import Blueprint, Response, current_app, request, stream_with_context

from pluggy_sandbox.api.answers import JSON, answer, body, world
from pluggy_sandbox.api.connectors import found as found_connector
from pluggy_sandbox.bank import changes
from pluggy_sandbox.bank.accounts import Account
from pluggy_sandbox.control.lookup import any_item
from pluggy_sandbox.holdings.holdings import AccountChanges
from pluggy_sandbox.lifecycle import collection, events, executions, items
from pluggy_sandbox.state import faults
from pluggy_sandbox.state.items import Item
from pluggy_sandbox.state.keys import Application
from pluggy_sandbox.state.quotas import Quotas
from pluggy_sandbox.state.world import World
from pluggy_sandbox.wire import instants
from pluggy_sandbox.wire.encoding import Json, encode
from pluggy_sandbox.wire.errors import BadRequestError, NotFoundError

blueprint = Blueprint("control", __name__, url_prefix="/_sandbox")


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
    by = timedelta(seconds=float(sent.get("advanceSeconds", 0)), days=float(sent.get("advanceDays", 0)))
    if by < timedelta(0):
        raise BadRequestError("time moves forward only")
    with here.lock:
        here.advance(by)
        if "speed" in sent:
            here.run_clock(float(sent["speed"]))
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
    here, sent = world(), body()
    with here.lock:
        item = _item(item_id)
        if item.is_running:
            raise BadRequestError("Item is already being updated", here.settings.already_updating_code)
        executions.stop(item)
        executions.start(here, item, str(sent.get("triggeredBy", "SYNC")))
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
    customer = collection.customer_of(here, item)
    held = item.holdings.accounts.get(sent.get("accountId", ""))
    if "accountId" in sent and held is None:
        raise NotFoundError("Account not found", "ACCOUNT_NOT_FOUND")
    since = instants.day_in_brazil((item.last_updated_at or here.clock.now) - timedelta(days=2))
    here.evolutions += 1
    dice = here.ids.chance("evolve", item.id, here.evolutions)
    scene = changes.Scene(here.clock.now, dice, item.holdings.collected_keys(), since)
    done = changes.Changed()
    for change in sent.get("changes") or []:
        preferred = [held.source] if held else _suited(customer.accounts, change)
        try:
            done.join(changes.make_in_first(preferred, change, scene))
        except changes.ImpossibleChangeError as exc:
            raise BadRequestError(str(exc)) from None
    return done


def _suited(accounts: list[Account], change: Json) -> list[Account]:
    """Return the accounts in the order in which a change looks for its row: pending ones live on cards."""
    pending = change.get("kind") in ("pending", "post_new_id", "post_same_id")
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
    here, sent = world(), body()
    with here.lock:
        item = _item(item_id)
        quota = here.quotas.setdefault(collection.customer_key(item), Quotas())
        quota.exhaust(sent.get("products") or item.options.products, here.clock.now)
        return answer({"used": quota.used})


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
    here = world()
    with here.lock:
        settled = here.wait_idle(float(body().get("timeoutSeconds", 30)))
        return answer({"settled": settled, "pendingDeliveries": here.courier.pending})


@blueprint.get("/requests")
def requests() -> Response:
    """List the API's requests received after number `since`."""
    here, since = world(), int(request.args.get("since", 0))
    with here.lock:
        return answer([r for r in here.requests if r["n"] > since])


@blueprint.get("/deliveries")
def deliveries() -> Response:
    """List deliveries with their attempts, oldest first: all, or the `latest` n."""
    here, latest = world(), int(request.args.get("latest", 0))
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
    payload = sent.get("payload")
    if not isinstance(payload, dict):
        raise BadRequestError("payload must be an object")
    with here.lock:
        item = here.items.get(str(payload.get("itemId")))
        sent_out = events.send(here, payload, item, headers=sent.get("headers"))
        return answer({"results": [d.view() for d in sent_out]})


@blueprint.route("/faults", methods=["GET", "PUT", "DELETE"])
def show_or_set_faults() -> Response:
    """Tell, set or end what goes wrong."""
    here = world()
    with here.lock:
        if request.method != "GET":
            try:
                here.suffer(faults.read(body() if request.method == "PUT" else {}))
            except (ValueError, TypeError) as exc:
                raise BadRequestError(str(exc)) from None
        return answer(here.faults.as_json())


@blueprint.route("/settings", methods=["GET", "PUT"])
def show_or_set_settings() -> Response:
    """Tell or change how the sandbox behaves."""
    here = world()
    with here.lock:
        if request.method == "PUT":
            try:
                here.apply(here.settings.changed(body()))
            except ValueError as exc:
                raise BadRequestError(str(exc)) from None
        return answer(here.settings.as_json())


@blueprint.post("/reset")
def reset() -> Response:
    """Begin again with nothing."""
    sent = body()
    here = current_app.extensions["sandbox"].reset(sent.get("seed"))
    return answer({"seed": here.ids.seed, "now": instants.iso(here.clock.now)})


@blueprint.put("/applications/<client_id>")
def application(client_id: str) -> Response:
    """Make an application, give it a new secret (keys already issued live on), or switch it off."""
    here, sent = world(), body()
    with here.lock:
        known = here.keyring.applications.setdefault(client_id, Application(client_id, ""))
        known.client_secret = str(sent.get("clientSecret", known.client_secret))
        known.enabled = bool(sent.get("enabled", known.enabled))
        return answer({"clientId": client_id, "enabled": known.enabled})


@blueprint.post("/keys/expire")
def expire_keys() -> Response:
    """Make every API key issued so far void."""
    world().keyring.expire_all()
    return answer({"expired": True})


@blueprint.put("/connectors/<int:connector_id>/health")
def connector_health(connector_id: int) -> Response:
    """Say how an institution is doing, and tell the webhooks."""
    here, status = world(), body().get("status")
    if status not in ("ONLINE", "UNSTABLE", "OFFLINE"):
        raise BadRequestError("status must be one of ONLINE, UNSTABLE, OFFLINE")
    with here.lock:
        health = here.health_of(found_connector(connector_id))
        health.status = status
        events.connector_event(here, connector_id, status)
        return answer(health.view())
