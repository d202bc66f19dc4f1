"""
How long two thousand Items with news take when the budget binds, on real Celery workers and beat.

The floor: a budget of R requests in any minute lets N of them through in 60 s times the whole part of (N - 1) / R.
Event-driven work leaves a tenth of R to persons. One fetch and one sync of an Item make one request to each of three
endpoints, which have separate budgets: N is the number of Items.
"""

import time
import uuid
from datetime import UTC, datetime

import httpx
import sqlalchemy as sa

from bench.outcome import Outcome
from bench.stage import Stage, resources_of, running_fixed_pluggy, running_workers
from pluggy_sync import events, queue
from pluggy_sync.pluggy.rate_budget import Lane
from pluggy_sync.resources import Resources
from pluggy_sync.store import inbox
from pluggy_sync.store.item_progress import SYNC_PENDING
from pluggy_sync.store.tables import items, sync_runs
from standalone.polling import eventually

PROCESSES = 6
MOST_TIMES_FLOOR = 1.1


def measure(stage: Stage, *, count: int = 2_000, per_minute: int = 1_100) -> list[Outcome]:
    """Return the outcome of draining *count* Items under a budget of *per_minute* requests for each endpoint."""
    usable = per_minute - int(per_minute * Lane.EVENTS.kept_free)
    floor_s = 60 * ((count - 1) // usable)
    with (
        running_fixed_pluggy() as url,
        stage.environ(url, PLUGGY_REQUESTS_PER_MINUTE=str(per_minute)) as environ,
        resources_of(environ) as res,
    ):
        with running_workers(environ, processes=PROCESSES):
            _warm_up(res)
            began = time.monotonic()
            _store_events(res, count)
            eventually(lambda: _is_drained(res, count + PROCESSES), within_s=3 * floor_s + 120, what="Items drained")
            took_s = time.monotonic() - began
        asked = httpx.get(f"{url}/counts").json()
        surplus = sum(asked.get(each, 0) for each in ("GET /items/{id}", "GET /accounts", "GET /v2/transactions"))
        surplus -= 3 * (count + PROCESSES)
        times = took_s / floor_s if floor_s else float("nan")
    return [
        Outcome(
            what=f"{count:,} Items drained at {per_minute:,} requests a minute",
            measured=f"{took_s:.1f} s, {surplus} requests too many",
            reference=f"the budget's floor: {floor_s} s",
            ratio=f"{times:.2f} x",
            target=f"<= {MOST_TIMES_FLOOR} x",
            met=times <= MOST_TIMES_FLOOR,
        )
    ]


def _warm_up(res: Resources) -> None:
    """Let each process do one Item, because its start is not measured. Give back the budget that this used."""
    _store_events(res, PROCESSES)
    eventually(lambda: _is_drained(res, PROCESSES), within_s=60, what="workers up")
    for name in res.redis.scan_iter("*pluggy-sync:budget*"):
        res.redis.delete(name)


def _store_events(res: Resources, count: int) -> None:
    for _ in range(count):
        item_id = str(uuid.uuid4())
        payload = {"event": "item/updated", "eventId": str(uuid.uuid4()), "itemId": item_id}
        event = events.of_payload(payload)
        with res.database.begin() as conn:
            inbox.record(conn, event, received_at=datetime.now(UTC))
        res.send([queue.Message(queue.HANDLE_EVENT, event.event_id)])


def _is_drained(res: Resources, count: int) -> bool:
    with res.database.begin() as conn:
        done = conn.execute(
            sa.select(sa.func.count()).select_from(sync_runs).where(sync_runs.c.outcome == "done")
        ).scalar_one()
        if done < count:
            return False
        waiting = sa.exists().where(SYNC_PENDING)
        unseen = sa.exists().where(items.c.synced_through.is_(None))
        return not conn.execute(sa.select(sa.or_(waiting, unseen))).scalar_one()
