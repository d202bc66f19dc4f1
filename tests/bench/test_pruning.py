"""The measurement of the pruning: it removes what it says, and sees how long it held what it removed."""

import pytest
import sqlalchemy as sa

from bench import pruning as bench
from pluggy_sync.engine import pruning
from pluggy_sync.rules.retention import MOST_ROWS, Tier
from pluggy_sync.store import tables

ROWS = 20_000


@pytest.fixture
def tables_of_one_row():
    return {Tier.EVENTS: tables.inbox, Tier.NOTIFICATIONS: tables.outbox, Tier.SYNC_RUNS: tables.sync_runs}


@pytest.mark.parametrize("tier", [Tier.EVENTS, Tier.NOTIFICATIONS, Tier.SYNC_RUNS])
def test_all_that_is_old_goes_in_many_short_transactions_while_somebody_wants_it(resources, tables_of_one_row, tier):
    bench.fill(resources.database, tier, rows=ROWS)

    measured = bench.measure(resources, tier)

    old = ROWS // bench.ONE_OLD_IN
    with resources.database.begin() as conn:
        left = conn.scalar(sa.select(sa.func.count()).select_from(tables_of_one_row[tier]))
    assert measured.removed == old
    assert left == ROWS - old
    assert len(measured.locks_s) > old / MOST_ROWS
    assert measured.waits_s
    assert pruning.prune(resources, at_once=True) == {}


def test_a_lock_that_is_held_for_longer_is_seen(resources, monkeypatch):
    bench.fill(resources.database, Tier.SYNC_RUNS, rows=1_000)
    remove = pruning.pruning.remove

    def slowly(conn, *args, **kwargs):
        batch = remove(conn, *args, **kwargs)
        conn.execute(sa.text("SELECT pg_sleep(0.15)"))
        return batch

    monkeypatch.setattr(pruning.pruning, "remove", slowly)

    measured = bench.measure(resources, Tier.SYNC_RUNS)

    assert max(measured.locks_s) > 0.15
    assert not measured.met
