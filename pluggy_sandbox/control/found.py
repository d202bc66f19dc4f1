"""Items found by whoever controls the sandbox, whichever application they belong to."""

from pluggy_sandbox.errors import NotFoundError
from pluggy_sandbox.items import Item
from pluggy_sandbox.world import World


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
