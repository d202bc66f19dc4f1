"""
Delivering notifications: Standard Webhooks, signed, tried again over days, every attempt logged.

2xx is success. 410 stops the endpoint (product contract). Everything else is tried again. The notifications of one Item
are delivered in order, one after the other; those of different Items at the same time. A failing endpoint gets one
notification at a time: it costs one worker and spends few tries.
"""

import time
from datetime import datetime, timedelta

import httpx
import structlog
from standardwebhooks import Webhook

from pluggy_sync import queue
from pluggy_sync.notifications import messages
from pluggy_sync.product_client import Answer, NoAnswerError
from pluggy_sync.resources import Resources
from pluggy_sync.rules import backoff, redelivery
from pluggy_sync.store import endpoints, outbox
from pluggy_sync.store.outbox import Notification
from pluggy_sync.transaction import Transaction

log = structlog.get_logger(__name__)

# For all of a delivery, from the claim to the status of the answer.
TIMEOUT_S = 15.0
# The claim lasts longer than the delivery: its end has to be written too.
CLAIM = timedelta(seconds=TIMEOUT_S + 10)
# A queued notification is queued again after this time, in case Redis lost it.
QUEUE_AGAIN_AFTER = timedelta(seconds=30)
# Queued at once when an endpoint works again; the sweep brings the rest.
BATCH = 500


def queue_due(tx: Transaction, url: str, *, now: datetime, limit: int) -> None:
    """Queue up to *limit* notifications that are due, if the endpoint at *url* is to be sent any now."""
    endpoint = endpoints.get(tx.conn, url)
    if endpoint.stopped_at is not None:
        return
    if endpoint.failing_since is not None:
        if not endpoint.may_be_probed(now):
            return
        limit = 1
    found = outbox.take_due(tx.conn, messages.URGENT, now=now, until=now + QUEUE_AGAIN_AFTER, limit=limit)
    for each in found:
        _queue(tx, each)


def deliver(res: Resources, notification_id: str) -> None:
    """
    Deliver one notification: this one, or the one of its Item that comes before it.

    Does nothing if it is not due, or another worker delivers it. Safe to repeat.
    """
    url = res.settings.product_webhook_url
    if url is None:
        return
    # Counted from before the claim. A process that was stopped in between finds its time over and sends nothing.
    deadline = time.monotonic() + TIMEOUT_S
    started_at = res.now()
    claimed = _claim(res, url, notification_id, now=started_at)
    if claimed is None:
        return
    notification, is_probe = claimed
    began = time.monotonic()
    answer, error = _post(res, url, notification, timeout_s=deadline - began)
    status_code = None if answer is None else answer.status_code
    with res.begin() as tx:
        _conclude(tx, url, notification, answer, is_probe=is_probe, now=res.now())
        outbox.record_attempt(
            tx.conn,
            notification.id,
            started_at=started_at,
            duration_ms=round((time.monotonic() - began) * 1000),
            status_code=status_code,
            error=error,
        )
    log.info(
        "notification.tried",
        notification_id=notification.id,
        type=notification.type,
        item_id=notification.item_id,
        status_code=status_code,
        error=error,
        attempt=notification.attempts,
    )


def _claim(res: Resources, url: str, notification_id: str, *, now: datetime) -> tuple[Notification, bool] | None:
    """Return the claimed notification and whether it probes a failing endpoint; None: there is nothing to deliver."""
    with res.database.begin() as conn:
        endpoint = endpoints.get(conn, url)
        if endpoint.stopped_at is not None:
            return None
        is_probe = endpoint.failing_since is not None
        if is_probe and not endpoints.take_probe(conn, url, now=now, until=now + CLAIM):
            return None
        notification = outbox.claim(conn, notification_id, now=now, until=now + CLAIM)
        if notification is not None:
            return notification, is_probe
        if is_probe:
            endpoints.release_probe(conn, url)
        return None


def _conclude(
    tx: Transaction, url: str, notification: Notification, answer: Answer | None, *, is_probe: bool, now: datetime
) -> None:
    if is_probe:
        endpoints.release_probe(tx.conn, url)
    if answer is not None and httpx.codes.is_success(answer.status_code):
        outbox.mark_delivered(tx.conn, notification.id, now=now)
        _settled(tx, notification)
        if endpoints.mark_working(tx.conn, url):
            log.info("endpoint.works_again")
            outbox.count_none_as_queued(tx.conn)
            queue_due(tx, url, now=now, limit=BATCH)
    elif answer is not None and answer.status_code == httpx.codes.GONE:
        # All of them wait until an operator resumes the endpoint.
        endpoints.stop(tx.conn, url, now=now)
        outbox.reschedule(tx.conn, notification, due_at=now)
        log.error("endpoint.stopped", reason="it answered 410", next="pluggy-sync notifications resume")
    else:
        _conclude_failure(tx, url, notification, answer, is_probe=is_probe, now=now)


def _conclude_failure(
    tx: Transaction, url: str, notification: Notification, answer: Answer | None, *, is_probe: bool, now: datetime
) -> None:
    endpoint = endpoints.lock(tx.conn, url)
    asked_for = redelivery.wait_asked_for(None if answer is None else answer.retry_after, now=now)
    if endpoint.failing_since is None:
        # Perhaps the product cannot take this notification. Another one is tried at once.
        retry_at = now + asked_for
        log.warning("endpoint.fails", next="one notification at a time")
    else:
        wait = redelivery.wait_for_endpoint(now - endpoint.failing_since)
        retry_at = now + max(backoff.spread(wait), asked_for)
    endpoints.mark_failing(tx.conn, url, since=endpoint.failing_since or now, retry_at=retry_at)

    tried_for = now - (notification.first_tried_at or now)
    if redelivery.is_dead(tried_for):
        outbox.mark_dead(tx.conn, notification.id)
        log.error("notification.dead", notification_id=notification.id, next="pluggy-sync notifications resend")
        _settled(tx, notification)
    elif is_probe:
        # The endpoint fails: its waits count, not the notification's.
        outbox.reschedule(tx.conn, notification, due_at=retry_at)
    else:
        wait = redelivery.wait_for_notification(tried_for)
        outbox.reschedule(tx.conn, notification, due_at=max(now + backoff.spread(wait), retry_at))
    if endpoint.failing_since is None:
        queue_due(tx, url, now=now, limit=1)


def _settled(tx: Transaction, notification: Notification) -> None:
    """Queue the Item's next notification. After `item.deleted` was delivered, remove the person's id from it."""
    if notification.item_id is None:
        return
    if notification.type == messages.DELETED:
        outbox.replace_body(tx.conn, notification.id, messages.without_person(notification.body))
    following = outbox.next_of_item(tx.conn, notification.item_id, messages.URGENT)
    if following is not None:
        _queue(tx, following)


def _queue(tx: Transaction, first: outbox.First) -> None:
    tx.after_commit(queue.DELIVER_URGENT if first.is_urgent else queue.DELIVER, first.id)


def _post(
    res: Resources, url: str, notification: Notification, *, timeout_s: float
) -> tuple[Answer | None, str | None]:
    """Return the product's answer, or None and the kind of error."""
    sent_at = res.now()
    headers = {
        "content-type": "application/json",
        "webhook-id": notification.id,
        "webhook-timestamp": str(int(sent_at.timestamp())),
        "webhook-signature": _signatures(res.settings.product_webhook_secrets, notification, sent_at),
    }
    try:
        content = notification.body.encode()
        return res.product.post(url, content=content, headers=headers, timeout_s=timeout_s), None
    except NoAnswerError as exc:
        return None, str(exc)


def _signatures(secrets: tuple[str, ...], notification: Notification, sent_at: datetime) -> str:
    return " ".join(Webhook(secret).sign(notification.id, sent_at, notification.body) for secret in secrets)
