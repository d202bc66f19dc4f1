"""
From a webhook to the product, on the workers of the Procfile: a person's need, idle and behind three loads, and the
end of a sync, idle.

In steps: stored (committed and queued), asked (Pluggy was asked for the Item), decided (the notification is written,
and with it the action, or the rows of the sync), taken (by a worker, to deliver it), delivered (the product has it).
The stand-in for Pluggy answers in under a millisecond.
"""

import os
import statistics
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

import celery
import httpx
import msgspec
import sqlalchemy as sa

from bench.fixed_pluggy import ASKED, UPDATED
from bench.outcome import Outcome
from bench.stage import Stage, resources_of, running_fixed_pluggy
from pluggy_sync import events, queue
from pluggy_sync.notifications import messages
from pluggy_sync.pluggy.rate_budget import Budget, Lane, lane
from pluggy_sync.resources import Resources
from pluggy_sync.store import inbox
from pluggy_sync.store.tables import delivery_attempts, outbox
from standalone import procfile
from standalone.http_server import running_server
from standalone.polling import eventually

PROCESSES = ("worker", "urgent", "notifications", "schedule")
TIMES = 40
PER_MINUTE = 2_000
STEPS = ("stored", "asked", "decided", "taken", "delivered")
MOST_LOADED_MS = 1_000.0


@dataclass(frozen=True, kw_only=True)
class _News:
    """*event* of an Item whose id begins with *prefix* ends in *notification*. Idle: p50 and the longest, at most."""

    what: str
    event: str
    prefix: str
    notification: str
    most_idle_ms: tuple[float, float]


NEED = _News(
    what="a need",
    event="item/waiting_user_input",
    prefix=ASKED,
    notification=messages.ACTION_REQUIRED,
    most_idle_ms=(30, 60),
)
SYNCED = _News(
    what="a first sync of 20 rows",
    event="item/updated",
    prefix=UPDATED,
    notification=messages.SYNCED,
    most_idle_ms=(50, 90),
)


@contextmanager
def _product() -> Iterator[tuple[str, dict[str, float]]]:
    """Run an endpoint that takes everything; yield its address and when each Item's news came."""
    came: dict[str, float] = {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = msgspec.json.decode(self.rfile.read(int(self.headers["Content-Length"])))
            if body["type"] in (NEED.notification, SYNCED.notification):
                came[body["data"]["itemId"]] = time.time()
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - name of the library
            """Say nothing."""

    with running_server(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as address:
        yield f"{address}/", came


@contextmanager
def _processes(environ: dict[str, str]) -> Iterator[None]:
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="pluggy-sync-bench-"))
        env = {**os.environ, **environ, "WORKER_CONCURRENCY": "2", "NOTIFICATION_WORKERS": "2"}
        programs = [procfile.program(name, env, "--without-gossip", "--without-mingle") for name in PROCESSES]
        programs.append(procfile.program("beat", {**env, "BEAT_SCHEDULE": f"{folder}/beat"}))
        running = [
            subprocess.Popen(each.argv, env=each.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for each in programs
        ]
        try:
            # A process that still starts takes the cores from those that are measured.
            with celery.Celery(broker=environ["REDIS_URL"]) as app:
                eventually(
                    lambda: len(app.control.ping(timeout=1) or ()) == len(PROCESSES),
                    within_s=120,
                    what="all workers answer",
                )
            yield
        finally:
            for each in running:
                each.terminate()
            for each in running:
                each.wait(timeout=60)


def _store(res: Resources, name: str, item_ids: Sequence[str]) -> None:
    with res.begin() as tx:
        for item_id in item_ids:
            payload = {"event": name, "eventId": str(uuid.uuid4()), "itemId": item_id}
            recorded = inbox.record(tx.conn, events.of_payload(payload), received_at=datetime.now(UTC))
            tx.after_commit(queue.task_of_event(name), recorded.event_id)


def _other_items(count: int) -> list[str]:
    return [str(uuid.uuid4()) for _ in range(count)]


def _use_up(res: Resources) -> None:
    """Use up what syncs may use of the budget."""
    budget = Budget(res.redis, PER_MINUTE)
    with lane(Lane.EVENTS):
        for endpoint in ("GET /items/{id}", "GET /accounts", "GET /v2/transactions"):
            while budget.wait_s([endpoint]) == 0:
                budget.take(endpoint)


IDLE = "idle"
LOADS: dict[str, Callable[[Resources], None]] = {
    IDLE: lambda _: None,
    "behind 120 Items": lambda res: _store(res, "item/updated", _other_items(120)),
    "behind 3,000 events": lambda res: _store(res, "item/updated", _other_items(3_000)),
    "with the budget used up by syncs": _use_up,
}


def measure(stage: Stage) -> list[Outcome]:
    """Return how long a need takes to the product, idle and behind each load, and how long a sync takes."""
    return [
        *(_measure(stage, NEED, name, load) for name, load in LOADS.items()),
        _measure(stage, SYNCED, IDLE, LOADS[IDLE]),
    ]


def _measure(stage: Stage, news: _News, name: str, load: Callable[[Resources], None]) -> Outcome:
    changes = {"PRODUCT_WEBHOOK_SECRET": "whsec_" + "A" * 32, "PLUGGY_REQUESTS_PER_MINUTE": str(PER_MINUTE)}
    with (
        running_fixed_pluggy() as url,
        _product() as (product_url, came),
        stage.environ(url, PRODUCT_WEBHOOK_URL=product_url, **changes) as environ,
        resources_of(environ) as res,
        _processes(environ),
    ):
        for _ in range(4):
            _tell(res, news, came)
        load(res)
        moments = [_tell(res, news, came) for _ in range(TIMES)]
        asked = httpx.get(f"{url}/asked").json()
        decided = _decided(res, news)
    steps = [[*stored, asked[item], *decided[item], came[item]] for item, stored in moments]
    waits = [[(later - earlier) * 1000 for earlier, later in pairwise(each)] for each in steps]
    total = sorted(sum(each) for each in waits)
    p50, longest = statistics.median(total), total[-1]
    in_steps = ", ".join(
        f"{step} {statistics.median(column):.0f}" for step, column in zip(STEPS, zip(*waits, strict=True), strict=True)
    )
    most_p50, most = news.most_idle_ms if name == IDLE else (MOST_LOADED_MS, MOST_LOADED_MS)
    return Outcome(
        what=f"{news.what}, webhook to product, {name}",
        measured=f"p50 {p50:.0f}, longest of {TIMES} {longest:.0f} ms",
        reference=f"of it: {in_steps}",
        ratio="-",
        target=f"<= {most_p50:.0f} / {most:.0f} ms",
        met=p50 <= most_p50 and longest <= most,
    )


def _tell(res: Resources, news: _News, came: dict[str, float]) -> tuple[str, tuple[float, float]]:
    """Store the event of a new Item and wait until the product has its news; return the id, and when it was stored."""
    item_id = news.prefix + str(uuid.uuid4())[8:]
    began = time.time()
    _store(res, news.event, [item_id])
    stored = time.time()
    eventually(lambda: item_id in came, within_s=120, what="the news is told")
    return item_id, (began, stored)


def _decided(res: Resources, news: _News) -> dict[str, tuple[float, float]]:
    """Return by Item when its notification was written, and when a worker took it."""
    with res.database.begin() as conn:
        rows = conn.execute(
            sa.select(outbox.c.item_id, outbox.c.created_at, delivery_attempts.c.started_at)
            .join(delivery_attempts, delivery_attempts.c.notification_id == outbox.c.id)
            .where(outbox.c.type == news.notification)
        )
        return {row.item_id: (row.created_at.timestamp(), row.started_at.timestamp()) for row in rows}
