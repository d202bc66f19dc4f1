"""
Items that are gone: because the product deletes them, because Pluggy says so, or because Pluggy never knew them.

A 404 alone proves nothing: with the keys of another application every Item is a 404. It counts if Pluggy shows another
Item of ours, the witness, at the same time.
"""

import structlog
from redis.exceptions import RedisError
from sqlalchemy import Connection

from pluggy_sync import events
from pluggy_sync.engine import succession
from pluggy_sync.engine.errors import CannotActError
from pluggy_sync.notifications import messages
from pluggy_sync.pluggy.urgency import somebody_waits
from pluggy_sync.resources import Resources
from pluggy_sync.rules import absence, refusals
from pluggy_sync.rules.decision import Step
from pluggy_sync.store import contradictions, endpoints, inbox, item_progress, items, outbox, series

log = structlog.get_logger(__name__)

# Pluggy is asked for at most this many other Items, until it shows one.
WITNESSES = 5
# One alert in this time, however many Items there are. The metric has their number.
_ALERT_EVERY_S = 600
_ALERTED = "pluggy-sync:alerted:items_not_found"


def delete(res: Resources, item_id: str) -> None:
    """
    Delete the Item at Pluggy, then purge it here; forget it if Pluggy never knew it. Safe to repeat.

    At Pluggy first: an Item that is deleted only here would live on there (Pluggy facts 3.8).

    Raises:
        PluggyUnavailableError, PluggyRefusedError: as the client; nothing was deleted.
        CannotActError: Pluggy answers 404 for this Item and for all others that were asked for.
    """
    with res.database.begin() as conn:
        through = item_progress.get(conn, item_id).last_event_seq
    with somebody_waits():
        was_there = res.pluggy.delete_item(item_id)
        if not was_there and not is_gone(res, item_id, told=True):
            raise CannotActError(
                refusals.NOT_NOW,
                "Pluggy answers 404 for every Item, as with another application's keys. Nothing was deleted.",
                more={"retryAt": None},
            )
    if not was_there:
        purge_or_remove(res, item_id, through=through)
        return
    log.info("item.deleted_at_pluggy", item_id=item_id)
    # If the process ends here, the event `item/deleted` purges it.
    purge(res, item_id)


def told(conn: Connection, item_id: str, *, after_seq: int) -> bool:
    """Return whether an `item/deleted` of the Item came after the event *after_seq*."""
    through = item_progress.get(conn, item_id).last_event_seq
    return events.ITEM_DELETED in contradictions.told(conn, item_id, after_seq=after_seq, through_seq=through)


def is_gone(res: Resources, item_id: str, *, told: bool) -> bool:
    """
    Return whether a 404 means that the Item is gone: ask Pluggy for others of ours, then `rules.absence` decides.

    *told*: an `item/deleted`, or the product, said that it is gone.

    Raises:
        PluggyUnavailableError, PluggyRefusedError: as the client.
    """
    with res.database.begin() as conn:
        row = items.get(conn, item_id)
        witnesses = contradictions.others_to_ask(conn, item_id, limit=WITNESSES)
    evidence = absence.Evidence(
        witness_shown=any(res.pluggy.item(each) is not None for each in witnesses),
        witnesses_asked=len(witnesses),
        told=told,
        never_seen=row is None or row.status is None,
        same_application=row is not None and row.application == res.settings.pluggy_client_id,
    )
    if absence.is_gone(evidence):
        return True
    _alert(res, item_id, asked=len(witnesses))
    return False


def _alert(res: Resources, item_id: str, *, asked: int) -> None:
    try:
        first = bool(res.redis.set(_ALERTED, 1, nx=True, ex=_ALERT_EVERY_S))
    except RedisError:
        first = True
    if first:
        log.error(
            "pluggy.shows_none_of_our_items",
            item_id=item_id,
            others_asked=asked,
            next="nothing is purged; check PLUGGY_CLIENT_ID and PLUGGY_API_URL",
        )


def purge_or_remove(res: Resources, item_id: str, *, through: int) -> None:
    """Purge an Item that Pluggy shows no more; remove one that it never showed. *through*: as `items.remove_unseen`."""
    with res.database.begin() as conn:
        row = items.get(conn, item_id)
        seen = row is not None and (row.status is not None or row.deleted_at is not None)
        if not seen:
            removed = items.remove_unseen(conn, item_id, through=through, now=res.now())
            log.info("item.removed" if removed else "item.not_removed", item_id=item_id)
            return
    purge(res, item_id)


def purge(res: Resources, item_id: str) -> None:
    """
    Purge everything of the Item, leave its tombstone, and tell the product, once.

    Of an Item that was replaced, what its successor lacks is kept as the successor's history. It is purged with the
    successor.
    """
    now = res.now()
    with res.begin() as tx:
        conn = tx.conn
        succession.lock_with_predecessors(conn, item_id)
        row = items.lock(conn, item_id, now=now)
        if row.deleted_at is not None:
            return
        # If no product is told, the notification stays in the outbox. Then it must name nobody.
        endpoints.follow_settings(conn, res.settings.product_webhook_url)
        is_told = any(each.url_digest or each.url for each in endpoints.receivers(conn, messages.DELETED))
        client_user_id = row.client_user_id if is_told else None
        if row.replaced_by is None:
            succession.end(tx, item_id, now=now)
            items.purge(conn, item_id, now=now)
        else:
            series.remove_what_successors_have(conn, item_id)
            items.purge_all_but_history(conn, item_id, now=now)
        # A notification that is being delivered at this moment comes first.
        due_at = outbox.drop_of_item(conn, item_id)
        inbox.remove_person(conn, item_id)
        inbox.finish_of_item(conn, item_id, Step.IGNORE.value, now=now)
        messages.deleted(tx, item_id, client_user_id, replaced_by=row.replaced_by, due_at=due_at, now=now)
        through = item_progress.get(conn, item_id).last_event_seq
        contradictions.settle(conn, item_id, None, through=through, told={})
    log.info("item.purged", item_id=item_id)
