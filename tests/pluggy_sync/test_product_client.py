"""
POSTs to the product: the status is all that is taken of an answer, and no trouble of theirs outlasts the deadline.

Slow, huge and half-open products: `tests/pluggy_sync/notifications/test_delivery.py`.
"""

import time
from contextlib import closing

import pytest

from pluggy_sync.product_client import NoAnswerError, ProductClient
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
