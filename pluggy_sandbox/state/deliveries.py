"""
Deliveries of events: at least once, in batches of attempts (Pluggy facts 2.5), each attempt in a log.

Three attempts at once, three after a delay, three after a longer one; 401 is final;
`item/login_succeeded` gets one batch. Loss, delay, disorder and repetition come from the faults.
"""

import base64
import functools
import hmac
import random
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import httpx

from pluggy_sandbox.settings import Settings
from pluggy_sandbox.state.clock import Clock
from pluggy_sandbox.state.faults import DeliveryFaults
from pluggy_sandbox.state.timers import Timers
from pluggy_sandbox.wire.encoding import Json, encode
from pluggy_sandbox.wire.instants import iso

ONE_BATCH_ONLY = ("item/login_succeeded",)
_BATCHES = 3
_KEPT = 20_000


@dataclass(frozen=True)
class Target:
    """Where a delivery goes. Only a webhook resource has headers (Pluggy facts 2.1)."""

    url: str
    webhook_id: str | None = None
    item_id: str | None = None
    headers: dict[str, str] = field(default_factory=dict, repr=False)

    def view(self) -> Json:
        """Return it without its headers, which may be secret."""
        kind = "webhook" if self.webhook_id else "item" if self.item_id else "hand"
        return {"kind": kind, "url": self.url, "webhookId": self.webhook_id, "itemId": self.item_id}


@dataclass
class Attempt:
    """One request made. `status` is None where no answer came."""

    at: datetime
    status: int | None
    error: str | None
    seconds: float

    def view(self) -> Json:
        """Return it for the log."""
        return {"at": iso(self.at), "status": self.status, "error": self.error, "seconds": round(self.seconds, 4)}


@dataclass
class Delivery:
    """One event on its way to one target. `state`: pending, delivered, failed or lost."""

    id: str
    payload: Json
    target: Target
    created_at: datetime
    state: str = "pending"
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def number(self) -> int:
        """Which one it is, counted from 1."""
        return int(self.id.removeprefix("d"))

    @property
    def event(self) -> str:
        """The event's name."""
        return str(self.payload.get("event"))

    def view(self) -> Json:
        """Return it for the log."""
        return {
            "id": self.id,
            "event": self.event,
            "eventId": self.payload.get("eventId"),
            "itemId": self.payload.get("itemId"),
            "createdAt": iso(self.created_at),
            "state": self.state,
            "target": self.target.view(),
            "payload": self.payload,
            "attempts": [attempt.view() for attempt in self.attempts],
        }


@functools.cache
def _tls() -> ssl.SSLContext:
    """Read the system's certificates once, and not for every world anew."""
    return httpx.create_ssl_context(trust_env=False)


class Courier:
    """Sends deliveries and keeps their log."""

    def __init__(
        self, lock: threading.RLock, changed: threading.Condition, timers: Timers, clock: Clock, dice: random.Random
    ) -> None:
        self._lock = lock
        self._changed = changed
        self._timers = timers
        self._clock = clock
        self._dice = dice
        unlimited = httpx.Limits(max_connections=None)
        self._http = httpx.Client(follow_redirects=False, limits=unlimited, trust_env=False, verify=_tls())
        self.count = 0  # how many there ever were
        self.settings = Settings()
        self.faults = DeliveryFaults()
        self.log: deque[Delivery] = deque(maxlen=_KEPT)
        self.pending = 0
        self.on_settled: Callable[[Delivery], None] = lambda _: None
        self.before_telling: Callable[[], None] = lambda: None

    def send(self, payload: Json, target: Target) -> Delivery:
        """Put *payload* on its way to *target*, under the faults of the moment."""
        delivery = self._logged(payload, target)
        if self._dice.random() < self.faults.loss:
            delivery.state = "lost"
            return delivery
        self._start(delivery, self.faults.wait(self._dice))
        if self._dice.random() < self.faults.duplicate:
            self._start(self._logged(payload, target), self.faults.wait(self._dice))
        return delivery

    def replay(self, delivery_id: str) -> Delivery | None:
        """Send again what a delivery sent, with the same eventId; None if there is no such delivery."""
        old = next((d for d in self.log if d.id == delivery_id), None)
        if old is None:
            return None
        again = self._logged(old.payload, old.target)
        self._start(again, 0)
        return again

    def resume(self) -> None:
        """Go on with what was on its way when the sandbox stopped; an attempt that was cut off is made again."""
        for delivery in self.log:
            if delivery.state == "pending":
                wait = self._next_wait(delivery, delivery.attempts[-1]) if delivery.attempts else 0
                self._start(delivery, wait or 0)

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def _logged(self, payload: Json, target: Target) -> Delivery:
        self.count += 1
        delivery = Delivery(f"d{self.count}", payload, target, self._clock.now)
        self.log.append(delivery)
        return delivery

    def _start(self, delivery: Delivery, wait: float) -> None:
        self.pending += 1
        self._timers.network_after(wait, lambda: self._attempt(delivery))

    def _attempt(self, delivery: Delivery) -> None:
        with self._lock:
            self.before_telling()
        attempt = self._post(delivery)
        with self._lock:
            delivery.attempts.append(attempt)
            wait = self._next_wait(delivery, attempt)
            if wait is not None:
                self._timers.network_after(wait, lambda: self._attempt(delivery))
                return
            delivery.state = "delivered" if _accepted(attempt) else "failed"
            self.pending -= 1
            self.on_settled(delivery)
            self._changed.notify_all()

    def _post(self, delivery: Delivery) -> Attempt:
        started, at, body = time.monotonic(), self._clock.now, encode(delivery.payload)
        own = {"Content-Type": "application/json", "User-Agent": "Pluggy-Sandbox"}
        try:
            headers = own | delivery.target.headers | _signature(body, self.settings)
            timeout = self.settings.delivery_timeout_seconds
            response = self._http.post(delivery.target.url, content=body, headers=headers, timeout=timeout)
            return Attempt(at, response.status_code, None, time.monotonic() - started)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as exc:
            return Attempt(at, None, type(exc).__name__, time.monotonic() - started)

    def _next_wait(self, delivery: Delivery, attempt: Attempt) -> float | None:
        """Return the seconds until the next attempt, or None if there is none."""
        if _accepted(attempt) or attempt.status in self.settings.delivery_final_statuses:
            return None
        batch, rest = divmod(len(delivery.attempts), self.settings.delivery_attempts_per_batch)
        if rest:
            return 0.0
        batches = 1 if delivery.event in ONE_BATCH_ONLY else _BATCHES
        return None if batch >= batches else self.settings.delivery_delays_seconds[batch - 1]


def _signature(body: bytes, settings: Settings) -> dict[str, str]:
    """Return the header that signs *body*, as two integrators describe it (Pluggy facts 13.15), if one is wanted."""
    if not settings.signing_secret:
        return {}
    key = settings.signing_secret.encode()
    if settings.signing_secret_is_base64:
        key = base64.b64decode(key)
    return {"X-HMAC-SHA512-Signature": base64.b64encode(hmac.digest(key, body, "sha512")).decode()}


def _accepted(attempt: Attempt) -> bool:
    return attempt.status is not None and 200 <= attempt.status < 300
