"""The deadline of a block: it only ever gets shorter, and it ends every wait of the client."""

import socket
import ssl
import threading
import time

import httpcore
import httpx
import pytest

from pluggy_sync.encryption import Box
from pluggy_sync.pluggy import deadline, rate_budget
from pluggy_sync.pluggy.api_keys import SIGN_IN_LOCK_S, ApiKeyCache
from pluggy_sync.pluggy.client import create_client
from pluggy_sync.pluggy.errors import PluggyLimitedError, PluggyUnavailableError
from tests.kit.factories import a_raw_item, a_settings
from tests.kit.raw_server import raw_server

ITEM = a_raw_item()["id"]
AT_MOST_S = 8.0


def test_without_a_block_there_is_no_deadline():
    assert deadline.left() is None
    assert deadline.at_most(30) == 30


def test_a_block_within_another_cannot_last_longer():
    with deadline.within(5):
        with deadline.within(100):
            assert deadline.at_most(100) <= 5
        with deadline.within(1):
            assert deadline.at_most(100) <= 1
        assert 1 < deadline.at_most(100) <= 5
    assert deadline.left() is None


def test_what_is_left_ends_at_nothing():
    with deadline.within(-1):
        assert deadline.left() == 0


def test_the_deadline_of_one_thread_is_not_that_of_another():
    seen = []
    with deadline.within(5):
        thread = threading.Thread(target=lambda: seen.append(deadline.left()))
        thread.start()
        thread.join()

    assert seen == [None]


@pytest.fixture
def pluggy(resources):
    """A client with an API key, of a server that answers nothing."""
    with raw_server(lambda connection: connection.recv(1)) as url:
        settings = a_settings(PLUGGY_API_URL=url)
        ApiKeyCache(resources.redis, settings.pluggy_client_id, Box(settings.secret_key, purpose="api-key")).put("key")
        client = create_client(settings, resources.redis)
        yield client
        client.close()


def test_all_reads_of_a_block_have_one_deadline_repeats_included(pluggy):
    started = time.monotonic()
    with deadline.within(1), pytest.raises(PluggyUnavailableError):
        pluggy.item(ITEM)

    assert time.monotonic() - started < AT_MOST_S


def test_a_pause_that_is_longer_than_the_deadline_is_not_waited_for(pluggy):
    pluggy.budget.pause("GET /items/{id}", 60)

    started = time.monotonic()
    with deadline.within(0.5), pytest.raises(PluggyLimitedError):
        pluggy.item(ITEM)
    assert time.monotonic() - started < AT_MOST_S


def test_a_pause_that_pluggy_asks_for_is_told_at_once_if_it_is_longer_than_the_deadline(resources):
    answer = b"HTTP/1.1 429 No\r\nContent-Length: 0\r\nRetry-After: 60\r\nConnection: close\r\n\r\n"
    with raw_server(lambda connection: connection.sendall(answer)) as url:
        settings = a_settings(PLUGGY_API_URL=url)
        ApiKeyCache(resources.redis, settings.pluggy_client_id, Box(settings.secret_key, purpose="api-key")).put("key")
        client = create_client(settings, resources.redis)
        started = time.monotonic()
        with deadline.within(20), pytest.raises(PluggyLimitedError):
            client.item(ITEM)
        assert time.monotonic() - started < AT_MOST_S
        client.close()


def test_a_full_budget_is_not_waited_for_beyond_it(resources):
    budget = rate_budget.Budget(resources.redis, 1)
    with rate_budget.lane(rate_budget.Lane.PERSON):
        budget.take("GET /loans")

        started = time.monotonic()
        with deadline.within(0.3), pytest.raises(PluggyLimitedError):
            budget.take("GET /loans")
        assert time.monotonic() - started < AT_MOST_S


def test_another_workers_sign_in_is_not_waited_for_beyond_it(resources):
    cache = ApiKeyCache(resources.redis, "client", Box("a-secret-key", purpose="api-key"))
    with resources.redis.lock(cache._name + ":lock", timeout=SIGN_IN_LOCK_S):
        started = time.monotonic()
        with deadline.within(0.3):
            assert cache.renewed_by_one(lambda: "own") == "own"
        assert time.monotonic() - started < AT_MOST_S


def test_each_address_of_a_host_gets_only_what_is_left(monkeypatch):
    """A host of many addresses that do not answer takes no longer than a host of one."""
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    port = full.getsockname()[1]
    # Fill its queue: further connections wait.
    waiting = [socket.socket() for _ in range(4)]
    for each in waiting:
        each.setblocking(False)
        each.connect_ex(("127.0.0.1", port))
    # Ten ways to write one address.
    hosts = ["127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "017700000001", "0x7f.1", "0177.1"]
    hosts += ["127.0x1", "127.01"]
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in hosts]
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *rest, **more: found if "example" in host else resolve(host, *rest, **more)
    )
    http = httpx.Client()
    deadline.keep(http)
    try:
        started = time.monotonic()
        with deadline.within(1), pytest.raises(httpx.ConnectTimeout):
            http.get(f"http://pluggy.example:{port}/", timeout=30)
        assert time.monotonic() - started < AT_MOST_S
    finally:
        http.close()
        for each in [*waiting, full]:
            each.close()


def test_a_second_address_is_tried_when_the_first_refuses(monkeypatch):
    with raw_server(lambda connection: connection.sendall(b"HTTP/1.1 204 OK\r\n\r\n")) as url:
        port = int(url.rpartition(":")[2])
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in ("127.0.0.2", "127.0.0.1")]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        with httpx.Client() as http:
            deadline.keep(http)
            assert http.get(f"http://pluggy.example:{port}/").status_code == 204


@pytest.mark.parametrize("name", ["no-such-host.invalid"])
def test_a_host_that_is_not_there_is_a_failed_connection(name):
    with httpx.Client() as http:
        deadline.keep(http)
        with pytest.raises(httpx.ConnectError):
            http.get(f"http://{name}/")


def test_a_handshake_that_hangs_ends_with_the_deadline():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with httpx.Client(verify=ssl.create_default_context()) as http:
            deadline.keep(http)
            started = time.monotonic()
            with deadline.within(0.5), pytest.raises(httpx.ConnectTimeout):
                http.get(f"https://127.0.0.1:{port}/", timeout=30)
    assert time.monotonic() - started < AT_MOST_S


def test_connections_through_a_proxy_keep_it_too(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

    with httpx.Client() as http:
        deadline.keep(http)
        pools = [mount._pool for mount in http._mounts.values() if isinstance(mount, httpx.HTTPTransport)]

    assert any(isinstance(pool, httpcore.HTTPProxy) for pool in pools)
    assert all(isinstance(pool._network_backend, deadline._Backend) for pool in pools)
