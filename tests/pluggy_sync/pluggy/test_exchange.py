"""One request and its answer: whatever the server does, it ends in time and takes no more memory than is said."""

import gzip
import itertools
import threading
import time
import tracemalloc
import zlib

import httpx
import pytest

from pluggy_sync import tls
from pluggy_sync.pluggy import deadline, exchange
from pluggy_sync.pluggy.errors import PluggyLimitedError, PluggyUnavailableError
from pluggy_sync.pluggy.exchange import MAX_ANSWER_BYTES, Exchange, Hooks
from tests.kit.raw_server import raw_server
from tests.kit.scripted_server import Reply, scripted_server

# What is allowed, and what a slow machine may take longer. Without bounds each of these would take minutes or for ever.
TOTAL_S = 1.0
AT_MOST_S = 8.0

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.fixture
def an_exchange():
    """Make exchanges with a server; close them at the end."""
    made = []

    def make(url, *, total_s=TOTAL_S, hooks=None, **options):
        made.append(
            Exchange(
                httpx.Client(base_url=url, **options, verify=tls.context()), total_s=total_s, hooks=hooks or Hooks()
            )
        )
        return made[-1]

    yield make
    for each in made:
        each.close()


def drip(connection, text):
    """Send *text* over and over, a byte at a time, always in time for a limit on each read."""
    for byte in itertools.cycle(text):
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


def hang(connection):
    connection.recv(1)


def drip_the_status_line(connection):
    drip(connection, b"HTTP/1.1 200 OK")


def drip_the_headers(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    drip(connection, b"X-Header: value\r\n")


def drip_the_body(connection):
    connection.sendall(OK + b"Content-Length: 1000000\r\n\r\n")
    drip(connection, b" ")


def drip_the_chunks(connection):
    connection.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    drip(connection, b"1\r\n \r\n")


def drip_informational_answers(connection):
    drip(connection, b"HTTP/1.1 100 Continue\r\n\r\n")


def hang_in_the_body(connection):
    connection.sendall(OK + b'Content-Length: 1000\r\n\r\n{"a":')
    hang(connection)


@pytest.mark.slow
@pytest.mark.parametrize(
    "script",
    [
        hang,
        drip_the_status_line,
        drip_the_headers,
        drip_informational_answers,
        drip_the_body,
        drip_the_chunks,
        hang_in_the_body,
    ],
)
@pytest.mark.parametrize("setting_s, block_s", [(TOTAL_S, 600), (600, TOTAL_S)], ids=["by the setting", "by the block"])
def test_an_answer_that_takes_its_time_is_cut_off(an_exchange, script, setting_s, block_s):
    with raw_server(script) as url:
        slow = an_exchange(url, total_s=setting_s)
        started = time.monotonic()
        with (
            deadline.within(block_s),
            pytest.raises(PluggyUnavailableError, match=r"no whole answer in time \(ReadTimeout\) for GET /x"),
        ):
            slow.send("GET", "/x")

        assert TOTAL_S * 0.9 <= time.monotonic() - started < AT_MOST_S


def endless(connection):
    connection.sendall(OK + b"Connection: close\r\n\r\n")
    while True:
        connection.sendall(b" " * 65536)


def endless_chunks(connection):
    connection.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")


def endless_headers(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X-Header: " + b"x" * 65536)


def endless_gzip_of_nothing(connection):
    connection.sendall(OK + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n")
    packer = zlib.compressobj(wbits=31)
    connection.sendall(packer.compress(b"{") + packer.flush(zlib.Z_FULL_FLUSH))
    while True:
        # Empty blocks: nothing comes out of them.
        connection.sendall((b"\x00\x00\x00\xff\xff") * 10_000)


@pytest.mark.parametrize(
    "script, why",
    [
        (endless, "16 MiB"),
        (endless_chunks, "16 MiB"),
        (endless_gzip_of_nothing, "16 MiB"),
        (endless_headers, "RemoteProtocolError"),
    ],
)
def test_an_answer_without_end_is_left_for_its_length(an_exchange, script, why):
    with raw_server(script) as url, pytest.raises(PluggyUnavailableError, match=why):
        an_exchange(url, total_s=120).send("GET", "/x")


@pytest.mark.slow
def test_a_bomb_is_not_unpacked(an_exchange):
    """A gigabyte, packed to one megabyte: at most what is taken of an answer is unpacked, and little more is held."""
    one = zlib.compressobj(wbits=31)
    bomb = b"".join(one.compress(b"0" * 2**20) for _ in range(1024)) + one.flush()
    reply = Reply(bomb, headers={"Content-Encoding": "gzip"})

    with raw_server(lambda connection: connection.sendall(_as_sent(reply))) as url:
        tracemalloc.start()
        try:
            with pytest.raises(PluggyUnavailableError, match="more than 16 MiB for GET /x"):
                an_exchange(url, total_s=120).send("GET", "/x")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert peak < MAX_ANSWER_BYTES * 2.5


@pytest.mark.parametrize("packed", [True, False])
def test_an_answer_may_have_sixteen_mebibytes_and_not_one_byte_more(an_exchange, packed):
    def server_of(body):
        reply = Reply(gzip.compress(body), headers={"Content-Encoding": "gzip"}) if packed else Reply(body)
        return raw_server(lambda connection: connection.sendall(_as_sent(reply)))

    largest = b"0" * MAX_ANSWER_BYTES
    with server_of(largest) as url:
        assert an_exchange(url, total_s=120).send("GET", "/x").content == largest
    with server_of(largest + b"0") as url, pytest.raises(PluggyUnavailableError, match="16 MiB"):
        an_exchange(url, total_s=120).send("GET", "/x")


@pytest.mark.parametrize(
    "reply",
    [
        Reply(b"{}", headers={"Content-Encoding": "br"}),
        Reply(b"{}", headers={"Content-Encoding": "gzip, gzip"}),
        Reply(b"not gzip", headers={"Content-Encoding": "gzip"}),
        Reply(b"{}", headers={"Content-Length": "99999", "Connection": "close"}),
        Reply(b"{}", headers={"Content-Length": "two"}),
    ],
    ids=["another encoding", "packed twice", "not packed", "too short", "no length"],
)
def test_an_answer_that_is_not_what_it_says_is_worth_another_try(an_exchange, reply):
    with (
        raw_server(lambda connection: connection.sendall(_as_sent(reply))) as url,
        pytest.raises(PluggyUnavailableError, match="GET /x"),
    ):
        an_exchange(url, total_s=30).send("GET", "/x")


def _as_sent(reply):
    headers = {"Content-Length": str(len(reply.body)), "Connection": "close", **reply.headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {reply.status} OK\r\n{lines}\r\n".encode() + reply.body


def test_a_packed_answer_is_unpacked(an_exchange):
    body = gzip.compress(b'{"a":1}')

    with scripted_server(lambda _: Reply(body, headers={"Content-Encoding": "gzip"})) as server:
        answer = an_exchange(server.url, total_s=30).send("GET", "/x")

    assert answer.content == b'{"a":1}'
    assert server.asked[0].headers["Accept-Encoding"] == "gzip"


@pytest.mark.slow
def test_no_thread_waits_for_a_connection_beyond_its_deadline(an_exchange):
    """The only connection is held by an answer that hangs."""
    asked, waited = threading.Event(), []

    def script(connection):
        asked.set()
        hang(connection)

    with raw_server(script) as url:
        one = an_exchange(url, total_s=3, limits=httpx.Limits(max_connections=1))

        def wait_for_it():
            with deadline.within(600), pytest.raises(PluggyUnavailableError):
                one.send("GET", "/first")

        thread = threading.Thread(target=wait_for_it)
        thread.start()
        assert asked.wait(60)
        started = time.monotonic()
        with deadline.within(0.5), pytest.raises(PluggyUnavailableError, match=r"in time \(PoolTimeout\)"):
            one.send("GET", "/second")
        waited.append(time.monotonic() - started)
        thread.join(timeout=60)

    assert waited[0] < AT_MOST_S


def test_our_clock_is_held_against_pluggys(an_exchange):
    # One answer of the five is an hour late.
    behind_s = iter([90, 3690, 90, 90, 90])

    def script(connection):
        moment = time.gmtime(time.time() - next(behind_s))
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", moment)
        connection.sendall(f"HTTP/1.1 204 OK\r\nConnection: close\r\nDate: {date}\r\n\r\n".encode())

    with raw_server(script) as url:
        measured = an_exchange(url, total_s=30)
        assert measured.clock_ahead_s is None
        for _ in range(5):
            measured.send("GET", "/x")

    assert measured.clock_ahead_s == pytest.approx(90, abs=5)


@pytest.mark.parametrize("text", [None, "", "soon", "Thu, 99 Foo 2026 25:00:00 GMT", "Mon, 01 Jan 99999 00:00:00 GMT"])
def test_a_date_that_cannot_be_read_is_none(text):
    assert exchange.http_date(text) is None


def test_hooks_see_each_request_and_each_answer(an_exchange):
    seen = []
    hooks = Hooks(
        requested=[lambda request: seen.append(request.method)], answered=[lambda answer: seen.append(answer.status)]
    )

    with scripted_server(lambda _: Reply({}, status=404)) as server:
        an_exchange(server.url, total_s=30, hooks=hooks).send("GET", "/items/x", query={"page": 2})

    assert seen == ["GET", 404]


def test_a_request_that_was_not_sent_is_not_one_that_pluggy_did_not_answer(an_exchange):
    unanswered = []

    def refuse(_):
        raise PluggyLimitedError("the worker ends", retry_after_s=0.0)

    hooks = Hooks(requested=[refuse], unanswered=[unanswered.append])

    with pytest.raises(PluggyLimitedError):
        an_exchange("http://127.0.0.1:1", hooks=hooks).send("GET", "/items/1")
    assert unanswered == []
    hooks.requested.clear()
    with pytest.raises(PluggyUnavailableError):
        an_exchange("http://127.0.0.1:1", hooks=hooks).send("GET", "/items/1")
    assert unanswered == ["GET /items/1"]
