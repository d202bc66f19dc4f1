"""The writer: many deliveries become one statement, and each of them is as right as if it came alone."""

import contextlib
import itertools
import json
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
import sqlalchemy as sa

from pluggy_sync.engine.intake import Result
from pluggy_sync.resources import create_resources
from pluggy_sync.store.database import WEB
from pluggy_sync.store.tables import inbox, item_progress
from standalone.polling import eventually
from tests.kit.factories import an_event
from tests.kit.psql import psql
from tests.kit.workers import take_messages
from webhook_app.intake import writer as writing
from webhook_app.intake.intake import Intake
from webhook_app.intake.writer import FullError


@pytest.fixture
def process(settings):
    """Make the intake of one more process; all end with the test."""
    with contextlib.ExitStack() as stack:

        def process():
            res = create_resources(settings, WEB)
            stack.callback(res.close)
            return Intake(res)

        yield process


@contextlib.contextmanager
def inbox_locked(database_url):
    """Whoever stores waits until the block ends."""
    with psql(database_url) as conn:
        conn.execute("LOCK TABLE inbox")
        yield
        conn.rollback()


def body(**changes):
    return json.dumps(an_event(**changes)).encode()


def taken(intake, bodies):
    return [intake.take(each) for each in bodies]


def results(futures):
    return [each.result(timeout=60) for each in futures]


def gathered(intake, database_url, bodies):
    """Return the results of *bodies*, all of which but the first wait while the first is stored: they are one batch."""
    with inbox_locked(database_url):
        first = intake.take(body())
        eventually(lambda: not intake._writer._queue, what="the writer has the first")
        futures = taken(intake, bodies)
    return results([first, *futures])[1:]


def rows(database, table, *order):
    with database.connect() as conn:
        return conn.execute(sa.select(table).order_by(*order)).all()


def test_what_waits_is_committed_together(process, database, database_url):
    bodies = [body(itemId=f"item-{number}") for number in range(40)]

    assert gathered(process(), database_url, bodies) == [Result.RECORDED] * 40

    with database.connect() as conn:
        transactions = conn.scalars(sa.text("SELECT DISTINCT xmin::text FROM inbox")).all()
    assert len(transactions) == 2


def test_events_of_one_item_are_numbered_in_the_order_in_which_they_came(process, database, database_url):
    names = [f"event-{number:02d}" for number in random.Random(1).sample(range(40), 40)]
    bodies = [body(eventId=each, itemId=f"item-{number % 3}") for number, each in enumerate(names)]

    gathered(process(), database_url, bodies)

    stored = [row for row in rows(database, inbox, inbox.c.id) if row.event_id in names]
    assert [row.event_id for row in stored] == names
    for item_id in ("item-0", "item-1", "item-2"):
        numbers = [row.item_seq for row in stored if row.item_id == item_id]
        assert numbers == list(range(1, len(numbers) + 1))


def test_a_repeat_in_the_same_batch_is_stored_and_counted_once(process, database, database_url):
    once = body(itemId="item-1")

    assert gathered(process(), database_url, [once] * 5) == [Result.RECORDED, *[Result.REPEATED] * 4]
    assert {row.item_id: row.last_event_seq for row in rows(database, item_progress)}["item-1"] == 1


def test_another_happening_with_the_same_id_in_the_same_batch_is_swallowed_by_none(process, database, database_url):
    first, other = body(eventId="e", itemId="item-1"), body(eventId="e", itemId="item-2")

    assert gathered(process(), database_url, [first, other, other, first]) == [
        *[Result.RECORDED, Result.RECORDED],
        *[Result.REPEATED, Result.REPEATED],
    ]
    stored = [row for row in rows(database, inbox, inbox.c.id) if row.event_id.startswith("e")]
    assert [row.item_id for row in stored if row.event_id == "e" or row.event_id.startswith("e:")] == [
        *["item-1", "item-2"]
    ]


def test_two_processes_that_get_the_same_events_at_once_store_and_count_each_once(process, database):
    bodies = [body(itemId=f"item-{number % 5}") for number in range(150)]
    one, two = process(), process()

    with ThreadPoolExecutor(2) as threads:
        in_order = threads.submit(taken, one, bodies)
        reversed_ = threads.submit(taken, two, bodies[::-1])
        found = Counter(results([*in_order.result(), *reversed_.result()]))

    assert found == {Result.RECORDED: 150, Result.REPEATED: 150}
    assert {row.last_event_seq for row in rows(database, item_progress)} == {30}
    numbers = {(row.item_id, row.item_seq) for row in rows(database, inbox)}
    assert numbers == {(f"item-{item}", seq) for item in range(5) for seq in range(1, 31)}


def test_beside_loops_that_lock_items_in_any_order_every_event_is_stored_and_nobody_is_in_a_deadlock(
    process, database, database_url
):
    item_ids = [f"item-{number}" for number in range(20)]
    one, two = process(), process()
    results(taken(one, [body(itemId=each) for each in item_ids]))
    stop, errors, rounds = threading.Event(), [], itertools.count()
    deadlocks = sa.text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    with database.connect() as conn:
        before = conn.scalar(deadlocks)

    def loop(seed):
        chance = random.Random(seed)
        with psql(database_url, autocommit=True) as conn:
            while not stop.is_set():
                try:
                    with conn.transaction():
                        for each in chance.sample(item_ids, 4):
                            conn.execute("SELECT FROM item_progress WHERE item_id = %s FOR UPDATE", [each])
                except psycopg.Error as exc:
                    errors.append(exc)
                next(rounds)

    with ThreadPoolExecutor(1) as threads:
        looping = threads.submit(loop, 1)
        bodies = [body(itemId=each) for each in item_ids * 15]
        found = Counter(results([*taken(one, bodies[::2]), *taken(two, bodies[1::2])]))
        stop.set()
        looping.result(timeout=60)

    assert found == {Result.RECORDED: 300}
    assert errors == []
    assert next(rounds) > 1
    with database.connect() as conn:
        assert conn.scalar(deadlocks) == before
    assert {row.last_event_seq for row in rows(database, item_progress)} == {16}


def test_one_that_postgres_refuses_fails_none_of_its_batch(process, database, database_url):
    with psql(database_url, autocommit=True) as conn:
        conn.execute("ALTER TABLE inbox ADD CONSTRAINT poison CHECK (item_id <> 'poison') NOT VALID")
    try:
        bodies = [body(itemId="poison" if number == 7 else f"item-{number}") for number in range(20)]
        found = gathered(process(), database_url, bodies)
    finally:
        with psql(database_url, autocommit=True) as conn:
            conn.execute("ALTER TABLE inbox DROP CONSTRAINT poison")

    assert found == [*[Result.RECORDED] * 7, None, *[Result.RECORDED] * 12]
    assert "poison" not in {row.item_id for row in rows(database, item_progress)}


def test_an_event_whose_item_is_held_waits_and_holds_up_none_that_came_with_it(process, database_url):
    intake = process()
    results(taken(intake, [body(itemId="held")]))
    with psql(database_url) as conn:
        conn.execute("SELECT FROM item_progress WHERE item_id = 'held' FOR UPDATE")
        held = intake.take(body(itemId="held"))
        others = results(taken(intake, [body(itemId=f"item-{number}") for number in range(20)]))
        waited = held.done()

    assert (waited, others) == (False, [Result.RECORDED] * 20)
    assert held.result(timeout=60) is Result.RECORDED


def test_what_is_stored_is_queued_in_order_and_what_is_only_kept_is_not(process, database_url, resources):
    bodies = [body(eventId="e1"), b"no JSON", body(eventId="e2"), body(eventId="e1")]
    intake = process()

    found = gathered(intake, database_url, bodies)
    assert intake._res.publisher.wait(within_s=30)

    assert found == [Result.RECORDED, Result.KEPT, Result.RECORDED, Result.REPEATED]
    assert [argument for _, argument in take_messages(resources)][1:] == ["e1", "e2", "e1"]


def test_whoever_is_told_that_an_event_is_stored_finds_its_task_on_the_way(process, database_url, monkeypatch):
    intake = process()
    publisher = intake._res.publisher
    publish = publisher.publish
    told_before = []

    def publish_and_note(messages):
        told_before.append(future.done())
        publish(messages)

    monkeypatch.setattr(publisher, "publish", publish_and_note)
    with inbox_locked(database_url):
        future = intake.take(body())
    assert results([future]) == [Result.RECORDED]

    assert told_before == [False]


def test_more_than_can_be_stored_in_time_is_refused_at_once(process, database_url, monkeypatch):
    monkeypatch.setattr(writing, "MOST_WAITING", 10)
    intake = process()
    with inbox_locked(database_url):
        first = intake.take(body())
        eventually(lambda: not intake._writer._queue, what="the writer has the first")
        waiting = taken(intake, [body() for _ in range(10)])
        with pytest.raises(FullError):
            intake.take(body())

    assert results([first, *waiting]) == [Result.RECORDED] * 11


def test_who_waits_behind_a_postgres_that_hangs_is_told_in_time(process, database_url):
    intake = process()
    results([intake.take(body())])
    with inbox_locked(database_url):
        began = time.monotonic()
        futures = []
        for _ in range(15):
            futures += taken(intake, [body()])
            time.sleep(0.1)
        told = results(futures)
        took = time.monotonic() - began

    assert set(told) == {None}
    assert took < 1.5 + 3.5
    # Postgres answers again, and is found to.
    eventually(lambda: results([intake.take(body())]) == [Result.RECORDED], what="it is stored again")


def test_what_waits_when_the_process_ends_is_stored(process, database, database_url):
    intake = process()
    with ThreadPoolExecutor(1) as threads:
        with inbox_locked(database_url):
            futures = taken(intake, [body() for _ in range(50)])
            closing = threads.submit(intake._writer.close)
        closing.result(timeout=60)

    assert results(futures) == [Result.RECORDED] * 50
    assert len(rows(database, inbox)) == 50
