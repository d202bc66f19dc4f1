"""Things found by their id, if they are the caller's to see; a 404 otherwise (Pluggy facts 1.2)."""

from collections.abc import Iterable

from pluggy_sandbox.holdings.accounts import HeldAccount
from pluggy_sandbox.state.items import Item
from pluggy_sandbox.state.keys import Caller
from pluggy_sandbox.state.webhooks import Webhook
from pluggy_sandbox.state.world import World
from pluggy_sandbox.wire.encoding import Json
from pluggy_sandbox.wire.errors import ForbiddenError, NotFoundError


def found_item(world: World, caller: Caller, item_id: str) -> Item:
    """
    Return an Item.

    Raises:
        NotFoundError: ITEM_NOT_FOUND.
        ForbiddenError: it is not the connect token's own.
    """
    item = world.items.get(item_id)
    if item is None or item.client_id != caller.client_id:
        raise NotFoundError("Item not found", "ITEM_NOT_FOUND")
    if caller.is_widget and item_id != caller.item_id and item.token_id != caller.token_id:
        raise ForbiddenError("Forbidden")
    return item


def items_of(world: World, caller: Caller) -> list[Item]:
    """Return every Item of the caller's application."""
    return [item for item in world.items.values() if item.client_id == caller.client_id]


def readable_items(world: World, caller: Caller) -> list[Item]:
    """Return the Items whose data may be read: without a consent, single objects are as hidden as lists are empty."""
    return [item for item in items_of(world, caller) if not item.authorization.is_revoked]


def found_account(world: World, caller: Caller, account_id: str) -> tuple[Item, HeldAccount]:
    """
    Return an account and whose it is, a hidden one too: its lists are empty then.

    Raises:
        NotFoundError: ACCOUNT_NOT_FOUND.
    """
    for item in items_of(world, caller):
        held = item.holdings.accounts.get(account_id)
        if held is not None:
            return item, held
    raise NotFoundError("Account not found", "ACCOUNT_NOT_FOUND")


def shown_account(world: World, caller: Caller, account_id: str) -> HeldAccount:
    """
    Return an account that may be shown.

    Raises:
        NotFoundError: ACCOUNT_NOT_FOUND, also where the consent was withdrawn.
    """
    item, held = found_account(world, caller, account_id)
    if item.authorization.is_revoked:
        raise NotFoundError("Account not found", "ACCOUNT_NOT_FOUND")
    return held


def one(views: Iterable[Json], wanted: str, what: str) -> Json:
    """
    Return the view whose id is *wanted*; *what* says what they show.

    Raises:
        NotFoundError: there is none.
    """
    view = next((v for v in views if v["id"] == wanted), None)
    if view is None:
        raise NotFoundError(f"{what.capitalize()} not found", f"{what.upper()}_NOT_FOUND")
    return view


def found_webhook(world: World, caller: Caller, webhook_id: str) -> Webhook:
    """
    Return a webhook.

    Raises:
        NotFoundError: WEBHOOK_NOT_FOUND.
    """
    hook = world.webhooks.get(webhook_id)
    if hook is None or hook.client_id != caller.client_id:
        raise NotFoundError("Webhook not found", "WEBHOOK_NOT_FOUND")
    return hook
