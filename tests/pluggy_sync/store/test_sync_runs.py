"""The record of each sync run: one that lost its worker is abandoned, and cannot end well after all."""

import uuid
from datetime import timedelta

import pytest

from pluggy_sync.store import counters, sync_runs
from tests.kit.factories import NOON

ITEM = "an-item"


@pytest.fixture
def conn(database):
    with database.begin() as conn:
        yield conn


def begin(conn, *, item_id=ITEM, trigger="item/updated", now=NOON):
    run_id = uuid.uuid4()
    sync_runs.begin(
        conn,
        run_id,
        item_id,
        trigger=trigger,
        triggered_by=None,
        began_at_seq=1,
        parts={"accounts": "first"},
        window_from=None,
        window_to=NOON,
        cursor=0,
        now=now,
    )
    return run_id


def finish(conn, run_id, outcome="done", **more):
    return sync_runs.finish(conn, run_id, outcome, requests=3, now=NOON, **more)


def before(conn, position=None, *, limit=10):
    return [row.id for row in sync_runs.before(conn, ITEM, position, limit=limit)]


def test_a_run_ends_once(conn):
    run_id = begin(conn)

    row = finish(conn, run_id, error="Error", incomplete=[{"product": "loans"}])

    assert (row.outcome, row.requests, row.error, row.incomplete) == ("done", 3, "Error", [{"product": "loans"}])
    assert finish(conn, run_id, "failed") is None


def test_a_run_that_lost_its_worker_is_abandoned_by_the_next_one_of_its_item(conn):
    lost, others = begin(conn), begin(conn, item_id="another")
    begin(conn)

    assert finish(conn, lost) is None
    assert finish(conn, others).outcome == "done"
    assert {row.id: row.outcome for row in sync_runs.before(conn, ITEM, None, limit=10)}[lost] == "abandoned"


def test_counts_of_a_run_add_up(conn):
    run_id = begin(conn)
    begin(conn, item_id="another")
    sync_runs.add_counts(conn, run_id, added=2, removed=1)
    sync_runs.add_counts(conn, run_id, added=3)

    row = finish(conn, run_id)

    assert (row.added, row.modified, row.removed) == (5, 0, 1)
    (other,) = sync_runs.before(conn, "another", None, limit=10)
    assert other.added == 0


def test_the_runs_of_an_item_are_paged_newest_first(conn):
    runs = [begin(conn, now=NOON + timedelta(minutes=minutes)) for minutes in range(3)]
    begin(conn, item_id="another", now=NOON + timedelta(hours=1))

    assert before(conn, limit=2) == [runs[2], runs[1]]
    assert before(conn, (NOON + timedelta(minutes=1), runs[1])) == [runs[0]]


def test_repairs_are_the_changes_of_reconciliations_and_what_other_runs_brought_back(conn):
    reconciling, other = begin(conn, trigger="reconciliation"), begin(conn, item_id="another")
    sync_runs.add_counts(conn, reconciling, added=1, modified=2, removed=4, repaired=1)
    sync_runs.add_counts(conn, other, added=100, repaired=8)
    assert counters.value(conn, counters.ROWS_REPAIRED) == 0

    sync_runs.finish(conn, reconciling, "done", requests=1, now=NOON)
    assert counters.value(conn, counters.ROWS_REPAIRED) == 1 + 2 + 4
    sync_runs.finish(conn, other, "failed", requests=1, now=NOON)
    assert counters.value(conn, counters.ROWS_REPAIRED) == 1 + 2 + 4 + 8


def test_what_a_run_repaired_counts_though_its_worker_died(conn):
    sync_runs.add_counts(conn, begin(conn, trigger="reconciliation"), added=3)

    begin(conn)

    assert counters.value(conn, counters.ROWS_REPAIRED) == 3
