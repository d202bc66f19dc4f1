"""Each check of Redis is seen to pass and to fail, on a real server."""

import dataclasses

import pytest

from console.checkup import redis
from pluggy_sync.redis_options import redis_options
from standalone.polling import eventually
from standalone.servers import running_valkey


@pytest.fixture
def configure(resources):
    """Change settings of the server for the test, and change them back."""
    before = {}

    def configure(**settings):
        for setting, value in settings.items():
            name = setting.replace("_", "-")
            before.setdefault(name, resources.redis.config_get(name)[name])
            resources.redis.config_set(name, value)

    yield configure
    for name, value in before.items():
        resources.redis.config_set(name, value)


def test_a_server_as_it_should_be_passes(said, resources, configure):
    configure(appendonly="yes")
    for check in (redis.answers, redis.persistence, redis.memory):
        found = said(check, resources)
        assert {verdict for verdict, _ in found.values()} == {"pass"}, found


def test_a_server_that_does_not_answer_is_a_problem(said, resources):
    away = redis_options("redis://127.0.0.1:1/0").client(connect_timeout_s=1, timeout_s=1)
    res = dataclasses.replace(resources, redis=away)

    assert said(redis.answers, res)["Redis"][0] == "problem"
    assert said(redis.persistence, res)["about"][0] == "not seen"
    assert said(redis.memory, res)["about"][0] == "not seen"


def test_a_replica_and_a_full_server_take_no_writes(said, resources, configure):
    configure(maxmemory="1")
    assert said(redis.answers, resources)["Redis writes"] == ("problem", "refuses them (OutOfMemoryError)")
    configure(maxmemory="0")

    resources.redis.replicaof("127.0.0.1", "1")
    try:
        assert said(redis.answers, resources)["Redis writes"] == ("problem", "refuses them (ReadOnlyError)")
    finally:
        resources.redis.replicaof("NO", "ONE")


def test_no_persistence_is_a_heads_up_and_snapshots_are_enough(said, resources, configure):
    configure(appendonly="no", save="")
    assert said(redis.persistence, resources)["Redis persistence"][0] == "heads-up"

    configure(save="3600 1")
    assert said(redis.persistence, resources)["Redis persistence"] == ("pass", "snapshots")


def test_a_server_that_cannot_write_to_its_disk_is_a_problem(said, resources, tmp_path):
    folder = tmp_path / "data"
    with running_valkey(folder) as server:
        client = redis_options(server.url).client(connect_timeout_s=1, timeout_s=5)
        res = dataclasses.replace(resources, redis=client)
        # A snapshot takes the place of the last one, and cannot take that of a folder.
        in_the_way = folder / "dump.rdb"
        in_the_way.unlink(missing_ok=True)
        (in_the_way / "x").mkdir(parents=True)
        client.bgsave()
        eventually(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", what="it fails to save")

        found = said(redis.persistence, res)["Redis persistence"]

        (in_the_way / "x").rmdir()
        in_the_way.rmdir()
        client.close()

    assert found[0] == "problem"


def test_eviction_is_a_problem_and_so_is_little_room(said, resources, configure):
    used = int(resources.redis.info("memory")["used_memory"])
    configure(maxmemory=str(used + 100_000), maxmemory_policy="allkeys-lru")

    found = said(redis.memory, resources)

    assert (found["Redis eviction"][0], found["Redis memory"][0]) == ("problem", "problem")
    configure(maxmemory=str(used * 20), maxmemory_policy="noeviction")
    assert {verdict for verdict, _ in said(redis.memory, resources).values()} == {"pass"}
