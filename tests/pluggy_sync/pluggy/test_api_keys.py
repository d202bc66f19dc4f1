"""The API key: how long it is good for, who renews it, and what happens when Pluggy rejects it."""

import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import redis

from pluggy_sync.encryption import Box
from pluggy_sync.pluggy.api_keys import (
    ASSUMED_LIFE_S,
    LONGEST_LIFE_S,
    RENEW_BEFORE_END_S,
    ApiKeyAuth,
    ApiKeyCache,
    life_of,
    sign_in,
)
from pluggy_sync.pluggy.errors import PluggyUnavailableError
from pluggy_sync.pluggy.exchange import Exchange, Hooks
from standalone.servers import running_valkey
from tests.kit.raw_server import raw_server
from tests.kit.scripted_server import Reply, scripted_server


def a_key(**claims):
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"header.{payload}.signature"


def a_cache(client, client_id="client", *, secret_key="a-secret-key-of-the-tests"):
    return ApiKeyCache(client, client_id, Box(secret_key, purpose="api-key"))


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


@pytest.mark.parametrize("end", [10**30, 10**4000])
def test_a_key_that_claims_to_live_for_ever_is_renewed_after_a_day(connection, end):
    assert life_of(a_key(iat=0, exp=end)) == LONGEST_LIFE_S


def test_a_key_is_kept_until_five_minutes_before_its_end(connection):
    cache = a_cache(connection, "client")

    cache.put(a_key(iat=0, exp=7200))

    (name,) = connection.keys("*api-key*")
    assert 7200 - RENEW_BEFORE_END_S - 5 <= connection.ttl(name) <= 7200 - RENEW_BEFORE_END_S


def test_a_key_is_shared_by_the_workers_of_one_application_and_of_no_other(connection):
    a_cache(connection, "client").put("a-key")

    assert a_cache(connection, "client").get() == "a-key"
    assert a_cache(connection, "another").get() is None


def test_neither_the_client_id_nor_the_secret_stands_in_redis(connection):
    a_cache(connection, "the-client-id").put("a-key")

    assert "the-client-id" not in str(connection.keys("*"))


def test_the_key_stands_in_redis_encrypted(connection):
    api_key = a_key(iat=0, exp=7200)

    a_cache(connection).put(api_key)

    (name,) = connection.keys("*api-key*")
    stored = connection.get(name)
    assert api_key.encode() not in stored
    assert base64.b64encode(api_key.encode()) not in stored
    assert a_cache(connection).get() == api_key


@pytest.mark.parametrize("stored", [b"a-key-of-an-older-version", b"", b"\xff\xfe", b"gAAAAA" + b"A" * 100])
def test_what_was_not_sealed_with_our_secret_key_is_no_key(connection, stored):
    a_cache(connection).put("a-key")
    (name,) = connection.keys("*api-key*")
    connection.set(name, stored)

    assert a_cache(connection).get() is None


def test_with_another_secret_key_the_workers_sign_in_again(connection):
    a_cache(connection).put("old")
    changed = a_cache(connection, secret_key="another-secret-key-of-the-tests")

    assert changed.renewed_by_one(lambda: "new") == "new"
    assert changed.get() == "new"


def test_of_many_workers_without_a_key_one_signs_in(connection):
    signed_in = []
    start = threading.Barrier(8)

    def sign_in():
        signed_in.append(True)
        return "a-key"

    def work(_):
        cache = a_cache(connection, "client")
        start.wait()
        return cache.renewed_by_one(sign_in)

    with ThreadPoolExecutor(8) as threads:
        keys = list(threads.map(work, range(8)))

    assert set(keys) == {"a-key"}
    assert len(signed_in) == 1


def test_a_rejected_key_is_forgotten_but_not_the_one_that_replaced_it(connection):
    cache = a_cache(connection, "client")
    cache.put("new")

    cache.drop("old")
    assert cache.get() == "new"

    cache.drop("new")
    assert cache.get() is None


def test_without_redis_each_process_keeps_its_own_key():
    with running_valkey() as valkey, redis.Redis.from_url(valkey.url, socket_timeout=1) as client:
        valkey.stop()
        cache = a_cache(client, "client")
        keys = iter(["first", "second"])

        assert cache.renewed_by_one(lambda: next(keys)) == "first"
        assert cache.get() == "first"


@pytest.mark.parametrize("status", [401, 403])
def test_a_rejected_request_is_repeated_once_with_a_new_key(connection, status):
    keys = iter(["first", "second", "third"])

    def answer(asked):
        return Reply(status=200 if asked.headers["X-API-KEY"] == "second" else status)

    cache = a_cache(connection, "client")
    with scripted_server(answer) as server, httpx.Client(auth=ApiKeyAuth(cache, lambda: next(keys))) as http:
        response = http.get(server.url)

    assert response.status_code == 200
    assert [each.headers["X-API-KEY"] for each in server.asked] == ["first", "second"]


def test_a_rejected_answer_is_not_read_before_the_next_request(connection):
    """Only its status counts: it may be endless."""
    keys = iter(["first", "second"])
    cache = a_cache(connection)
    replies = iter([b"HTTP/1.1 401 No\r\nContent-Length: 1000000\r\n\r\n{", b"HTTP/1.1 204 OK\r\n\r\n"])

    def script(server_side):
        server_side.sendall(next(replies))
        server_side.recv(1)

    with raw_server(script) as url, httpx.Client(auth=ApiKeyAuth(cache, lambda: next(keys)), timeout=60) as http:
        assert http.get(url).status_code == 204


def test_a_request_that_stays_rejected_is_not_repeated_for_ever(connection):
    keys = iter(["first", "second", "third"])
    cache = a_cache(connection, "client")

    with (
        scripted_server(lambda _: Reply(status=403)) as server,
        httpx.Client(auth=ApiKeyAuth(cache, lambda: next(keys))) as http,
    ):
        response = http.get(server.url)

    assert response.status_code == 403
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        "text",
        None,
        {"apiKey": None},
        {"apiKey": 5},
        {"apiKey": ""},
        {"apiKey": "a\r\nX-Other: b"},
        {"apiKey": "chave-é"},
        {"apiKey": "x" * 100_000},
    ],
    ids=lambda body: str(body)[:30],
)
def test_an_answer_without_a_key_that_fits_a_header_is_worth_another_try(body):
    with scripted_server(lambda _: Reply(body)) as server, httpx.Client(base_url=server.url) as http:
        exchange = Exchange(http, total_s=10, hooks=Hooks())

        with pytest.raises(PluggyUnavailableError, match="POST /auth"):
            sign_in(exchange, "client", "secret")


def test_keys_that_all_ended_at_once_cost_one_renewal(service, upstream):
    item_id = upstream.connect()
    service.catch_up()
    upstream.expire_keys()
    upstream.later(days=1)

    # `upstream` keeps its own key: only the service has to notice.
    before = service.res.pluggy.requests
    assert service.res.pluggy.item(item_id) is not None
    assert service.res.pluggy.item(item_id) is not None
    assert service.res.pluggy.requests == before + 2
