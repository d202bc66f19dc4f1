"""Tallies: what processes count comes together in Redis, and nobody waits for it."""

import threading
import time

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from pluggy_sync import tallies
from pluggy_sync.redis_options import redis_options
from pluggy_sync.tallies import ATTEMPTS, SYNC_TOOK, Tallies
from standalone.polling import eventually

KEY = "tallies-of-the-test"


@pytest.fixture
def client(shared_valkey):
    with redis_options(shared_valkey.url).client(connect_timeout_s=1, timeout_s=1) as client:
        client.flushall()
        yield client


@pytest.fixture
def make(client):
    made = []

    def make(redis=client):
        made.append(Tallies(redis, KEY))
        return made[-1]

    yield make
    for each in made:
        each.close()


def scraped(found):
    """Return the samples as Prometheus reads them."""

    class Collector:
        def collect(self):
            return tallies.metrics(found, "x_")

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collector())
    text = generate_latest(registry).decode()
    families = text_string_to_metric_families(text)
    return {" ".join([each.name, *each.labels.values()]): each.value for family in families for each in family.samples}


def test_what_two_processes_count_comes_together(make):
    first, second = make(), make()
    first.count(ATTEMPTS, "2xx")
    second.count(ATTEMPTS, "2xx", by=2)
    second.count(ATTEMPTS, "5xx")
    assert first.flush()
    assert second.flush()

    assert scraped(first.read()) == {"x_attempts_total 2xx": 3, "x_attempts_total 5xx": 1}


def test_counts_reach_redis_by_themselves(make):
    counting = make()
    counting.count(ATTEMPTS, "2xx")

    eventually(lambda: counting.read() == {"attempts|2xx": 1}, what="the count is in Redis")


def test_a_process_that_ends_adds_what_it_counted(make, monkeypatch):
    monkeypatch.setattr(tallies, "FLUSH_EVERY_S", 3600)
    counting = make()
    counting.count(ATTEMPTS, "2xx")
    counting.close()

    assert counting.read() == {"attempts|2xx": 1}


def test_a_duration_is_in_every_bucket_that_is_at_least_as_long(make):
    counting = make()
    for seconds in (0.5, 0.6, 1_000):
        counting.time(SYNC_TOOK, seconds, "done")
    counting.flush()

    found = scraped(counting.read())

    assert found["x_sync_seconds_bucket 0.5 done"] == 1
    assert found["x_sync_seconds_bucket 1.0 done"] == 2
    assert found["x_sync_seconds_bucket 900.0 done"] == 2
    assert found["x_sync_seconds_bucket +Inf done"] == found["x_sync_seconds_count done"] == 3
    assert found["x_sync_seconds_sum done"] == pytest.approx(1_001.1)


def test_without_redis_nobody_waits_and_what_was_counted_is_added_later(make, client):
    nowhere = redis_options("redis://127.0.0.1:1/0").client(connect_timeout_s=1, timeout_s=1)
    counting = make(nowhere)
    began = time.process_time()
    for _ in range(1_000):
        counting.count(ATTEMPTS, "2xx")
    assert time.process_time() - began < 1
    assert not counting.flush()

    counting._redis = client
    assert counting.flush()

    assert counting.read() == {"attempts|2xx": 1_000}


def test_threads_lose_no_count(make):
    counting = make()
    threads = [threading.Thread(target=lambda: [counting.count(ATTEMPTS, "2xx") for _ in range(500)]) for _ in range(4)]
    for each in threads:
        each.start()
    while any(each.is_alive() for each in threads):
        counting.flush()
    counting.flush()

    assert counting.read() == {"attempts|2xx": 2_000}


@pytest.mark.parametrize("odd", ["a|b", "line\nend", "x" * 200])
def test_a_label_that_is_no_word_of_ours_becomes_other(make, odd):
    counting = make()
    counting.count(ATTEMPTS, odd)
    counting.flush()

    assert counting.read() == {"attempts|other": 1}


@pytest.mark.parametrize(
    "shape, endpoint",
    [
        ("GET /v2/transactions", "GET /v2/transactions"),
        ("GET /items/{id}", "GET /items/{id}"),
        ("GET /connectors/201", "GET /connectors/{id}"),
        ("GET /items/short-id-1/resources", "GET /items/{id}/resources"),
    ],
)
def test_an_endpoint_has_no_id_in_it(shape, endpoint):
    assert tallies.of_endpoint(shape) == endpoint


def test_what_is_in_redis_of_another_version_is_passed_over():
    assert scraped({"attempts|2xx": 1, "attempts": 3, "gone|x": 1, "sync_seconds|done": 4}) == {
        "x_attempts_total 2xx": 1
    }
