"""
Delivering notifications: Standard Webhooks, signed, tried again over days, every attempt logged.

2xx is success; anything else is tried again; 410 stops (product contract).
"""

import random
import time
from datetime import datetime, timedelta
from typing import Any

import httpx
import sqlalchemy as sa
import structlog
from standardwebhooks import Webhook

from pluggy_sync.resources import Resources
from pluggy_sync.store import endpoints, outbox

log = structlog.get_logger(__name__)

# Seconds to wait after each failure; about three days in all, then it is a dead letter.
SCHEDULE_S = (5, 30, 120, 600, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
TIMEOUT_S = 15.0


def deliver(res: Resources, notification_id: str) -> None:
    """Deliver one notification if it is due. Safe to repeat: two workers never send it at once."""
    url = res.settings.product_webhook_url
    if url is None:
        return
    now = res.now()
    with res.database.begin() as conn:
        if endpoints.stopped_at(conn, url) is not None:
            return
        row = outbox.claim(conn, notification_id, now=now, until=now + timedelta(seconds=4 * TIMEOUT_S))
    if row is None:
        return
    started = time.monotonic()
    status_code, error = _post(res, url, row, now)
    duration_ms = round((time.monotonic() - started) * 1000)
    with res.database.begin() as conn:
        outbox.record_attempt(
            conn,
            notification_id,
            started_at=now,
            duration_ms=duration_ms,
            status_code=status_code,
            error=error,
        )
        _conclude(conn, url, row, status_code, now=res.now())
    log.info(
        "notification.tried",
        notification_id=notification_id,
        type=row.type,
        item_id=row.item_id,
        status_code=status_code,
        error=error,
        attempt=row.attempts,
    )


def _conclude(conn: sa.Connection, url: str, row: sa.Row[Any], status_code: int | None, *, now: datetime) -> None:
    if status_code is not None and httpx.codes.is_success(status_code):
        outbox.mark_delivered(conn, row.id, now=now)
    elif status_code == httpx.codes.GONE:
        # It waits with all others until an operator resumes the endpoint.
        endpoints.stop(conn, url, now=now)
        log.error("endpoint.stopped", reason="it answered 410", next="pluggy-sync notifications resume")
    elif row.attempts > len(SCHEDULE_S):
        outbox.mark_dead(conn, row.id)
    else:
        wait_s = SCHEDULE_S[row.attempts - 1] * random.uniform(0.8, 1.2)
        outbox.reschedule(conn, row.id, until=now + timedelta(seconds=wait_s))


def _post(res: Resources, url: str, row: sa.Row[Any], now: datetime) -> tuple[int | None, str | None]:
    """Return the status of the product's answer, or None and the kind of error."""
    headers = {
        "content-type": "application/json",
        "webhook-id": row.id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": _signatures(res.settings.product_webhook_secrets, row, now),
    }
    try:
        response = httpx.post(
            url, content=row.body.encode(), headers=headers, timeout=TIMEOUT_S, follow_redirects=False
        )
    except httpx.HTTPError as exc:
        return None, type(exc).__name__
    return response.status_code, None


def _signatures(secrets: tuple[str, ...], row: sa.Row[Any], now: datetime) -> str:
    return " ".join(Webhook(secret).sign(row.id, now, row.body) for secret in secrets)
