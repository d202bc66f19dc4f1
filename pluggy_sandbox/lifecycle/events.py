"""Events: what a payload holds, and to whom it goes (Pluggy facts 2.3, 2.4)."""

from pluggy_sandbox.holdings.holdings import AccountChanges
from pluggy_sandbox.state.deliveries import Delivery, Target
from pluggy_sandbox.state.items import Item
from pluggy_sandbox.state.world import World
from pluggy_sandbox.wire.encoding import Json
from pluggy_sandbox.wire.instants import iso

MOST_UPDATED_IDS = 400  # in one event (Pluggy facts 13.5)
_WITHOUT_TRIGGER = ("item/deleted", "transactions/deleted")


def item_event(world: World, item: Item, event: str, triggered_by: str, **more: object) -> None:
    """Tell of something that happened to *item*."""
    item.events += 1
    event_id = world.ids.of("event", item.id, item.events)
    payload: Json = {"event": event, "eventId": event_id, "itemId": item.id}
    variants = world.settings.payloads
    if variants.triggered_by_everywhere or event not in _WITHOUT_TRIGGER:
        payload["triggeredBy"] = triggered_by
    if variants.client_user_id:
        payload["clientUserId"] = item.options.client_user_id
    _vary(world, payload, item.client_id, entity_id=str(more.get("accountId") or item.id))
    item.staged.not_found_left = world.faults.not_found_after_event
    send(world, payload | more, item)


def transaction_events(world: World, item: Item, changes: AccountChanges, triggered_by: str) -> None:
    """Tell what an execution did to the transactions of one account; nothing if it did nothing."""
    account = {"accountId": changes.account_id}
    if changes.created_count:
        item_event(world, item, "transactions/created", triggered_by, **account, **_created(world, item, changes))
    told = [("transactions/updated", ids) for ids in _chunks(changes.updated, MOST_UPDATED_IDS)]
    told += [("transactions/deleted", changes.deleted)] if changes.deleted else []
    for event, ids in told:
        item_event(world, item, event, triggered_by, **account, transactionIds=ids, transactionsCount=len(ids))


def _chunks(ids: list[str], size: int) -> list[list[str]]:
    return [ids[at : at + size] for at in range(0, len(ids), size)]


def connector_event(world: World, connector_id: int, status: str) -> None:
    """Tell how an institution is doing."""
    world.connector_events += 1
    payload: Json = {
        "event": "connector/status_updated",
        "eventId": world.ids.of("connector event", world.connector_events),
        "connectorId": connector_id,
        "data": {"status": status},
    }
    _vary(world, payload, None, entity_id=str(connector_id))
    send(world, payload, None)


def send(world: World, payload: Json, item: Item | None, headers: dict[str, str] | None = None) -> list[Delivery]:
    """
    Deliver *payload* to every registration that wants it, and to the item's own address.

    *headers*, where given, replace those of the registrations: a forger does not know them.
    """
    event = str(payload.get("event"))
    targets = [
        Target(hook.url, webhook_id=hook.id, headers=hook.headers if headers is None else headers)
        for hook in world.webhooks.values()
        if hook.wants(event) and (item is None or hook.client_id == item.client_id)
    ]
    if item is not None and item.options.webhook_url:
        targets.append(Target(item.options.webhook_url, item_id=item.id))
    return [world.courier.send(payload, target) for target in targets]


def _created(world: World, item: Item, changes: AccountChanges) -> Json:
    since = iso(item.holdings.seen or world.clock.now)
    query = f"accountId={changes.account_id}&createdAtFrom={since}"
    v2 = f"{world.address}/v2/transactions?{query}"
    # For applications made before June 2026 the plain link is the old endpoint's (Pluggy facts 2.4, link trap).
    links: Json = {"createdTransactionsLink": v2}
    if world.settings.payloads.links_v2:
        links = {
            "createdTransactionsLink": f"{world.address}/transactions?{query}",
            "createdTransactionsLinkV2": v2,
        }
    return {
        "transactionsCount": changes.created_count,
        "transactionsMinDate": iso(changes.min_date or world.clock.now),
        "transactionsCreatedAtFrom": since,
        **links,
    }


def _vary(world: World, payload: Json, client_id: str | None, entity_id: str) -> None:
    variants = world.settings.payloads
    if variants.id:
        payload["id"] = entity_id
    if variants.client_id and client_id:
        payload["clientId"] = client_id
    if variants.unknown_keys:
        payload["somethingNew"] = {"level": 1, "words": ["unknown", "to", "every", "reader"]}
