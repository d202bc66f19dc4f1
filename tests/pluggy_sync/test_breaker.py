"""The breaker: after a failure nobody asks for a while; then one does, and the others wait for what it finds."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from pluggy_sync.breaker import Breaker


class Server:
    def __init__(self):
        self.answers, self.asked = True, 0

    def __call__(self):
        self.asked += 1
        return self.answers or None


@pytest.fixture
def now():
    return [0.0]


@pytest.fixture
def breaker(now):
    return Breaker(rest_s=2.0, clock=lambda: now[0])


def test_while_the_server_answers_everybody_asks(breaker):
    server = Server()

    assert [breaker.call(server) for _ in range(3)] == [True] * 3
    assert server.asked == 3


def test_after_a_failure_nobody_asks_until_it_has_rested(breaker, now):
    server = Server()
    server.answers = False
    breaker.call(server)
    server.answers = True

    now[0] = 1.9
    assert breaker.call(server) is None
    assert server.asked == 1
    now[0] = 2.0
    assert breaker.call(server) is True
    assert breaker.call(server) is True


def test_only_one_finds_out_whether_it_is_back(breaker, now):
    server, asked, may_answer = Server(), threading.Event(), threading.Event()
    server.answers = False
    breaker.call(server)
    server.answers = True
    now[0] = 2.0

    def slowly():
        asked.set()
        may_answer.wait(60)
        return server()

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(breaker.call, slowly)
        asked.wait(60)
        others = [breaker.call(server) for _ in range(5)]
        may_answer.set()
        found = first.result()

    assert (found, others) == (True, [None] * 5)
    assert breaker.call(server) is True


def test_an_exception_says_nothing_about_the_server(breaker):
    def fail():
        raise KeyError

    with pytest.raises(KeyError):
        breaker.call(fail)

    assert breaker.call(Server()) is True
