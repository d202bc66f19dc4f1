"""The tasks: ids in, nothing out, safe to run twice."""

from pluggy_sync import queue
from pluggy_sync.engine import handling, reconciling, reminding, sweeping, syncing
from pluggy_sync.notifications import delivery
from workers.app import app
from workers.held import resources


@app.task(name=queue.HANDLE_EVENT)
def handle_event(event_id: str) -> None:
    """Handle one stored event."""
    handling.handle_event(resources(), event_id)


@app.task(name=queue.SYNC_ITEM)
def sync_item(item_id: str) -> None:
    """Sync one Item, if anything is wanted."""
    syncing.sync_item(resources(), item_id)


@app.task(name=queue.DELIVER)
def deliver(notification_id: str) -> None:
    """Deliver one notification to the product."""
    delivery.deliver(resources(), notification_id)


@app.task(name=queue.SWEEP)
def sweep() -> None:
    """Queue again whatever is due."""
    sweeping.sweep(resources())


@app.task(name=queue.REMIND)
def remind() -> None:
    """Say again, and say in time, what persons and the product have to know."""
    reminding.remind(resources())


@app.task(name=queue.LOOK_FOR_MISSED)
def look_for_missed() -> None:
    """Find Items that stayed silent or are due for reconciliation."""
    reconciling.look_for_missed(resources())


@app.task(name=queue.RECONCILE)
def reconcile(item_id: str) -> None:
    """Compare everything stored of one Item with Pluggy."""
    reconciling.reconcile(resources(), item_id)
