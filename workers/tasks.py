"""The tasks: ids in, nothing out, safe to run twice."""

from pluggy_sync import queue
from pluggy_sync.engine import (
    erasure,
    events,
    freshness_counting,
    incidents,
    pruning,
    reconciliation,
    reminders,
    succession,
    watchdog,
)
from pluggy_sync.engine import sweep as sweeping
from pluggy_sync.engine.sync import item as item_sync
from pluggy_sync.notifications import delivery
from pluggy_sync.pluggy import rate_budget
from workers import aside
from workers.app import app
from workers.process_resources import resources

# Of the half minute between two: the process is one of those that sweep.
PRUNE_WITHIN_S = 5.0


@app.task(name=queue.HANDLE_EVENT)
def handle_event(event_id: str) -> None:
    """Handle one stored event."""
    events.handle_event(resources(), event_id)


@app.task(name=queue.HANDLE_URGENT_EVENT)
def handle_urgent_event(event_id: str) -> None:
    """Handle one stored event that a person waits for: it may use all of the budget."""
    with rate_budget.lane(rate_budget.Lane.PERSON):
        events.handle_event(resources(), event_id)


@app.task(name=queue.SYNC_ITEM)
def sync_item(item_id: str) -> None:
    """Sync one Item, if there is anything to sync."""
    item_sync.sync_item(resources(), item_id)


@app.task(name=queue.READ_STATUS_PAGE)
def read_status_page() -> None:
    """Keep what Pluggy's status page tells of banks."""
    incidents.read_status_page(resources())


@app.task(name=queue.FIND_PREDECESSORS)
def find_predecessors(item_id: str) -> None:
    """Look for the Items whose place this one took."""
    succession.find_predecessors(resources(), item_id)


@app.task(name=queue.DELIVER)
def deliver(delivery_id: str) -> None:
    """Deliver one notification to one endpoint."""
    aside.run(lambda: delivery.deliver(resources(), delivery_id), name=queue.DELIVER, argument=delivery_id)


@app.task(name=queue.DELIVER_URGENT)
def deliver_urgent(delivery_id: str) -> None:
    """Deliver one notification that a person waits for to one endpoint."""
    aside.run(
        lambda: delivery.deliver(resources(), delivery_id, is_urgent=True),
        name=queue.DELIVER_URGENT,
        argument=delivery_id,
    )


@app.task(name=queue.SWEEP)
def sweep() -> None:
    """Queue again whatever is due."""
    sweeping.sweep(resources())


@app.task(name=queue.REMIND)
def remind() -> None:
    """Send what the clock makes due: reminders, warnings, news of stale Items."""
    reminders.remind(resources())


@app.task(name=queue.FIND_MISSED)
def find_missed() -> None:
    """Find Items that were silent for too long, and Items that are due for reconciliation."""
    reconciliation.find_missed(resources())


@app.task(name=queue.WATCH)
def watch() -> None:
    """Look for trouble in what is ours."""
    watchdog.watch(resources())


@app.task(name=queue.WATCH_PLUGGY)
def watch_pluggy() -> None:
    """Look for trouble at Pluggy: our credentials, our webhook."""
    watchdog.watch_pluggy(resources())


@app.task(name=queue.PRUNE)
def prune() -> None:
    """Remove what is over its life, for some seconds."""
    pruning.prune(resources(), within_s=PRUNE_WITHIN_S)


@app.task(name=queue.COUNT_FRESHNESS)
def count_freshness() -> None:
    """Count how many Items of each bank are how fresh."""
    freshness_counting.count(resources())


@app.task(name=queue.RECONCILE)
def reconcile(item_id: str) -> None:
    """Compare everything stored of one Item with Pluggy."""
    reconciliation.reconcile_if_due(resources(), item_id)


@app.task(name=queue.ERASE)
def erase(erasure_id: str) -> None:
    """Go on with the erasure of one person."""
    erasure.work(resources(), erasure_id)


@app.task(name=queue.RECONCILE_NOW)
def reconcile_now(item_id: str) -> None:
    """Compare everything stored of one Item with Pluggy, though that was done lately."""
    reconciliation.reconcile(resources(), item_id)
