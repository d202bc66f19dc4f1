"""
Webhook intake, `POST /webhooks/pluggy`: authenticate, bound, parse, store, queue, answer.

A 2xx means that the event is committed. 401 is only for strangers, since Pluggy does not try it again; our own
trouble is 503, which it does (Pluggy facts 2.5). What cannot be parsed is kept for an operator and answered 2xx.
"""

import hmac

import structlog
from flask import Blueprint, Response, jsonify, request
from sqlalchemy.exc import DataError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import RequestEntityTooLarge

from pluggy_sync import events, queue
from pluggy_sync.metrics import count_rejected
from pluggy_sync.store import inbox
from webhook_app.app_resources import resources

blueprint = Blueprint("intake", __name__)

log = structlog.get_logger(__name__)

Answer = tuple[Response, int]


@blueprint.post("/webhooks/pluggy")
def receive() -> Answer:
    """
    Record one delivery and queue its event, repeats included.

    A repeat is queued again on purpose: if the queue was down the first time, Pluggy's retry repairs it, and a
    worker passes over an event that is done.
    """
    if not _authentic():
        log.warning("webhook.rejected", reason="wrong or missing secret")
        count_rejected(resources().redis)
        return _answer("rejected", 401)
    if request.mimetype != "application/json":
        return _answer("not application/json", 415)
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge:
        log.warning("webhook.too_large", limit=resources().settings.webhook_max_bytes)
        return _answer("too large", 413)
    try:
        return _store(body)
    except (DBAPIError, PoolTimeoutError) as exc:
        log.exception("webhook.not_stored", error=type(exc).__name__, next="Pluggy sends it again")
        return _answer("not stored", 503)


def _authentic() -> bool:
    """Compare with every valid secret, always all of them, so that the time taken tells nothing."""
    settings = resources().settings
    given = request.headers.get(settings.webhook_secret_header, "").encode()
    matches = [hmac.compare_digest(given, secret.encode()) for secret in settings.webhook_secrets]
    return any(matches)


def _store(body: bytes) -> Answer:
    try:
        return _store_event(events.parse(body))
    except events.UnparsableError as exc:
        return _keep_unparsable(body, str(exc))
    except DataError:
        # JSON, but with a null character or a number beyond what Postgres can hold. No retry heals that.
        return _keep_unparsable(body, "holds what Postgres cannot")


def _store_event(event: events.Event) -> Answer:
    if event.client_id is not None and event.client_id != resources().settings.pluggy_client_id:
        return _keep_foreign(event)
    with resources().database.begin() as conn:
        new = inbox.record(conn, event, received_at=resources().now())
    resources().send(queue.HANDLE_EVENT, event.event_id)
    result = "recorded" if new else "repeated"
    log.info("webhook.stored", result=result, event_id=event.event_id, item_id=event.item_id, event_name=event.name)
    return _answer(result, 202)


def _keep_unparsable(body: bytes, why: str) -> Answer:
    event_id = events.id_of_unparsable(body)
    with resources().database.begin() as conn:
        inbox.record_kept(conn, event_id, events.UNPARSABLE, "unparsable", received_at=resources().now(), raw=body)
    log.error("webhook.unparsable", event_id=event_id, reason=why, next="kept for an operator")
    return _answer("kept", 202)


def _keep_foreign(event: events.Event) -> Answer:
    """Keep what is authentic but of another application; it is never acted on."""
    with resources().database.begin() as conn:
        inbox.record_kept(
            conn, event.event_id, event.name, "foreign", received_at=resources().now(), payload=event.payload
        )
    log.error("webhook.foreign", event_id=event.event_id, reason="clientId is not ours", next="kept, not handled")
    return _answer("kept", 202)


def _answer(result: str, status: int) -> Answer:
    return jsonify({"result": result}), status
