"""Figures over time: a sample a minute, read in steps."""

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from pluggy_sync.store import figures
from pluggy_sync.store.figures import Figure
from pluggy_sync.store.tables import event_counts, figure_samples, sync_runs
from tests.kit.factories import NOON, an_id

MINUTE = timedelta(minutes=1)


@pytest.fixture
def conn(database):
    with database.begin() as conn:
        yield conn


def samples(conn):
    rows = conn.execute(sa.select(figure_samples.c.at, figure_samples.c.figures).order_by(figure_samples.c.at))
    return [(row.at, row.figures) for row in rows]


def begin_run(conn, at: datetime) -> None:
    conn.execute(
        sa.insert(sync_runs).values(
            id=sa.func.gen_random_uuid(), item_id=an_id(), trigger="x", began_at_seq=1, started_at=at, cursor=0
        )
    )


def test_a_minute_has_one_sample_however_often_it_is_taken(conn):
    for seconds in (5, 15, 59, 61):
        figures.take(conn, now=NOON + timedelta(seconds=seconds))

    assert [at for at, _ in samples(conn)] == [NOON, NOON + MINUTE]


def test_every_run_is_counted_in_one_sample(conn):
    for at in (NOON - MINUTE / 2, NOON, NOON + MINUTE / 2, NOON + 2 * MINUTE):
        begin_run(conn, at)

    for minutes in (0, 1, 3):
        figures.take(conn, now=NOON + minutes * MINUTE)

    assert [found[Figure.RUNS] for _, found in samples(conn)] == [1, 2, 1]


def test_a_step_has_the_sum_or_the_most_and_none_where_nothing_is_known(conn):
    for minute, runs, actions in ((0, 1, 5), (9, 2, 7), (20, 4, 3)):
        found = {Figure.RUNS: runs, Figure.ACTIONS: actions}
        conn.execute(sa.insert(figure_samples).values(at=NOON + minute * MINUTE, figures=found))

    read = figures.over_time(conn, since=NOON, until=NOON + 25 * MINUTE, step=10 * MINUTE)

    assert [each.value for each in read[Figure.RUNS]] == [3, None, 4]
    assert [each.value for each in read[Figure.ACTIONS]] == [7, None, 3]
    assert [each.value for each in read[Figure.OVERDUE]] == [None, None, None]
    assert [each.at for each in read[Figure.RUNS]] == [NOON + number * 10 * MINUTE for number in range(3)]


def test_events_are_those_that_the_watchdog_counted_and_none_before_it_did(conn):
    for minutes, number in ((10, 4), (40, 6)):
        conn.execute(sa.insert(event_counts).values(began_at=NOON + minutes * MINUTE, number=number))

    read = figures.over_time(conn, since=NOON, until=NOON + 45 * MINUTE, step=10 * MINUTE)

    assert [each.value for each in read[Figure.EVENTS]] == [None, 4, 0, 0, 6]
