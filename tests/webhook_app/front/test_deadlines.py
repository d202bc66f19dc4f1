"""The deadlines of the front, with an app and a client that are as slow as a test wants."""

import asyncio
import dataclasses
import threading
import time
from urllib.parse import urlsplit

import pytest

from tests.kit import event_loops
from tests.kit.factories import WEBHOOK_SECRET, a_settings
from webhook_app.front import app as front_app
from webhook_app.front.app import Front

SETTINGS = a_settings()


def scope(path="/webhooks/pluggy", method="POST"):
    return {
        "type": "http",
        "method": method,
        "path": urlsplit(path).path,
        "raw_path": path.encode(),
        "query_string": b"",
        "http_version": "1.1",
        "server": ("127.0.0.1", "8000"),
        "client": ("127.0.0.1", "1"),
        "scheme": "http",
        "headers": [(b"x-webhook-secret", WEBHOOK_SECRET.encode())],
    }


async def ask(front, *, path="/webhooks/pluggy", send=None):
    """Return the status of the answer, None if it was not sent to its end, and how many seconds it took."""
    sent = []
    requests = [{"type": "http.request", "body": b"{}", "more_body": False}]

    async def receive():
        if not requests:
            await asyncio.Event().wait()
        return requests.pop()

    async def keep(message):
        sent.append(message)

    began = time.monotonic()
    await front(scope(path), receive, send or keep)
    ended = bool(sent) and not sent[-1].get("more_body", False)
    return (sent[0]["status"] if ended else None), time.monotonic() - began


@pytest.fixture
def bounds(monkeypatch):
    """The bounds of production, with what a test changes."""

    def bounds(name, **changes):
        made = front_app.areas(SETTINGS)
        changed = tuple(dataclasses.replace(area, **changes) if area.name == name else area for area in made)
        monkeypatch.setattr(front_app, "areas", lambda _settings: changed)

    return bounds


def test_pluggy_is_answered_within_five_seconds_whatever_our_threads_do(bounds):
    bounds("webhooks", answer_s=0.3)
    stuck = threading.Event()

    def app(_environ, _start_response):
        stuck.wait()
        return []

    async def scenario():
        front = Front(app, SETTINGS)
        answers = await asyncio.gather(*[ask(front) for _ in range(80)])
        stuck.set()
        return answers

    assert next(area for area in front_app.areas(SETTINGS) if area.name == "webhooks").answer_s == 0.3
    answers = event_loops.run(scenario())

    assert {status for status, _ in answers} == {503}
    assert max(took for _, took in answers) < 4


def test_stuck_threads_of_one_area_leave_the_others_theirs(bounds):
    bounds("person", answer_s=0.3)
    stuck = threading.Event()

    def app(environ, start_response):
        if environ["PATH_INFO"].startswith("/act/"):
            stuck.wait()
        start_response("200 OK", [("Content-Length", "0")])
        return []

    async def scenario():
        front = Front(app, SETTINGS)
        pages = await asyncio.gather(*[ask(front, path=f"/act/{number}") for number in range(20)])
        others = [await ask(front, path=path) for path in ("/webhooks/pluggy", "/v1/items", "/health", "/ready")]
        stuck.set()
        return pages, others

    pages, others = event_loops.run(scenario())

    assert {status for status, _ in pages} == {503}
    assert {status for status, _ in others} == {200}


def test_when_too_many_wait_one_more_is_told_so_at_once(bounds):
    bounds("webhooks", waiting=2, threads=1)
    stuck = threading.Event()

    def app(_environ, start_response):
        stuck.wait()
        start_response("202 ACCEPTED", [("Content-Length", "0")])
        return []

    async def scenario():
        front = Front(app, SETTINGS)
        first = [asyncio.ensure_future(ask(front)) for _ in range(3)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        status, _ = await ask(front)
        stuck.set()
        return status, [each for each, _ in await asyncio.gather(*first)]

    assert event_loops.run(scenario()) == (503, [202, 202, 202])


@pytest.mark.parametrize("length", [["Content-Length"], []], ids=["a large answer", "a stream"])
def test_a_client_that_does_not_read_is_left(monkeypatch, length):
    monkeypatch.setattr(front_app, "STREAM_PART_S", 0.2)
    body = b"x" * 1_000_000

    class Answer(list):
        closed = False

        def close(self):
            Answer.closed = True

    def app(_environ, start_response):
        start_response("200 OK", [(name, str(len(body))) for name in length])
        return Answer([body])

    async def never(message):
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    async def scenario():
        _, took = await ask(Front(app, SETTINGS), path="/v1/items", send=never)
        return took

    assert event_loops.run(scenario()) < 5
    assert Answer.closed


def test_a_fault_in_the_app_ends_one_request_and_its_text_is_nowhere(caplog):
    def app(_environ, _start_response):
        raise RuntimeError("hunter2")

    async def scenario():
        front = Front(app, SETTINGS)
        return [await ask(front) for _ in range(3)]

    event_loops.run(scenario())

    assert "hunter2" not in caplog.text
    assert "front.failed" in caplog.text
