"""Storing a delivery: as an event that is handled soon, or kept for an operator when nothing can be done with it."""

from dataclasses import replace
from enum import StrEnum

import structlog
from sqlalchemy.exc import DataError, DBAPIError, StatementError

from pluggy_sync import events, queue
from pluggy_sync.resources import Resources
from pluggy_sync.store import inbox

log = structlog.get_logger(__name__)


class Result(StrEnum):
    """What became of a delivery. It is committed in each case."""

    RECORDED = "recorded"
    REPEATED = "repeated"
    KEPT = "kept"


def store(res: Resources, body: bytes) -> Result:
    """Store what *body* says, and queue the event if it is one. What cannot be read at all is kept as it came."""
    try:
        event = events.parse(body)
    except events.UnparsableError as exc:
        return _keep_unparsable(res, body, str(exc))
    if event.client_id is not None and event.client_id != res.settings.pluggy_client_id:
        return _keep_foreign(res, event)
    if not event.can_be_acted_on:
        return _keep_unparsable(res, body, f"missing or wrong: {', '.join(event.unread)}", unread=event.unread)
    try:
        return _record(res, event, body)
    except StatementError as exc:
        if isinstance(exc, DBAPIError) and not isinstance(exc, DataError):
            raise
        # Postgres cannot hold something in it. What we understand of it, it can.
        return _record(res, replace(event, payload=event.essence(), unread=(*event.unread, "payload")), body)


def keep(res: Resources, body: bytes, why: str) -> Result:
    """Keep a body that is no JSON, as it came."""
    return _keep_unparsable(res, body, why)


def _record(res: Resources, event: events.Event, body: bytes) -> Result:
    """
    Record *event* and queue it, repeats included.

    A repeat is queued again on purpose: if the queue was down the first time, Pluggy's retry repairs it, and a
    worker passes over an event that is done.
    """
    raw = body if event.unread else None
    with res.begin() as tx:
        recorded = inbox.record(tx.conn, event, received_at=res.now(), raw=raw)
        tx.after_commit(queue.HANDLE_EVENT, recorded.event_id)
    result = Result.RECORDED if recorded.is_new else Result.REPEATED
    about: dict[str, object] = {"event_id": recorded.event_id, "item_id": event.item_id, "event_name": event.name}
    if event.connector_id is not None:
        about["connector_id"] = event.connector_id
    if event.unread and recorded.is_new:
        log.warning("webhook.partly_unread", **about, unread=event.unread, next="the rest is handled")
    log.info("webhook.stored", result=result, **about)
    return result


def _keep_unparsable(res: Resources, body: bytes, why: str, unread: tuple[str, ...] = ()) -> Result:
    event_id = events.id_of_body(body)
    now = res.now()
    with res.database.begin() as conn:
        inbox.record_kept(
            conn, event_id, events.UNPARSABLE, "unparsable", received_at=now, raw=body, unread=unread or ("body",)
        )
    log.error("webhook.unparsable", event_id=event_id, reason=why, next="kept for an operator")
    return Result.KEPT


def _keep_foreign(res: Resources, event: events.Event) -> Result:
    """Keep what is authentic but of another application; it is never acted on."""
    with res.database.begin() as conn:
        inbox.record_kept(conn, event.event_id, event.name, "foreign", received_at=res.now(), payload=event.essence())
    log.error("webhook.foreign", event_id=event.event_id, reason="clientId is not ours", next="kept, not handled")
    return Result.KEPT
