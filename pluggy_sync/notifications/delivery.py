"""
Delivering notifications: Standard Webhooks, signed, tried again over days, every attempt logged.

2xx is success. 410 stops the endpoint (product contract). Everything else is tried again. The notifications of one Item
go to an endpoint in order, one after the other; those of different Items at the same time. A failing endpoint gets one
notification at a time: it costs one worker and spends few tries. After days it is stopped too.

What one endpoint does changes nothing for another: each has deliveries of its own, and no more than a share of the
workers is with one endpoint.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx
import structlog
from sqlalchemy import Connection
from standardwebhooks import Webhook

from pluggy_sync import queue, tallies, tracing
from pluggy_sync.notifications import addresses, answers, messages
from pluggy_sync.notifications.addresses import SecretLostError
from pluggy_sync.product_client import Answer, NoAnswerError
from pluggy_sync.resources import Resources
from pluggy_sync.rules import backoff, redelivery
from pluggy_sync.store import deliveries, endpoints, outbox
from pluggy_sync.store.deliveries import Delivery, First
from pluggy_sync.store.endpoints import Endpoint
from pluggy_sync.transaction import Transaction

log = structlog.get_logger(__name__)

# For all of a delivery, from the claim to the status of the answer.
TIMEOUT_S = 15.0
# The claim lasts longer than the delivery: its end has to be written too.
CLAIM = timedelta(seconds=TIMEOUT_S + 10)
# A queued delivery is queued again after this time, in case Redis lost it.
QUEUE_AGAIN_AFTER = timedelta(seconds=30)
# Queued at once when an endpoint works again; the sweep brings the rest.
BATCH = 500
# To one endpoint at once, from all workers together: one that answers in 50 ms takes 320 a second.
AT_ONCE = 16
# And so many more that a person waits for.
URGENT_AT_ONCE = 8


@dataclass(frozen=True, kw_only=True)
class _Claimed:
    """A delivery to make. *is_probe*: its endpoint fails. *is_crowded*: others wait because this many are under way."""

    delivery: Delivery
    endpoint: Endpoint
    is_probe: bool
    is_crowded: bool


def due(conn: Connection, endpoint: Endpoint, *, now: datetime, limit: int) -> Sequence[First]:
    """Return up to *limit* deliveries to queue now for the endpoint; they count as queued."""
    if not endpoint.is_live:
        return []
    if endpoint.failing_since is not None:
        if not endpoint.may_be_probed(now):
            return []
        limit = 1
    return deliveries.take_due(conn, endpoint.id, messages.URGENT, now=now, until=now + QUEUE_AGAIN_AFTER, limit=limit)


def queue_due(tx: Transaction, *, environment_url: str | None, now: datetime, limit: int) -> None:
    """Queue up to *limit* deliveries of each endpoint that are due."""
    endpoints.follow_settings(tx.conn, environment_url)
    for endpoint in endpoints.all_(tx.conn):
        if endpoint.id != endpoints.ENVIRONMENT or environment_url is not None:
            _queue(tx, due(tx.conn, endpoint, now=now, limit=limit))


def deliver(res: Resources, delivery_id: str, *, is_urgent: bool = False) -> None:
    """
    Make one delivery: this one, or the one of its Item to the same endpoint that comes before it.

    Does nothing if it is not due, or another worker makes it. Safe to repeat. *is_urgent*: a person waits for it; even
    if `AT_ONCE` deliveries to the endpoint are under way, `URGENT_AT_ONCE` more are made.
    """
    if not delivery_id.isdecimal():
        return
    # Counted from before the claim. A process that was stopped in between finds its time over and sends nothing.
    deadline = time.monotonic() + TIMEOUT_S
    started_at = res.now()
    most = AT_ONCE + (URGENT_AT_ONCE if is_urgent else 0)
    claimed = _claim(res, int(delivery_id), most=most, now=started_at)
    if claimed is None:
        return
    delivery = claimed.delivery
    began = time.monotonic()
    about = {"item_id": delivery.item_id, "endpoint_id": delivery.endpoint_id}
    with tracing.span("deliver notification", kind="client", **about) as span:
        answer, error = _post(res, claimed, timeout_s=deadline - began)
        status_code = None if answer is None else answer.status_code
        span.note(status_code=status_code, outcome="no_answer" if answer is None else None)
    # The deliveries that are queued here tell of other events.
    with tracing.apart(), res.begin() as tx:
        _conclude(tx, claimed, answer, now=res.now())
        deliveries.record_attempt(
            tx.conn,
            delivery,
            started_at=started_at,
            duration_ms=round((time.monotonic() - began) * 1000),
            status_code=status_code,
            error=error,
            # A product may say in it whom it is about. After `item.deleted` nothing here names the person.
            answer=None if answer is None or delivery.type == messages.DELETED else answers.beginning(answer),
        )
    _tally(res, delivery, status_code)
    log.info(
        "notification.tried",
        notification_id=delivery.notification_id,
        endpoint_id=delivery.endpoint_id,
        type=delivery.type,
        item_id=delivery.item_id,
        status_code=status_code,
        error=error,
        attempt=delivery.attempts,
    )


def _tally(res: Resources, delivery: Delivery, status_code: int | None) -> None:
    res.tallies.count(tallies.ATTEMPTS, "no_answer" if status_code is None else f"{status_code // 100}xx")
    if delivery.received_at is not None and status_code is not None and httpx.codes.is_success(status_code):
        lane = tallies.URGENT if delivery.type in messages.URGENT else tallies.OTHER
        res.tallies.time(tallies.NOTIFIED_AFTER, (res.now() - delivery.received_at).total_seconds(), lane)


def _claim(res: Resources, delivery_id: int, *, most: int, now: datetime) -> _Claimed | None:
    """Return the claimed delivery; None: there is nothing to deliver."""
    with res.database.begin() as conn:
        endpoint = _endpoint_of(res, conn, delivery_id)
        under_way = 0 if endpoint is None else deliveries.under_way(conn, endpoint.id, now=now)
        if endpoint is None or under_way >= most:
            return None
        is_probe = endpoint.failing_since is not None
        if is_probe and not endpoints.take_probe(conn, endpoint.id, now=now, until=now + CLAIM):
            return None
        delivery = deliveries.claim(conn, delivery_id, now=now, until=now + CLAIM)
        if delivery is not None:
            is_crowded = 2 * (under_way + 1) >= AT_ONCE
            return _Claimed(delivery=delivery, endpoint=endpoint, is_probe=is_probe, is_crowded=is_crowded)
        if is_probe:
            endpoints.release_probe(conn, endpoint.id)
        return None


def _endpoint_of(res: Resources, conn: Connection, delivery_id: int) -> Endpoint | None:
    """Return the endpoint of the delivery, if anything is sent there."""
    endpoint_id = deliveries.endpoint_of(conn, delivery_id)
    if endpoint_id == endpoints.ENVIRONMENT:
        if res.settings.product_webhook_url is None:
            return None
        endpoints.follow_settings(conn, res.settings.product_webhook_url)
    endpoint = None if endpoint_id is None else endpoints.get(conn, endpoint_id)
    return endpoint if endpoint is not None and endpoint.is_live else None


def _conclude(tx: Transaction, claimed: _Claimed, answer: Answer | None, *, now: datetime) -> None:
    delivery, endpoint_id = claimed.delivery, claimed.endpoint.id
    if claimed.is_probe:
        endpoints.release_probe(tx.conn, endpoint_id)
    if answer is not None and httpx.codes.is_success(answer.status_code):
        deliveries.mark_delivered(tx.conn, delivery.id, now=now)
        _settled(tx, delivery)
        if endpoints.mark_working(tx.conn, endpoint_id):
            log.info("endpoint.works_again", endpoint_id=endpoint_id)
            deliveries.count_none_as_queued(tx.conn, endpoint_id)
            _queue_more(tx, endpoint_id, now=now, limit=BATCH)
        elif claimed.is_crowded:
            # Messages were dropped while too many were under way.
            _queue_more(tx, endpoint_id, now=now, limit=2)
    elif answer is not None and answer.status_code == httpx.codes.GONE:
        # All of them wait until an operator resumes the endpoint.
        deliveries.reschedule(tx.conn, delivery, due_at=now)
        stop(tx, endpoint_id, endpoints.GONE, now=now)
    else:
        _conclude_failure(tx, claimed, answer, now=now)


def stop(tx: Transaction, endpoint_id: str, reason: str, *, now: datetime) -> None:
    """Send nothing more to the endpoint, and tell the others, unless it was stopped before."""
    if endpoints.stop(tx.conn, endpoint_id, reason, now=now):
        log.error(
            "endpoint.stopped",
            endpoint_id=endpoint_id,
            reason="it answered 410" if reason == endpoints.GONE else "it failed for days",
            next=f"pluggy-sync endpoints resume {endpoint_id}",
        )
        messages.endpoint_disabled(tx, endpoint_id, reason, now=now)


def _conclude_failure(tx: Transaction, claimed: _Claimed, answer: Answer | None, *, now: datetime) -> None:
    delivery = claimed.delivery
    endpoint = endpoints.lock(tx.conn, claimed.endpoint.id)
    if endpoint is None:
        return
    asked_for = redelivery.wait_asked_for(None if answer is None else answer.retry_after, now=now)
    if endpoint.failing_since is None:
        # Perhaps the product cannot take this notification. Another one is tried at once.
        retry_at = now + asked_for
        log.warning("endpoint.fails", endpoint_id=endpoint.id, next="one notification at a time")
    else:
        wait = redelivery.wait_for_endpoint(now - endpoint.failing_since)
        retry_at = now + max(backoff.spread(wait), asked_for)
    failing_since = endpoint.failing_since or now
    endpoints.mark_failing(tx.conn, endpoint.id, since=failing_since, retry_at=retry_at)

    tried_for = now - (delivery.first_tried_at or now)
    if redelivery.is_dead(tried_for):
        deliveries.mark_dead(tx.conn, delivery.id)
        log.error(
            "notification.dead",
            notification_id=delivery.notification_id,
            endpoint_id=endpoint.id,
            next="pluggy-sync notifications resend",
        )
        _settled(tx, delivery)
    elif claimed.is_probe:
        # The endpoint fails: its waits count, not the notification's.
        deliveries.reschedule(tx.conn, delivery, due_at=retry_at)
    else:
        wait = redelivery.wait_for_notification(tried_for)
        deliveries.reschedule(tx.conn, delivery, due_at=max(now + backoff.spread(wait), retry_at))
    if redelivery.is_given_up(now - failing_since):
        stop(tx, endpoint.id, endpoints.FAILING, now=now)
    elif endpoint.failing_since is None:
        _queue_more(tx, endpoint.id, now=now, limit=1)


def _settled(tx: Transaction, delivery: Delivery) -> None:
    """Queue the Item's next delivery. Once `item.deleted` was told everywhere, remove the person's id from it."""
    if delivery.item_id is None:
        return
    if delivery.type == messages.DELETED:
        # Of two that end at the same time, the later one sees that both have.
        notification = outbox.lock(tx.conn, delivery.notification_id)
        if notification is not None and deliveries.is_settled(tx.conn, notification.id):
            outbox.replace_body(tx.conn, notification.id, messages.without_person(notification.body))
    following = deliveries.next_of_item(tx.conn, delivery.endpoint_id, delivery.item_id, messages.URGENT)
    _queue(tx, [] if following is None else [following])


def _queue_more(tx: Transaction, endpoint_id: str, *, now: datetime, limit: int) -> None:
    endpoint = endpoints.get(tx.conn, endpoint_id)
    _queue(tx, [] if endpoint is None else due(tx.conn, endpoint, now=now, limit=limit))


def _queue(tx: Transaction, firsts: Sequence[First]) -> None:
    for each in firsts:
        tx.after_commit(queue.DELIVER_URGENT if each.is_urgent else queue.DELIVER, str(each.id))


def _post(res: Resources, claimed: _Claimed, *, timeout_s: float) -> tuple[Answer | None, str | None]:
    """Return the product's answer, or None and the kind of error."""
    delivery, sent_at = claimed.delivery, res.now()
    try:
        address = addresses.of_endpoint(res, claimed.endpoint, now=sent_at)
    except SecretLostError:
        log.error("endpoint.secret_lost", endpoint_id=claimed.endpoint.id, next="set PREVIOUS_SECRET_KEYS, or rotate")  # noqa: TRY400 - the place says nothing
        return None, "SecretLost"
    if address is None:
        return None, "NoAddress"
    headers = {
        "content-type": "application/json",
        "webhook-id": delivery.notification_id,
        "webhook-timestamp": str(int(sent_at.timestamp())),
        "webhook-signature": _signatures(address.secrets, delivery, sent_at),
    }
    try:
        content = delivery.body.encode()
        answer = res.product.post(
            address.url, content=content, headers=headers, timeout_s=timeout_s, may_reach=address.may_reach
        )
    except NoAnswerError as exc:
        return None, str(exc)
    return answer, None


def _signatures(secrets: tuple[str, ...], delivery: Delivery, sent_at: datetime) -> str:
    return " ".join(Webhook(secret).sign(delivery.notification_id, sent_at, delivery.body) for secret in secrets)
