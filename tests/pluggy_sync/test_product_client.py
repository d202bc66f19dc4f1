"""
POSTs to the product: the status decides, no trouble of theirs outlasts the deadline, and what is not public is guarded.

Slow, huge and half-open products: `tests/pluggy_sync/notifications/test_delivery.py`.
"""

import ipaddress
import time
from contextlib import closing

import pytest

from pluggy_sync import product_client
from pluggy_sync.product_client import BODY_BYTES, NoAnswerError, ProductClient, is_allowed
from tests.kit.scripted_server import Reply, scripted_server
from tests.kit.silent_server import silent_port


@pytest.fixture
def client():
    with closing(ProductClient()) as client:
        yield client


def post(client, url, *, timeout_s=5.0):
    return client.post(url, content=b'{"a": 1}', headers={"webhook-id": "msg_1"}, timeout_s=timeout_s)


def test_the_body_and_the_headers_arrive_as_they_were_given(client):
    with scripted_server(lambda _: Reply(status=503, headers={"Retry-After": "7"})) as server:
        answer = post(client, server.url)

    (asked,) = server.asked
    assert (asked.method, asked.body, asked.headers["webhook-id"]) == ("POST", b'{"a": 1}', "msg_1")
    assert (answer.status_code, answer.retry_after) == (503, "7")


def test_a_redirect_is_an_answer_and_is_not_followed(client):
    with scripted_server(lambda _: Reply(status=302, headers={"Location": "/elsewhere"})) as server:
        assert post(client, server.url).status_code == 302

    assert len(server.asked) == 1


def test_a_cookie_is_not_sent_back(client):
    with scripted_server(lambda _: Reply(headers={"Set-Cookie": "session=1"})) as server:
        post(client, server.url)
        post(client, server.url)

    assert [asked.headers.get("cookie") for asked in server.asked] == [None, None]


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://", "http://exa mple/", "http://x\u0000y/"])
def test_an_address_that_nobody_answers_at_gives_no_answer(client, url):
    with pytest.raises(NoAnswerError) as info:
        post(client, url)

    assert url not in str(info.value)


def test_a_product_that_says_nothing_is_left_at_the_deadline(client):
    with silent_port() as port:
        started = time.monotonic()
        with pytest.raises(NoAnswerError):
            post(client, f"http://127.0.0.1:{port}", timeout_s=0.3)

    assert time.monotonic() - started < 5


def test_a_client_that_was_closed_can_be_closed_again_and_one_never_used_too():
    client = ProductClient()
    client.close()
    with scripted_server(lambda _: Reply()) as server:
        post(client, server.url)
    client.close()
    client.close()


# What may be reached

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    ],
)
def test_an_address_that_is_not_public_is_not_reached(address):
    assert not is_allowed(address, ())


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_a_public_address_is_reached(address):
    assert is_allowed(address, ())


def test_an_allowed_network_is_reached_and_no_other():
    assert is_allowed("127.0.0.2", LOOPBACK)
    assert is_allowed("::ffff:127.0.0.2", LOOPBACK)
    assert not is_allowed("10.0.0.1", LOOPBACK)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
def test_a_guarded_request_does_not_connect_to_an_address_that_is_not_allowed(client, host):
    with scripted_server(lambda _: Reply()) as server:
        port = server.url.rpartition(":")[2]
        with pytest.raises(NoAnswerError, match="NotAllowedError"):
            client.post(f"http://{host}:{port}/", content=b"", headers={}, timeout_s=5, may_reach=())

        assert server.asked == []


def test_a_guarded_request_reaches_what_is_allowed_by_its_name_and_follows_no_redirect(client):
    inside = "http://10.0.0.1/"
    with scripted_server(lambda _: Reply(status=302, headers={"Location": inside})) as server:
        port = server.url.rpartition(":")[2]
        answer = client.post(f"http://localhost:{port}/x", content=b"", headers={}, timeout_s=5, may_reach=LOOPBACK)

    assert answer.status_code == 302
    assert [asked.headers["Host"] for asked in server.asked] == [f"localhost:{port}"]


def test_a_name_that_changes_its_address_after_it_was_checked_is_connected_to_where_it_was_checked(client, monkeypatch):
    asked_for = []

    async def resolve(host, port):
        # A second look would find another address.
        asked_for.append(host)
        return ["127.0.0.1"] if len(asked_for) == 1 else ["10.0.0.1"]

    monkeypatch.setattr(product_client, "_resolve", resolve)
    with scripted_server(lambda _: Reply()) as server:
        port = server.url.rpartition(":")[2]
        client.post(f"http://rebinding.example:{port}/", content=b"", headers={}, timeout_s=5, may_reach=LOOPBACK)

        assert len(server.asked) == 1
    assert asked_for == ["rebinding.example"]


def test_one_address_that_is_not_allowed_among_those_of_a_name_is_enough_to_refuse_it(client, monkeypatch):
    async def resolve(host, port):
        return ["127.0.0.1", "10.0.0.1"]

    monkeypatch.setattr(product_client, "_resolve", resolve)
    with scripted_server(lambda _: Reply()) as server:
        port = server.url.rpartition(":")[2]
        with pytest.raises(NoAnswerError, match="NotAllowedError"):
            client.post(f"http://two.example:{port}/", content=b"", headers={}, timeout_s=5, may_reach=LOOPBACK)

        assert server.asked == []


def test_the_beginning_of_an_answer_is_kept_and_no_more_than_a_few_kib(client):
    with scripted_server(lambda _: Reply(body=b"x" * 100_000, status=500)) as server:
        answer = post(client, server.url)

    assert answer.body == b"x" * BODY_BYTES
    assert "xxx" not in repr(answer)
