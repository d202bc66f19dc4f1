"""
Fetching an Item: ask Pluggy, decide, and write the decision down in one transaction.

Discard a fetched Item if a later fetch was saved already, or if the stored Item is newer. Nothing is lost: every
change has its own event, and every event its own fetch. If Pluggy's answer contradicts the events, one request of our
own has the Item fetched again, however many events there are.
"""

import dataclasses
from collections.abc import Collection
from datetime import datetime

import structlog

from pluggy_sync import tracing
from pluggy_sync.engine import actions, deletion, erasure, incidents, outages, requests
from pluggy_sync.engine.sync import due
from pluggy_sync.pluggy import unreadable
from pluggy_sync.pluggy.client import FETCH_ITEM
from pluggy_sync.pluggy.payloads import Item
from pluggy_sync.pluggy.unreadable import Unreadable
from pluggy_sync.resources import Resources
from pluggy_sync.rules import absence, novelties
from pluggy_sync.rules.contradictions import Contradiction, contradiction_of, is_believed
from pluggy_sync.rules.decision import Decision, Step, decide, of_view
from pluggy_sync.rules.statuses import OFFLINE
from pluggy_sync.store import connectors, contradictions, inbox, item_progress, items, sync_state, unreadable_rows
from pluggy_sync.store.bank_incidents import Source
from pluggy_sync.store.contradictions import Settlement
from pluggy_sync.store.item_progress import ItemProgress
from pluggy_sync.store.items import StoredItem
from pluggy_sync.transaction import Transaction

log = structlog.get_logger(__name__)


def exists(res: Resources, item_id: str) -> bool:
    """
    Return whether the Item is known here, a deleted one too, or Pluggy shows it. Nothing is stored.

    Raises:
        PluggyUnavailableError, PluggyRefusedError: as the client.
    """
    with res.database.begin() as conn:
        known = items.get(conn, item_id) is not None
    return known or res.pluggy.item(item_id) is not None


def fetch(res: Resources, item_id: str) -> Decision:
    """
    Fetch the Item, decide, save; return the decision.

    Raises:
        PluggyUnavailableError, PluggyRefusedError: as the client; nothing was saved.
    """
    with res.database.begin() as conn:
        progress = item_progress.get(conn, item_id)
    return fetch_at(res, item_id, progress)


def fetch_at(res: Resources, item_id: str, progress: ItemProgress, *, again: bool = False) -> Decision:
    """Fetch as `fetch` does. *progress* was read just now. *again*: this is a fetch of `fetch_again`."""
    if progress.is_deleted:
        with res.database.begin() as conn:
            # The late event named the person again.
            inbox.remove_person(conn, item_id)
        return decide(None, None, deleted=True, offline=False)
    with tracing.span("fetch item", item_id=item_id) as span:
        item = _read(res, item_id)
        if item is None:
            decision = _not_found(res, item_id, event_seq=progress.last_event_seq, again=again)
        else:
            decision = save(res, item, event_seq=progress.last_event_seq, again=again)
        span.note(outcome=decision.step.value)
    return decision


def fetch_again(res: Resources, item_id: str, progress: ItemProgress) -> Decision | None:
    """
    Fetch the Item once more because Pluggy's last answer contradicted an event; return the decision.

    None: another fetch has settled it meanwhile. After `contradictions.REFETCHES` of these the answer is believed.

    Raises:
        PluggyUnavailableError, PluggyRefusedError: as the client; nothing was saved.
    """
    with res.database.begin() as conn:
        if contradictions.get(conn, item_id).contradiction is None:
            return None
    return fetch_at(res, item_id, progress, again=True)


def _read(res: Resources, item_id: str) -> Item | None:
    """Return the Item, or None for a 404. One that cannot be read is kept as it came."""
    found = Unreadable()
    try:
        with unreadable.collecting(found):
            return res.pluggy.item(item_id)
    finally:
        if found.found_anything:
            with res.database.begin() as conn:
                unreadable_rows.save(conn, item_id, found, now=res.now())


def _not_found(res: Resources, item_id: str, *, event_seq: int, again: bool) -> Decision:
    """Purge or remove the Item if the 404 is believed; if not, request another fetch."""
    found = Contradiction.NOT_FOUND
    with res.database.begin() as conn:
        settlement = contradictions.get(conn, item_id)
        told_deleted = deletion.told(conn, item_id, after_seq=settlement.settled_seq)
    refetches = _refetches(settlement, found, again=again)
    if absence.is_checked(told=told_deleted, refetches=refetches) and deletion.is_gone(res, item_id, told=told_deleted):
        deletion.purge_or_remove(res, item_id, through=event_seq)
        return decide(None, None, deleted=False, offline=False)
    with res.begin() as tx:
        contradictions.lock(tx.conn, item_id)
        item_progress.mark_fetched(tx.conn, item_id, through=event_seq, sync_due_at=None)
        _contradict(tx, item_id, found, (), refetches=refetches, again=again, now=res.now())
    return decide(None, found, deleted=False, offline=False)


def save(res: Resources, item: Item, *, event_seq: int, again: bool = False) -> Decision:
    """
    Write down what was fetched and decided, and queue what follows from it; return the decision.

    *event_seq*: the Item's `last_event_seq` before Pluggy was asked. *again*: as `fetch_again`.
    """
    now = res.now()
    # Before the Item is locked: what is new goes to Redis, which may be slow.
    res.radar.look_at(FETCH_ITEM, item.raw, novelties.ITEM)
    with res.begin() as tx:
        conn = tx.conn
        row = items.lock(conn, item.id, now=now)
        if row.deleted_at is not None:
            return decide(None, None, deleted=True, offline=False)
        if row.client_user_id != item.client_user_id and erasure.keeps_out(tx, res, item):
            return decide(None, None, deleted=True, offline=False)
        state = sync_state.read(conn, item.id)
        if state is None:
            raise LookupError("an Item that is locked is not there")
        if event_seq < state.fetched_seq:
            # A fetch that began later was saved already.
            due.request_if_news(tx, res, state, fetched_seq=event_seq, now=now)
            return of_view(item, offline=connectors.is_offline(conn, item.connector.id))
        older = _is_older(row, item)
        settlement, told = contradictions.get_with_told(conn, item.id, through_seq=event_seq)
        view = row if older else item
        found = contradiction_of(told, view, settlement.settled)
        refetches = 0 if found is None else _refetches(settlement, found, again=again)
        open_contradiction = None if found is None or is_believed(found, refetches=refetches) else found
        offline = connectors.is_offline(conn, item.connector.id) if older else _write_connector(tx, item, now=now)
        decision = decide(item, open_contradiction, deleted=False, offline=offline)
        if not older and decision.step is not Step.FETCH_AGAIN:
            items.save(conn, item, application=res.settings.pluggy_client_id, now=now)
            asks = state.has_unsettled_actions or decision.need is not None
            if asks and not state.is_replaced:
                actions.apply(tx, res, item, decision, before=row.raw, now=now)
            state = dataclasses.replace(state, item=item)
        # Last: webhook intake waits for the row that these write.
        settled = contradictions.settled(view, through=event_seq, told=told) if open_contradiction is None else {}
        due.request_if_news(tx, res, state, fetched_seq=event_seq, settled=settled, now=now)
        if open_contradiction is not None:
            _contradict(tx, item.id, open_contradiction, told, refetches=refetches, again=again, now=now)
    if found is not None and open_contradiction is None:
        log.warning("item.contradiction_believed", item_id=item.id, contradiction=found, next="Pluggy's answer stands")
    return decision


def _is_older(row: StoredItem, item: Item) -> bool:
    return row.updated_at is not None and item.updated_at is not None and item.updated_at < row.updated_at


def _write_connector(tx: Transaction, item: Item, *, now: datetime) -> bool:
    """Keep what the Item shows of its connector; return whether the bank is offline."""
    connector = item.connector
    seen = connectors.save(tx.conn, connector, now=now)
    if connector.id is not None and seen.changed:
        outages.status_changed(tx, connector.id, seen.before, seen.after, name=connector.name, now=now)
    if connector.id is not None and connector.incidents is not None and (connector.incidents or seen.has_incidents):
        incidents.note(tx, connector.id, connector.incidents, Source.ITEM, now=now)
        return connectors.is_offline(tx.conn, connector.id)
    return seen.after == OFFLINE or seen.is_away


def _refetches(settlement: Settlement, found: Contradiction, *, again: bool) -> int:
    """Return how often the Item was fetched again because of this contradiction, this fetch included."""
    if settlement.contradiction is not found:
        return 0
    return settlement.refetches + again


def _contradict(
    tx: Transaction,
    item_id: str,
    found: Contradiction,
    told: Collection[str],
    *,
    refetches: int,
    again: bool,
    now: datetime,
) -> None:
    """Record the contradiction, and ask for another fetch. If this is that fetch, its request is rescheduled."""
    contradictions.contradict(tx.conn, item_id, found, refetches=refetches)
    if not again:
        requests.fetch_again(tx, item_id, told, now=now)
    log.info("item.contradicts_its_event", item_id=item_id, contradiction=found, refetches=refetches)
