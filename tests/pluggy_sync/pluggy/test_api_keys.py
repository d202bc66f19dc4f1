"""The API key: how long it is good for, who renews it, and what happens when Pluggy rejects it."""

import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import redis

from pluggy_sync.pluggy.api_keys import ASSUMED_LIFE_S, RENEW_BEFORE_END_S, ApiKeyAuth, ApiKeyCache, life_of
from standalone.servers import running_valkey
from tests.kit.scripted_server import Reply, scripted_server


def a_key(**claims):
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"header.{payload}.signature"


@pytest.fixture
def connection(shared_valkey):
    with redis.Redis.from_url(shared_valkey.url) as client:
        client.flushall()
        yield client


def test_a_key_lives_from_its_issue_to_its_end_whatever_our_clock_says():
    assert life_of(a_key(iat=1_000, exp=8_200)) == 7200
    assert life_of(a_key(iat=9_000_000_000, exp=9_000_000_600)) == 600


@pytest.mark.parametrize("key", ["", "opaque", "a.b.c", "a.!!!.c", a_key(), a_key(exp=1), a_key(exp="x", iat=1)])
def test_a_key_that_does_not_say_how_long_it_lives_is_given_two_hours(key):
    assert life_of(key) == ASSUMED_LIFE_S


def test_a_key_is_kept_until_five_minutes_before_its_end(connection):
    cache = ApiKeyCache(connection, "client")

    cache.put(a_key(iat=0, exp=7200))

    (name,) = connection.keys("*api-key*")
    assert 7200 - RENEW_BEFORE_END_S - 5 <= connection.ttl(name) <= 7200 - RENEW_BEFORE_END_S


def test_a_key_is_shared_by_the_workers_of_one_application_and_of_no_other(connection):
    ApiKeyCache(connection, "client").put("a-key")

    assert ApiKeyCache(connection, "client").get() == "a-key"
    assert ApiKeyCache(connection, "another").get() is None


def test_neither_the_client_id_nor_the_secret_stands_in_redis(connection):
    ApiKeyCache(connection, "the-client-id").put("a-key")

    assert "the-client-id" not in str(connection.keys("*"))


def test_of_many_workers_without_a_key_one_signs_in(connection):
    signed_in = []
    start = threading.Barrier(8)

    def sign_in():
        signed_in.append(True)
        return "a-key"

    def work(_):
        cache = ApiKeyCache(connection, "client")
        start.wait()
        return cache.renewed_by_one(sign_in)

    with ThreadPoolExecutor(8) as threads:
        keys = list(threads.map(work, range(8)))

    assert set(keys) == {"a-key"}
    assert len(signed_in) == 1


def test_a_rejected_key_is_forgotten_but_not_the_one_that_replaced_it(connection):
    cache = ApiKeyCache(connection, "client")
    cache.put("new")

    cache.drop("old")
    assert cache.get() == "new"

    cache.drop("new")
    assert cache.get() is None


def test_without_redis_each_process_keeps_its_own_key():
    with running_valkey() as valkey, redis.Redis.from_url(valkey.url, socket_timeout=1) as client:
        valkey.stop()
        cache = ApiKeyCache(client, "client")
        keys = iter(["first", "second"])

        assert cache.renewed_by_one(lambda: next(keys)) == "first"
        assert cache.get() == "first"


@pytest.mark.parametrize("status", [401, 403])
def test_a_rejected_request_is_repeated_once_with_a_new_key(connection, status):
    keys = iter(["first", "second", "third"])

    def answer(asked):
        return Reply(status=200 if asked.headers["X-API-KEY"] == "second" else status)

    cache = ApiKeyCache(connection, "client")
    with scripted_server(answer) as server, httpx.Client(auth=ApiKeyAuth(cache, lambda: next(keys))) as http:
        response = http.get(server.url)

    assert response.status_code == 200
    assert [each.headers["X-API-KEY"] for each in server.asked] == ["first", "second"]


def test_a_request_that_stays_rejected_is_not_repeated_for_ever(connection):
    keys = iter(["first", "second", "third"])
    cache = ApiKeyCache(connection, "client")

    with (
        scripted_server(lambda _: Reply(status=403)) as server,
        httpx.Client(auth=ApiKeyAuth(cache, lambda: next(keys))) as http,
    ):
        response = http.get(server.url)

    assert response.status_code == 403
    assert len(server.asked) == 2


def test_keys_that_all_ended_at_once_cost_one_renewal(service, upstream):
    item_id = upstream.connect()
    service.catch_up()
    upstream.expire_keys()
    upstream.later(days=1)

    # `upstream` signs in by itself no more: only the service is to notice.
    before = service.res.pluggy.requests
    assert service.res.pluggy.item(item_id) is not None
    assert service.res.pluggy.item(item_id) is not None
    assert service.res.pluggy.requests == before + 2
