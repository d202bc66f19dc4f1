"""Signs of life: a worker counts for each queue that it serves, until it ends or says nothing for a minute."""

from datetime import timedelta

import pytest

from pluggy_sync import queue, worker_signs
from pluggy_sync.redis_options import redis_options
from tests.kit.factories import NOON


@pytest.fixture
def client(shared_valkey):
    with redis_options(shared_valkey.url).client(connect_timeout_s=1, timeout_s=1) as client:
        client.flushall()
        yield client


def test_every_queue_is_there_also_one_that_nobody_serves(client):
    assert worker_signs.serving(client, NOON) == dict.fromkeys(queue.QUEUE_OF_TASK.values(), 0)


def test_a_worker_counts_for_each_queue_that_it_serves(client):
    worker_signs.say(client, "worker@a", [queue.EVENTS, queue.SYNCS], NOON)
    worker_signs.say(client, "worker@b", [queue.EVENTS], NOON)
    worker_signs.say(client, "worker@b", [queue.EVENTS], NOON)

    found = worker_signs.serving(client, NOON)

    assert (found[queue.EVENTS], found[queue.SYNCS], found[queue.URGENT]) == (2, 1, 0)


def test_a_worker_that_says_nothing_for_a_minute_is_dead(client):
    worker_signs.say(client, "worker@a", [queue.EVENTS], NOON)

    assert worker_signs.serving(client, NOON + timedelta(seconds=59))[queue.EVENTS] == 1
    assert worker_signs.serving(client, NOON + timedelta(seconds=61))[queue.EVENTS] == 0
    assert client.hlen(worker_signs.KEY) == 0


def test_a_worker_that_ends_is_gone_at_once(client):
    worker_signs.say(client, "worker@a", [queue.EVENTS], NOON)
    worker_signs.end(client, "worker@a")

    assert worker_signs.serving(client, NOON)[queue.EVENTS] == 0


def test_what_is_no_sign_counts_for_nothing(client):
    client.hset(worker_signs.KEY, "worker@a", "{")

    assert sum(worker_signs.serving(client, NOON).values()) == 0
