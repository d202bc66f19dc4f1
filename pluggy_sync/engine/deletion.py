"""Deleting an Item because the product asks: at Pluggy first, so that no orphan lives on there (Pluggy facts 3.8)."""

import structlog

from pluggy_sync.engine import items
from pluggy_sync.pluggy import rate_budget
from pluggy_sync.resources import Resources

log = structlog.get_logger(__name__)


def delete(res: Resources, item_id: str) -> None:
    """
    Delete the Item at Pluggy, then purge it here. Safe to repeat.

    Raises:
        PluggyUnavailableError, PluggyRefusedError: as the client; nothing was deleted.
    """
    with rate_budget.lane(rate_budget.Lane.PERSON):
        res.pluggy.delete_item(item_id)
    log.info("item.deleted_at_pluggy", item_id=item_id)
    # Were we to end here, `item/deleted` would purge it.
    items.purge(res, item_id)
