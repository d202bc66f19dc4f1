"""The state of one sandbox: everything there is, under one lock."""

import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pluggy_sandbox.bank.customers import Customer, open_customer
from pluggy_sandbox.catalogue.connectors import Connector, Health
from pluggy_sandbox.holdings.category_rules import CategoryRule
from pluggy_sandbox.settings import Settings
from pluggy_sandbox.state.clock import Alarm, Clock, RealTime, real_now
from pluggy_sandbox.state.deliveries import Courier, Delivery
from pluggy_sandbox.state.faults import Faults
from pluggy_sandbox.state.incidents import Incident
from pluggy_sandbox.state.items import Item
from pluggy_sandbox.state.keys import Application, Keyring
from pluggy_sandbox.state.limits import Counters
from pluggy_sandbox.state.quotas import Quotas
from pluggy_sandbox.state.secrets import Secrets, of_process
from pluggy_sandbox.state.timers import Timers
from pluggy_sandbox.state.webhooks import Webhook
from pluggy_sandbox.wire.encoding import Json
from pluggy_sandbox.wire.identifiers import Identifiers

_REQUESTS_KEPT = 10_000
_TICK_SECONDS = 0.05


@dataclass(frozen=True)
class Origin:
    """What a world is made from, and made from again by a reset."""

    client_id: str
    client_secret: str = field(repr=False)
    seed: int = 1
    start: datetime | None = None  # None: the real now
    settings: Settings = field(default_factory=Settings)
    address: str = ""
    speed: float = 0.0  # of the clock: virtual seconds per real second
    real: RealTime = real_now


class World:
    """One application's Pluggy and its bank. Every reader and writer holds `lock`."""

    def __init__(self, origin: Origin, secrets: Secrets | None = None) -> None:
        self.origin = origin
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.address = origin.address
        self.settings = origin.settings
        self.ids = Identifiers(origin.seed)
        self.clock = Clock(origin.start or origin.real(), real=origin.real)
        self.timers = Timers()
        self.secrets = secrets or of_process()
        self.keyring = Keyring([Application(origin.client_id, origin.client_secret)], self.secrets)
        self.items: dict[str, Item] = {}
        self.webhooks: dict[str, Webhook] = {}
        self.customers: dict[str, Customer] = {}
        self.health: dict[int, Health] = {}
        self.category_rules: dict[str, CategoryRule] = {}
        self.incidents: dict[str, Incident] = {}
        self.quotas: dict[str, Quotas] = {}  # by connector and CPF
        self.deleted: set[str] = set()  # ids of Items that are gone
        self.is_closing = False
        self.connector_events = 0
        self.evolutions = 0
        self.faults = Faults()
        self.counters = Counters()
        self.requests: deque[Json] = deque(maxlen=_REQUESTS_KEPT)
        self.request_count = 0
        self.fault_dice: random.Random = self.ids.chance("faults")
        self.courier = Courier(self.lock, self.changed, self.timers, self.clock, self.ids.chance("deliveries"))
        self.courier.on_settled = self._count_failures
        self.keep: Callable[[], None] = lambda: None  # writes down what changed, before anybody is told of it
        self._is_ticking = False
        self.apply(self.settings)
        self.run_clock(origin.speed)

    def apply(self, settings: Settings) -> None:
        """Behave as *settings* say from now on."""
        self.settings = self.courier.settings = settings

    def suffer(self, faults: Faults) -> None:
        """Let *faults* happen from now on."""
        self.faults = faults
        self.courier.faults = faults.deliveries

    def health_of(self, connector: Connector) -> Health:
        """Return how an institution is doing."""
        return self.health.setdefault(connector.id, Health())

    def customer(self, key: str, **how: object) -> Customer:
        """Return the bank's customer called *key*, opened at the first call as *how* says."""
        if key not in self.customers:
            # The options are those of `open_customer`, passed through.
            how |= {"opening_day": self.settings.opening_day, "history_days": self.settings.history_days}
            self.customers[key] = open_customer(key, self.clock.now, self.ids.chance, **how)  # type: ignore[arg-type]
        return self.customers[key]

    def is_idle(self) -> bool:
        """Return whether no execution is in progress and no delivery is on its way."""
        return self.courier.pending == 0 and not self.is_running()

    def is_running(self) -> bool:
        """Return whether an execution is in progress."""
        return any(item.is_running for item in self.items.values())

    def wait_idle(self, timeout_seconds: float) -> bool:
        """Wait until nothing is under way; return False if that took too long. The lock is let go meanwhile."""
        self.changed.wait_for(lambda: self.is_idle() or self.is_closing, timeout_seconds)
        return self.is_idle()

    def advance(self, by: timedelta, timeout_seconds: float = 60) -> None:
        """
        Move time forward, letting what is due happen in its order.

        Each execution that falls due ends before time goes on, so that a week holds its seven auto-syncs.
        """
        target = self.clock.now + by
        give_up = time.monotonic() + timeout_seconds
        while (due := self.clock.next_alarm(target)) is not None:
            self.clock.move(due)
            left = max(0.0, give_up - time.monotonic())
            self.changed.wait_for(lambda: not self.is_running() or self.is_closing, left)
        self.clock.move(target)
        self.changed.notify_all()

    def run_clock(self, speed: float) -> None:
        """Let time run at *speed* virtual seconds a second; 0 stops it."""
        self.clock.run_at(speed)
        self._keep_ticking()

    def at_real(self, when: datetime, alarm: Alarm) -> None:
        """Ring *alarm* when the machine's time reaches *when*."""
        self.clock.at_real(when, alarm)
        self._keep_ticking()

    def _keep_ticking(self) -> None:
        if self.clock.needs_ticks and not self._is_ticking:
            self._is_ticking = True
            self.timers.after(_TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        with self.lock:
            self._is_ticking = False
            self.clock.tick()
            self._keep_ticking()
            self.changed.notify_all()

    def release(self) -> None:
        """Let go of everybody who waits, since the end is near."""
        with self.lock:
            self.is_closing = True
            self.changed.notify_all()

    def close(self) -> None:
        """Stop everything."""
        self.release()
        self.timers.close()
        self.courier.close()

    def _count_failures(self, delivery: Delivery) -> None:
        hook = self.webhooks.get(delivery.target.webhook_id or "")
        if hook is None:
            return
        hook.failures_in_row = 0 if delivery.state == "delivered" else hook.failures_in_row + 1
        limit = self.settings.disable_webhook_after
        if limit and hook.failures_in_row >= limit and hook.disabled_at is None:
            hook.disabled_at = hook.updated_at = self.clock.now
