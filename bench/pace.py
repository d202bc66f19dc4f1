"""
Whether each Item is reconciled in time, played in virtual time on the real queries and the real rule of the pace.

Each Item is updated four times a day, and each update takes its share of the budget first. One day in, nothing arrives
for six hours: all webhooks of that time are lost, so every Item is silent afterwards. Reconciliations end in the round
after the one that queued them; no request is made.
"""

import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Engine

from bench.outcome import Outcome
from bench.stage import Stage
from pluggy_sync.engine.reconciliation import CHUNK, LEAD, REQUEUE_AFTER, SILENCE_GRACE
from pluggy_sync.pluggy.rate_budget import Lane
from pluggy_sync.rules import pace
from pluggy_sync.store import inbox
from pluggy_sync.store import reconciliation as queries
from pluggy_sync.store.database import create_engine

SIZES = (10_000, 100_000)
MILLION = (1_000_000,)

PER_MINUTE = 350
UPDATES_A_DAY = 4
# Of `GET /v2/transactions`, an Item of three accounts: an update of one account that events named, now and then all;
# and a reconciliation.
READS_OF_UPDATE = 2.5
READS_OF_RECONCILIATION = 4.0
# How much of the budget the updates of a deployment may take.
TAKEN_BY_UPDATES = 0.45

EVERY = timedelta(days=7)
ROUND = timedelta(minutes=10)
PLAYED = timedelta(days=8)
OUTAGE_AT, OUTAGE = timedelta(days=1), timedelta(hours=6)
START = datetime(2026, 3, 9, tzinfo=UTC)

_FILL = sa.text(
    """
    INSERT INTO items (id, status, first_seen_at, reconciled_at, fetched_at, next_auto_sync_at)
    SELECT 'item-' || lpad(number::text, 9, '0'), 'UPDATED', :start, :start - number * :spread / :count, :start, NULL
    FROM generate_series(1, :count) AS number
    """
)
# The next execution of every Item falls into the outage, and nobody hears of it.
_SILENCE = sa.text(
    "UPDATE items SET fetched_at = :before, next_auto_sync_at = :at + (:outage * (hashtext(id) & 1023) / 1024)"
)
_FETCHED = sa.text("UPDATE items SET fetched_at = :now, next_auto_sync_at = NULL WHERE id = ANY(:ids)")
_HANDLED = sa.text("UPDATE inbox SET state = 'handled', handled_at = :now WHERE state = 'stored'")
_RECONCILED = sa.text(
    "UPDATE items SET reconciled_at = :now, reconcile_after = NULL, reconcile_failures = 0 WHERE id = ANY(:ids)"
)


@dataclass(frozen=True, kw_only=True)
class Played:
    """How it went: the oldest that any Item became, how long the silent ones took, and a round's queries."""

    addresses: int
    oldest: timedelta
    silent_after: timedelta | None
    slowest_round_s: float


def addresses_for(count: int) -> int:
    """Return how many addresses the updates of *count* Items need."""
    reads = count * UPDATES_A_DAY * READS_OF_UPDATE / (24 * 60)
    return math.ceil(reads / (PER_MINUTE * TAKEN_BY_UPDATES))


def play(engine: Engine, count: int, *, addresses: int | None = None) -> Played:
    """Play *count* Items for eight days, and return how it went."""
    addresses = addresses or addresses_for(count)
    minutes = ROUND / timedelta(minutes=1)
    budget = PER_MINUTE * addresses * minutes * (1 - Lane.RECONCILIATION.kept_free)
    updates = count * UPDATES_A_DAY / (24 * 60) * minutes
    with engine.begin() as conn:
        conn.execute(_FILL, {"count": count, "start": START, "spread": EVERY * (1 - LEAD)})
    with engine.begin() as conn:
        conn.execute(sa.text("ANALYZE items"))
    now, oldest, slowest = START, timedelta(0), 0.0
    silent_since: datetime | None = None
    silent_after: timedelta | None = None
    queued: list[str] = []
    silent: list[str] = []
    while now < START + PLAYED:
        now += ROUND
        if now == START + OUTAGE_AT + ROUND:
            with engine.begin() as conn:
                at = START + OUTAGE_AT
                conn.execute(_SILENCE, {"before": at - timedelta(minutes=1), "at": at, "outage": OUTAGE})
            now += OUTAGE
            silent_since = now
        with engine.begin() as conn:
            # What the round before asked for is done.
            conn.execute(_RECONCILED, {"now": now, "ids": queued})
            if silent:
                conn.execute(_FETCHED, {"now": now, "ids": silent})
                conn.execute(_HANDLED, {"now": now})
            longest = queries.oldest(conn)
        oldest = max(oldest, now - (longest or now))
        began = time.perf_counter()
        room = pace.room(
            fetches_left=int(max(0, budget - updates)),
            reads_left=int(max(0, budget - updates * READS_OF_UPDATE)),
            reads_each=READS_OF_RECONCILIATION,
            silent_waiting=0,
            deep_waiting=0,
            most_deep=None,
        )
        silent = _silent(engine, now, room.silent)
        queued = _due(engine, now, min(room.deep, room.both - len(silent)))
        slowest = max(slowest, time.perf_counter() - began)
        if silent_since is not None and silent_after is None and now > silent_since + SILENCE_GRACE and not silent:
            silent_after = now - silent_since
    return Played(addresses=addresses, oldest=oldest, silent_after=silent_after, slowest_round_s=slowest)


def _silent(engine: Engine, now: datetime, limit: int) -> list[str]:
    with engine.begin() as conn:
        found = sorted(queries.silent(conn, due_before=now - SILENCE_GRACE, limit=limit))
    for start in range(0, len(found), CHUNK):
        with engine.begin() as conn:
            inbox.request_fetches(conn, found[start : start + CHUNK], why=inbox.SILENT, now=now)
    return found


def _due(engine: Engine, now: datetime, limit: int) -> list[str]:
    with engine.begin() as conn:
        before = now - EVERY * (1 - LEAD)
        return queries.take_due(conn, before=before, now=now, until=now + REQUEUE_AFTER, limit=limit)


def measure(stage: Stage, sizes: tuple[int, ...] = SIZES) -> list[Outcome]:
    """Return, for each number of Items, whether the promise is kept through an outage."""
    outcomes = []
    for count in sizes:
        with stage.environ("http://127.0.0.1:1") as environ:
            engine = create_engine(environ["DATABASE_URL"])
            played = play(engine, count)
            engine.dispose()
        caught_up = "never" if played.silent_after is None else f"{played.silent_after / timedelta(hours=1):.1f} h"
        outcomes.append(
            Outcome(
                what=f"{count:,} Items compared, four updates a day, six hours of webhooks lost",
                measured=f"each within {played.oldest / timedelta(days=1):.2f} days",
                reference=f"{played.addresses} addresses; all silent ones fetched {caught_up} after",
                ratio=f"slowest round {played.slowest_round_s * 1000:,.0f} ms",
                target=f"<= {EVERY.days} days",
                met=played.oldest <= EVERY and played.silent_after is not None,
            )
        )
    return outcomes
