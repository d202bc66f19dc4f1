"""Pruning: each tier ends when its setting says so, in turns and within the time; who interrupts it loses nothing."""

import dataclasses
import threading
import uuid
from datetime import timedelta

import pytest
import sqlalchemy as sa

from pluggy_sync.engine import pruning
from pluggy_sync.rules import retention
from pluggy_sync.rules.retention import Tier
from pluggy_sync.store import tables


@pytest.fixture
def runs(resources):
    """Write sync runs of some age; return how many there are."""

    def runs(number=0, *, days=0):
        row = {"item_id": "an-item", "trigger": "item/updated", "began_at_seq": 1, "cursor": 0, "outcome": "done"}
        at = resources.now() - timedelta(days=days)
        with resources.database.begin() as conn:
            if number:
                conn.execute(
                    sa.insert(tables.sync_runs), [{**row, "id": uuid.uuid4(), "started_at": at} for _ in range(number)]
                )
            return conn.scalar(sa.select(sa.func.count()).select_from(tables.sync_runs))

    return runs


def keeping(res, **days):
    return dataclasses.replace(res, settings=dataclasses.replace(res.settings, **days))


def test_every_tier_has_a_life_in_the_settings(resources):
    lives = pruning.lives(resources.settings)

    assert set(lives) == set(Tier)
    assert all(lives.values())


def test_the_setting_says_when_a_tier_ends(resources, runs):
    runs(3, days=31)

    assert pruning.prune(keeping(resources, keep_sync_runs_days=32), at_once=True) == {}
    assert pruning.prune(keeping(resources, keep_sync_runs_days=None), at_once=True) == {}
    assert pruning.prune(keeping(resources, keep_sync_runs_days=30), at_once=True) == {Tier.SYNC_RUNS: 3}
    assert runs() == 0


def test_nothing_is_left_however_many_batches_it_takes(resources, runs, monkeypatch):
    monkeypatch.setattr(retention, "next_rows", lambda _rows, _took_s: 7)
    runs(500, days=400)
    runs(5)

    assert pruning.prune(resources) == {Tier.SYNC_RUNS: 500}
    assert runs() == 5


def test_the_next_pass_begins_an_hour_later(resources, runs, clock):
    pruning.prune(resources)
    runs(3, days=400)

    clock.advance(minutes=50)
    assert pruning.prune(resources) == {}
    clock.advance(minutes=20)
    assert pruning.prune(resources) == {Tier.SYNC_RUNS: 3}


def test_an_operator_does_not_wait_for_the_next_pass(resources, runs):
    pruning.prune(resources)
    runs(3, days=400)

    assert pruning.prune(resources, at_once=True) == {Tier.SYNC_RUNS: 3}


def test_a_call_stops_when_its_time_is_up_and_the_next_goes_on(resources, runs, monkeypatch):
    monkeypatch.setattr(retention, "next_rows", lambda _rows, _took_s: retention.FIRST_ROWS)
    runs(3 * retention.FIRST_ROWS, days=400)

    first = pruning.prune(resources, within_s=1e-9)
    assert first == {}
    rest = pruning.prune(resources)

    assert rest == {Tier.SYNC_RUNS: 3 * retention.FIRST_ROWS}
    assert runs() == 0


def test_processes_that_prune_at_once_remove_each_row_once(resources, runs):
    runs(1_000, days=400)
    found = []

    threads = [threading.Thread(target=lambda: found.append(pruning.prune(resources))) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    found.append(pruning.prune(resources))

    assert sum(each.get(Tier.SYNC_RUNS, 0) for each in found) == 1_000
    assert runs() == 0


def test_what_would_go_is_counted_and_stays(resources, runs):
    runs(4, days=400)

    assert pruning.overdue(resources, at_most=3)[Tier.SYNC_RUNS] == 3
    assert pruning.overdue(resources, at_most=100)[Tier.SYNC_RUNS] == 4
    assert runs() == 4


def test_a_deleted_endpoint_goes_with_all_that_was_sent_there(resources):
    with resources.database.begin() as conn:
        conn.execute(sa.text("INSERT INTO endpoints (id, deleted_at) VALUES ('ep_gone', now())"))
        for number in range(3):
            values = {"id": f"msg_{number}"}
            conn.execute(
                sa.text("INSERT INTO outbox (id, type, body, created_at) VALUES (:id, 'item.synced', '{}', now())"),
                values,
            )
            conn.execute(
                sa.text(
                    "INSERT INTO deliveries (endpoint_id, notification_id, created_at, due_at) "
                    "VALUES ('ep_gone', :id, now(), now())"
                ),
                values,
            )

    pruning.prune(resources)

    with resources.database.begin() as conn:
        assert conn.scalars(sa.select(tables.endpoints.c.id)).all() == ["ep_environment"]
        assert conn.execute(sa.select(tables.deliveries)).all() == []
        assert len(conn.execute(sa.select(tables.outbox)).all()) == 3
