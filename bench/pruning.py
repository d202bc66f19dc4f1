"""
`python -m bench.pruning`: a large table is pruned while others want its rows.

Every transaction of the pruning holds locks until it commits, so the longest one bounds every lock. Meanwhile another
connection locks the very rows that go next, one after the other, as whoever handles or sends one of them would, and its
longest wait is measured too. Exits 1 if either took longer than 100 ms.
"""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import click
import sqlalchemy as sa
from rich.console import Console
from sqlalchemy import Engine

from bench.stage import resources_of, running_stage
from pluggy_sync.engine import pruning
from pluggy_sync.logs import configure_logs
from pluggy_sync.resources import Resources
from pluggy_sync.rules.retention import Tier
from pluggy_sync.store.database import create_engine

AT_MOST_S = 0.1
ROWS = 10_000_000
# Of the rows, that many times over: the rest is kept.
ONE_OLD_IN = 10

# A row in ten is old. The old ones come first, as they do where time has passed.
_FILL = {
    Tier.EVENTS: """
        INSERT INTO inbox (event_id, name, item_id, item_seq, state, outcome, attempts, received_at, due_at, handled_at)
        SELECT md5('event ' || n)::uuid::text, 'item/updated', md5('item ' || n / 100)::uuid::text, n % 100, 'handled',
               'sync', 1, at, at, at
        FROM (SELECT n, CASE WHEN n <= :old THEN now() - interval '200 days' ELSE now() - interval '1 day' END AS at
              FROM generate_series(1, :rows) AS n) AS made
    """,
    Tier.NOTIFICATIONS: """
        INSERT INTO outbox (id, type, item_id, sequence, body, created_at)
        SELECT 'msg_' || n, 'item.synced', md5('item ' || n / 100)::uuid::text, n % 100, repeat('x', 300),
               CASE WHEN n <= :old THEN now() - interval '200 days' ELSE now() - interval '1 day' END
        FROM generate_series(1, :rows) AS n;
        INSERT INTO notification_stream (position, notification_id)
        SELECT n, 'msg_' || n FROM generate_series(1, :rows) AS n;
        INSERT INTO deliveries (endpoint_id, notification_id, item_id, sequence, created_at, state, attempts, due_at)
        SELECT 'ep_environment', id, item_id, sequence, created_at, 'delivered', 1, created_at FROM outbox
    """,
    Tier.SYNC_RUNS: """
        INSERT INTO sync_runs (id, item_id, trigger, began_at_seq, started_at, finished_at, outcome, cursor, parts)
        SELECT md5('run ' || n)::uuid, md5('item ' || n / 100)::uuid::text, 'item/updated', n % 100, at, at, 'done', 0,
               '{"accounts": "due", "transactions": "due"}'
        FROM (SELECT n, CASE WHEN n <= :old THEN now() - interval '200 days' ELSE now() - interval '1 day' END
                  + n * interval '1 millisecond' AS at
              FROM generate_series(1, :rows) AS n) AS made
    """,
}
# The row that goes next, whoever asks.
_NEXT = {
    Tier.EVENTS: "SELECT id FROM inbox WHERE id > :last ORDER BY id LIMIT 1 FOR UPDATE",
    Tier.NOTIFICATIONS: "SELECT id FROM outbox ORDER BY created_at, id LIMIT 1 FOR UPDATE",
    Tier.SYNC_RUNS: "SELECT id FROM sync_runs ORDER BY started_at, id LIMIT 1 FOR UPDATE",
}


@dataclass(kw_only=True)
class Measured:
    """What was seen. *locks_s*: how long each transaction of the pruning held what it had locked."""

    removed: int = 0
    took_s: float = 0.0
    locks_s: list[float] = field(default_factory=list)
    waits_s: list[float] = field(default_factory=list)

    @property
    def met(self) -> bool:
        """Whether nobody waited longer than allowed."""
        return max(self.locks_s) <= AT_MOST_S and max(self.waits_s, default=0.0) <= AT_MOST_S


def fill(engine: Engine, tier: Tier, *, rows: int) -> None:
    """Write *rows* rows of the tier's table, a tenth of them past any life."""
    with engine.begin() as conn:
        for statement in _FILL[tier].split(";\n"):
            conn.execute(sa.text(statement), {"rows": rows, "old": rows // ONE_OLD_IN})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(sa.text("VACUUM ANALYZE"))


def measure(res: Resources, tier: Tier) -> Measured:
    """Prune the tier to the end while somebody else locks its rows, and return what was seen."""
    measured = Measured()
    ended = threading.Event()
    other = threading.Thread(target=_want_rows, args=(res.settings.database_url, tier, measured, ended))
    other.start()
    began = time.monotonic()
    try:
        with _timed(res.database, measured):
            measured.removed = pruning.prune(res, at_once=True).get(tier, 0)
    finally:
        measured.took_s = time.monotonic() - began
        ended.set()
        other.join()
    # What the other held at that moment is left to the next pass.
    measured.removed += pruning.prune(res, at_once=True).get(tier, 0)
    return measured


@contextmanager
def _timed(engine: Engine, measured: Measured) -> Iterator[None]:
    began: dict[int, float] = {}

    def begin(conn: sa.Connection) -> None:
        began[id(conn)] = time.monotonic()

    def end(conn: sa.Connection) -> None:
        measured.locks_s.append(time.monotonic() - began.pop(id(conn)))

    def ended(conn: sa.Connection) -> None:
        began.pop(id(conn), None)

    listeners = (("begin", begin), ("commit", end), ("rollback", ended))
    for name, listener in listeners:
        sa.event.listen(engine, name, listener)
    try:
        yield
    finally:
        for name, listener in listeners:
            sa.event.remove(engine, name, listener)


def _want_rows(database_url: str, tier: Tier, measured: Measured, ended: threading.Event) -> None:
    engine = create_engine(database_url)
    last = 0
    while not ended.is_set():
        with engine.begin() as conn:
            began = time.monotonic()
            row = conn.execute(sa.text(_NEXT[tier]), {"last": last}).one_or_none()
            measured.waits_s.append(time.monotonic() - began)
        last = row.id if row is not None and tier is Tier.EVENTS else last
        # Beside what is measured, a little: it is no second load.
        ended.wait(timedelta(milliseconds=5).total_seconds())
    engine.dispose()


@click.command()
@click.option("--rows", default=ROWS, show_default=True, help="In the table; a tenth of them goes.")
@click.option("--tier", type=click.Choice([tier.value for tier in _FILL]), default=Tier.EVENTS.value, show_default=True)
def main(*, rows: int, tier: str) -> None:
    """Measure how long anybody waits for the removal by age."""
    configure_logs("ERROR")
    console = Console()
    with running_stage() as stage, stage.environ("http://127.0.0.1:1") as environ, resources_of(environ) as res:
        with console.status(f"filling {rows:,} rows"):
            began = time.monotonic()
            writer = create_engine(environ["DATABASE_URL"])
            fill(writer, Tier(tier), rows=rows)
            writer.dispose()
            console.print(f"{rows:,} rows of {tier} written in {time.monotonic() - began:.0f} s", style="dim")
        with console.status("pruning"):
            measured = measure(res, Tier(tier))
    locks, waits = sorted(measured.locks_s), sorted(measured.waits_s)
    console.print(f"removed {measured.removed:,} rows in {measured.took_s:.1f} s, in {len(locks):,} transactions")
    for what, found in (("lock held", locks), ("wait of another", waits)):
        shown = (found[len(found) // 2], found[int(len(found) * 0.99)], found[-1])
        p50, p99, longest = (f"{1000 * each:.1f}" for each in shown)
        console.print(f"{what}: p50 {p50} ms, p99 {p99} ms, longest {longest} ms (at most {1000 * AT_MOST_S:.0f})")
    sys.exit(not measured.met)


if __name__ == "__main__":
    main()
