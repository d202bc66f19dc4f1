"""Items found by whoever controls the sandbox, whichever application they belong to."""

from pluggy_sandbox.state.items import Item
from pluggy_sandbox.state.world import World
from pluggy_sandbox.wire.errors import NotFoundError


def any_item(world: World, item_id: str) -> Item:
    """
    Return an Item.

    Raises:
        NotFoundError: there is none with this id.
    """
    item = world.items.get(item_id)
    if item is None:
        raise NotFoundError("Item not found", "ITEM_NOT_FOUND")
    return item
