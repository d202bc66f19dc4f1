"""The front on the real server: whatever clients do, they hold no thread, and the others are answered."""

import itertools
import threading
import time
from contextlib import ExitStack
from datetime import UTC, datetime

import httpx
import pytest

from pluggy_sync import tls
from pluggy_sync.page_links import PageLinks
from pluggy_sync.settings import read_settings
from pluggy_sync.store.api_tokens import digest_of
from standalone.polling import eventually
from tests.kit.factories import API_TOKEN, WEBHOOK_SECRET, an_environ, an_event, an_id
from tests.kit.psql import psql
from tests.kit.raw_client import raw_clients
from tests.kit.web_server import running_web
from webhook_app import pluggy_keys
from webhook_app.front.areas import API_BODY_BYTES, PERSON_BODY_BYTES, SIGN_IN_BODY_BYTES, areas

pytestmark = pytest.mark.slow

SETTINGS = read_settings(an_environ())
HOOK = {"X-Webhook-Secret": WEBHOOK_SECRET, "Content-Type": "application/json"}
API = {"Authorization": f"Bearer {API_TOKEN}", "Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
AREAS = {area.name: area for area in areas(SETTINGS)}
JSON = {"Content-Type": "application/json"}
PAIR = {"clientId": "any", "clientSecret": API_TOKEN}
# More than there are threads in any area, and than all of them together.
MANY = 40


@pytest.fixture(scope="module")
def server(postgres, shared_valkey, shared_sandbox, tmp_path_factory):
    folder = tmp_path_factory.mktemp("web")
    environ = an_environ(DATABASE_URL=postgres.url, REDIS_URL=shared_valkey.url, PLUGGY_API_URL=shared_sandbox.url)
    with running_web(environ, folder) as address:
        yield address, folder / "web.log"


@pytest.fixture
def address(server, database_url):
    return server[0]


@pytest.fixture
def log(server):
    """What the web process wrote since the test began."""
    file = server[1]
    before = file.stat().st_size

    def log():
        return file.read_bytes()[before:].decode()

    return log


@pytest.fixture
def link(database_url):
    """The path of a page that exists."""
    return a_link(database_url)


def a_link(database_url):
    item_id, action_id = an_id(), f"act_{an_id()}"
    with psql(database_url) as conn:
        conn.execute("INSERT INTO items (id, first_seen_at) VALUES (%s, now())", [item_id])
        conn.execute(
            "INSERT INTO user_actions (id, item_id, kind, reason, dedup_key, created_at, parameter)"
            " VALUES (%s, %s, 'mfa', 'WAITING_USER_INPUT', 'x', now(), '{\"name\": \"token\", \"type\": \"number\"}')",
            [action_id, item_id],
        )
    return f"/act/{PageLinks(SETTINGS.secret_key, SETTINGS.public_url).token(action_id)}"


def with_key():
    """The headers of a program that has signed in at the copy of Pluggy."""
    return {"X-API-KEY": pluggy_keys.make(SETTINGS, "any", digest_of(API_TOKEN), now=datetime.now(UTC)), **JSON}


def stored(database_url):
    with psql(database_url) as conn:
        return conn.execute("SELECT count(*) FROM inbox").fetchone()[0]


def assert_all_answer(address, database_url, *, within_s=4):
    """Each area answers a client that behaves."""
    other_link = a_link(database_url)
    with httpx.Client(base_url=address, timeout=within_s, trust_env=False, verify=tls.context()) as client:
        answers = {
            "health": client.get("/health").status_code,
            "ready": client.get("/ready").status_code,
            "api": client.get("/v1/items", headers=API).status_code,
            "page": client.get(other_link).status_code,
            "file": client.get("/act-files/act.css").status_code,
            "webhook": client.post("/webhooks/pluggy", json=an_event(), headers=HOOK).status_code,
            "pluggy sign-in": client.post("/pluggy/auth", json=PAIR).status_code,
            "pluggy": client.get("/pluggy/categories", headers=with_key()).status_code,
        }
    assert set(answers.values()) == {200, 202}, answers


def announce(clients, path, headers, *, length=100, first=b'{"a":'):
    for client in clients:
        client.begin("POST", path, {**headers, "Content-Length": str(length)})
        client.send(first)


@pytest.mark.parametrize(
    "area, trouble",
    [
        *itertools.product(
            ["person", "api", "webhooks"], ["stalled", "dripped", "chunked", "half open", "without a body"]
        ),
        ("pluggy", "stalled"),
        ("pluggy sign-in", "dripped"),
    ],
)
def test_bodies_that_do_not_come_hold_nobody_up(address, database_url, area, trouble):
    links = [a_link(database_url) for _ in range(MANY)]
    paths, headers = {
        "person": (links, FORM),
        "api": (["/v1/items"] * MANY, API),
        "webhooks": (["/webhooks/pluggy"] * MANY, HOOK),
        "pluggy": (["/pluggy/connect_token"] * MANY, with_key()),
        "pluggy sign-in": (["/pluggy/auth"] * MANY, JSON),
    }[area]
    stop = threading.Event()
    with raw_clients(address, MANY) as clients:

        def drip():
            while not stop.wait(0.1):
                for client in clients:
                    client.send(b"1\r\n \r\n" if trouble == "chunked" else b" ")

        for client, path in zip(clients, paths, strict=True):
            how = {"Transfer-Encoding": "chunked"} if trouble == "chunked" else {"Content-Length": "1000"}
            client.begin("POST", path, {**headers, **how})
            if trouble == "stalled":
                client.send(b'{"a":')
            elif trouble == "half open":
                client.send(b'{"a":')
                client.end_sending()
        dripping = threading.Thread(target=drip)
        if trouble in ("dripped", "chunked"):
            dripping.start()
        try:
            assert_all_answer(address, database_url)
        finally:
            stop.set()
            if dripping.ident:
                dripping.join()


def test_many_stalled_bodies_of_one_link_are_not_even_waited_for(address, database_url, link):
    with raw_clients(address, MANY) as clients:
        announce(clients, link, FORM)
        # The first ones are waited for until their deadline.
        statuses = sorted(str(client.status()) for client in clients)

        assert_all_answer(address, database_url)

    same_path = AREAS["person"].same_path
    assert statuses == ["408"] * same_path + ["429"] * (MANY - same_path)


@pytest.mark.parametrize(
    "area, path, headers, status",
    [("webhooks", "/webhooks/pluggy", HOOK, 503), ("api", "/v1/items", API, 408), ("person", None, FORM, 408)],
    ids=["webhooks", "api", "person"],
)
def test_a_body_that_is_not_complete_in_time_is_not_waited_for(
    address, database_url, link, area, path, headers, status
):
    with raw_clients(address, 1) as (client,):
        began = time.monotonic()
        announce([client], path or link, headers)

        assert client.status() == status
        assert AREAS[area].body_s - 0.1 < time.monotonic() - began < AREAS[area].body_s + 5
    assert stored(database_url) == 0


@pytest.mark.parametrize(
    "path, headers, limit",
    [
        ("/webhooks/pluggy", HOOK, SETTINGS.webhook_max_bytes),
        ("/v1/items", API, API_BODY_BYTES),
        (None, FORM, PERSON_BODY_BYTES),
        ("/pluggy/connect_token", with_key(), API_BODY_BYTES),
        ("/pluggy/auth", JSON, SIGN_IN_BODY_BYTES),
    ],
    ids=["webhooks", "api", "person", "pluggy", "pluggy sign-in"],
)
@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "of unknown length"])
def test_a_body_over_the_limit_is_413_and_nothing_of_it_is_kept(
    address, database_url, link, path, headers, limit, chunked
):
    body = b"5" * (limit + 1)
    with raw_clients(address, 1) as (client,):
        if chunked:
            client.begin("POST", path or link, {**headers, "Transfer-Encoding": "chunked"})
            client.send(b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n")
        else:
            client.begin("POST", path or link, {**headers, "Content-Length": str(len(body))})
            client.send(body)

        assert client.status() == 413
    assert stored(database_url) == 0


def test_a_body_of_unknown_length_is_read_whole(address, database_url):
    body = b'{"event": "item/updated", "eventId": "e", "itemId": "i"}'
    with raw_clients(address, 1) as (client,):
        client.begin("POST", "/webhooks/pluggy", {**HOOK, "Transfer-Encoding": "chunked"})
        for byte in body:
            client.send(b"1\r\n%c\r\n" % byte)
        client.send(b"0\r\n\r\n")

        assert client.status() == 202
    assert stored(database_url) == 1


@pytest.mark.parametrize("how", ["announced", "of unknown length"])
@pytest.mark.parametrize("end", ["closed", "half closed"])
def test_a_body_that_breaks_off_is_no_delivery(address, database_url, log, how, end):
    with raw_clients(address, 1) as (client,):
        part = b'{"event":"item/updated","eventId":"e"'
        if how == "announced":
            client.begin("POST", "/webhooks/pluggy", {**HOOK, "Content-Length": "200"})
            client.send(part)
        else:
            client.begin("POST", "/webhooks/pluggy", {**HOOK, "Transfer-Encoding": "chunked"})
            client.send(b"%x\r\n%b\r\n" % (len(part), part))
        if end == "closed":
            client.close()
        else:
            client.end_sending()
            assert client.status() == 400
    with httpx.Client(base_url=address, trust_env=False, headers=HOOK, verify=tls.context()) as client:
        for _ in range(10):
            assert client.post("/webhooks/pluggy", json=an_event()).status_code == 202

    assert stored(database_url) == 10
    assert '"error"' not in log()
    assert "unparsable" not in log()


@pytest.mark.parametrize(
    "path, headers, status",
    [
        ("/webhooks/pluggy", {"X-Webhook-Secret": "of-a-stranger"}, 401),
        ("/v1/items", {}, 401),
        ("/pluggy/connect_token", {"X-API-KEY": "of-a-stranger"}, 403),
    ],
)
def test_a_stranger_is_answered_without_its_body(address, path, headers, status):
    with raw_clients(address, 1) as (client,):
        client.begin("POST", path, {**headers, "Content-Type": "application/json", "Content-Length": "1000000"})

        assert client.status() == status


def test_streams_that_nobody_reads_hold_nobody_up_and_give_their_place_back(address, database_url):
    links = [a_link(database_url) for _ in range(MANY)]
    with raw_clients(address, MANY) as clients:
        for client, each in zip(clients, links, strict=True):
            client.begin("GET", f"{each}/changes", {})
        statuses = [client.status() for client in clients]
        assert_all_answer(address, database_url)
    places = statuses.count(200)
    assert 0 < places < MANY
    assert statuses.count(503) == MANY - places

    with ExitStack() as still_open:

        def one_more_is_open():
            (client,) = still_open.enter_context(raw_clients(address, 1))
            client.begin("GET", f"{links[0]}/changes", {})
            return client.status() == 200

        for _ in range(places):
            eventually(one_more_is_open, what="one more stream is open")


def test_connections_that_say_nothing_hold_nobody_up(address, database_url):
    with raw_clients(address, 500):
        assert_all_answer(address, database_url)


def test_clients_that_leave_before_they_are_answered_leave_no_error(address, database_url, log):
    for _ in range(20):
        with raw_clients(address, 1) as (client,):
            announce([client], "/webhooks/pluggy", HOOK, length=2, first=b"{}")

    assert_all_answer(address, database_url)
    assert "raceback" not in log()


def test_what_the_client_sent_reaches_the_app_as_it_was(address, link):
    with httpx.Client(base_url=address, trust_env=False, verify=tls.context()) as client:
        assert client.get("/v1/items?limit=%C3%A9", headers=API).json()["errors"][0]["field"] == "limit"
        assert client.get("/v1/items/%2e%2e%2fhealth", headers=API).status_code in (400, 404)
        assert client.get(f"{link}%0a").status_code in (404, 410)
        request_id = client.get("/health", headers={"X-Request-Id": "mine"}).headers["X-Request-Id"]
        assert request_id == "mine"
        assert client.head("/health").content == b""
        script = client.get("/v1/docs/swagger-ui-bundle.js")
        assert len(script.content) == int(script.headers["Content-Length"]) > 1_000_000
        assert client.post(link, data={"do": "mfa", "value": ""}).status_code == 422


def test_a_header_with_letters_of_other_alphabets_does_no_harm(address):
    with raw_clients(address, 1) as (client,):
        client.send(b"GET /health HTTP/1.1\r\nHost: x\r\nX-Odd: s\xc3\xaanha\xff\r\nX-Request-Id: \xff\r\n\r\n")

        assert client.status() == 200
