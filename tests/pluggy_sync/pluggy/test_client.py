"""The client: what each kind of trouble becomes, how pages are followed, and what is never followed."""

import dataclasses
import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest
import redis

from pluggy_sync.pluggy import client as client_module
from pluggy_sync.pluggy import rate_budget, unreadable
from pluggy_sync.pluggy.client import create_client
from pluggy_sync.pluggy.errors import (
    PluggyLimitedError,
    PluggyRefusedError,
    PluggyUnauthorizedError,
    PluggyUnavailableError,
)
from pluggy_sync.pluggy.unreadable import Unreadable
from tests.kit.factories import NOON, a_raw_account, a_raw_item, a_raw_transaction, a_settings
from tests.kit.raw_server import raw_server
from tests.kit.scripted_server import Reply, scripted_server
from tests.kit.silent_server import silent_port

ITEM = a_raw_item()["id"]
ACCOUNT = a_raw_account()["id"]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(client_module, "READ_BACKOFF_S", 0.0)


@pytest.fixture
def made(shared_valkey):
    """Make clients for an address; close them at the end."""
    connection = redis.Redis.from_url(shared_valkey.url)
    connection.flushall()
    clients = []

    def make(url, **changes):
        settings = dataclasses.replace(a_settings(PLUGGY_API_URL=url, REDIS_URL=shared_valkey.url), **changes)
        clients.append(create_client(settings, connection))
        return clients[-1]

    yield make
    for each in clients:
        each.close()
    connection.close()


@pytest.fixture
def pluggy(made, sandbox):
    return made(sandbox.url, pluggy_client_id=sandbox.client_id, pluggy_client_secret=sandbox.client_secret)


@pytest.fixture
def answering(made):
    """A client of a server that answers with a function of the path and the query; signing in works."""
    servers = []

    def answering(answer, **changes):
        def with_key(asked):
            return Reply({"apiKey": "a.b.c"}) if asked.path == "/auth" else answer(asked)

        context = scripted_server(with_key)
        server = context.__enter__()
        servers.append(context)
        return made(server.url, **changes), server

    yield answering
    for context in servers:
        context.__exit__(None, None, None)


def test_an_item_its_accounts_and_all_pages_of_its_transactions_are_read(pluggy, upstream):
    upstream.settings(firstRunDays=365, historyDays=365)
    item_id = upstream.connect()
    truth = upstream.truth(item_id)

    item = pluggy.item(item_id)
    accounts = pluggy.accounts(item_id)
    pages = {account.id: list(pluggy.transactions_since_day(account.id, None)) for account in accounts}

    assert item is not None
    assert item.raw == truth["item"]
    assert [account.raw for account in accounts] == truth["accounts"]
    rows = [row.raw for each in pages.values() for page in each for row in page]
    assert sorted(row["id"] for row in rows) == sorted(raw["id"] for raw in truth["transactions"])
    assert max(len(each) for each in pages.values()) > 1


def test_an_item_that_is_not_there_is_none(pluggy):
    assert pluggy.item(ITEM) is None


def test_rows_are_read_by_their_ids_and_those_that_are_not_there_are_left_out(pluggy, upstream):
    row, *_ = upstream.truth(upstream.connect())["transactions"]

    found = pluggy.transactions_by_ids(row["accountId"], [row["id"], ITEM])

    assert [each.raw for each in found] == [row]


def test_more_ids_than_pluggy_takes_are_a_mistake_of_the_caller(pluggy):
    with pytest.raises(ValueError, match="500"):
        pluggy.transactions_by_ids(ACCOUNT, ["x"] * 501)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_trouble_on_pluggys_side_is_tried_again_and_is_then_worth_waiting_for(pluggy, upstream, status):
    item_id = upstream.connect()
    upstream.fail({"endpoint": "GET /items/{id}", "do": "status", "status": status, "times": 2})
    assert pluggy.item(item_id) is not None

    upstream.fail({"endpoint": "GET /items/{id}", "do": "status", "status": status})
    upstream.take_requests()
    with pytest.raises(PluggyUnavailableError):
        pluggy.item(item_id)
    assert len(upstream.take_requests()) == client_module.READ_ATTEMPTS


def test_too_many_requests_carry_how_long_to_wait_and_pause_the_endpoint(answering):
    pluggy, server = answering(lambda _: Reply(status=429, headers={"Retry-After": "120"}))

    with pytest.raises(PluggyLimitedError) as caught:
        pluggy.item(ITEM)

    assert caught.value.retry_after_s == 120
    assert len([each for each in server.asked if each.method == "GET"]) == 1
    assert pluggy.budget.left(("GET /items/{id}",)) == {"GET /items/{id}": 0}
    assert pluggy.budget.left(("GET /accounts",))["GET /accounts"] > 0


def test_a_short_pause_is_waited_out_and_obeyed_where_somebody_waits(answering):
    answers = [Reply(status=429, headers={"Retry-After": "1"}), Reply(a_raw_item())]
    pluggy, _ = answering(lambda _: answers.pop(0))
    started = time.monotonic()

    with rate_budget.waiting(30):
        assert pluggy.item(ITEM) is not None

    assert time.monotonic() - started >= 1


def test_a_worker_waits_for_no_pause_however_short(answering):
    pluggy, server = answering(lambda _: Reply(status=429, headers={"Retry-After": "1"}))

    with pytest.raises(PluggyLimitedError):
        pluggy.item(ITEM)

    assert len([each for each in server.asked if each.method == "GET"]) == 1


def test_a_long_list_waits_for_its_next_page_rather_than_begin_anew(answering, monkeypatch):
    monkeypatch.setattr(client_module, "LONG_LIST_PAGES", 1)
    pages = [
        Reply({"results": [], "next": "/v2/transactions?after=b25l"}),
        Reply(status=429, headers={"Retry-After": "1"}),
        Reply({"results": []}),
    ]
    pluggy, _ = answering(lambda _: pages.pop(0))

    assert [len(page) for page in pluggy.transactions_since_day("account", None)] == [0, 0]


@pytest.mark.parametrize(
    "value, wait_s",
    [
        (None, 60),
        ("soon", 60),
        ("", 60),
        ("inf", 60),
        ("nan", 60),
        ("1e400", 60),
        ("-5", 1),
        ("0", 1),
        ("7.5", 7.5),
        ("86400", client_module.LONGEST_RETRY_AFTER_S),
        ("9" * 400, 60),
        ("9" * 300, client_module.LONGEST_RETRY_AFTER_S),
        ("Wed, 25 Nov 2026 10:02:00 GMT", 120),
        ("Wed, 25 Nov 2026 09:00:00 GMT", 1),
        ("Thu, 26 Nov 2026 10:00:00 GMT", client_module.LONGEST_RETRY_AFTER_S),
        ("Wed, 99 Nov 2026 10:02:00 GMT", 60),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_time_to_wait_is_bounded_and_without_one_the_documented_time_is_taken(made, value, wait_s):
    retry_after = "" if value is None else f"Retry-After: {value}\r\n"

    def script(connection):
        # A date in `Retry-After` is by the clock of whoever sent it.
        date = "Date: Wed, 25 Nov 2026 10:00:00 GMT\r\n"
        connection.sendall(f"HTTP/1.1 429 No\r\nContent-Length: 0\r\n{date}{retry_after}\r\n".encode())

    with raw_server(script) as url:
        pluggy = made(url)
        keep_a_key(pluggy)
        with pytest.raises(PluggyLimitedError) as caught:
            pluggy.item(ITEM)

        assert caught.value.retry_after_s == wait_s
        paused_ms = pluggy.budget._redis.pttl("pluggy-sync:budget:pause:GET /items/{id}")
        assert 0 < paused_ms <= wait_s * 1000


def keep_a_key(pluggy):
    """Let the client use a key without signing in."""
    [exchange] = pluggy._exchanges.values()
    exchange._http.auth._cache.put("a.b.c")


def test_a_connection_that_breaks_is_worth_a_retry(pluggy, upstream):
    item_id = upstream.connect()
    upstream.fail({"endpoint": "GET /items/{id}", "do": "drop", "times": 1})

    assert pluggy.item(item_id) is not None


def test_a_server_that_says_nothing_is_given_up_in_time(made):
    with silent_port() as port:
        pluggy = made(f"http://127.0.0.1:{port}", pluggy_timeout_s=0.2)
        started = time.monotonic()

        with pytest.raises(PluggyUnavailableError, match="Timeout"):
            pluggy.item(ITEM)

    assert time.monotonic() - started < 5


def test_a_server_that_is_not_there_is_worth_waiting_for(made):
    with pytest.raises(PluggyUnavailableError, match="ConnectError"):
        made("http://127.0.0.1:1").item(ITEM)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(b"<html>"),
        Reply(b""),
        Reply([]),
        Reply({"id": ITEM}),
        Reply({"id": 5, "status": "UPDATED"}),
        Reply({}, status=301, headers={"Location": "/elsewhere"}),
    ],
    ids=["html", "nothing", "a list", "no status", "odd id", "a redirect"],
)
def test_an_answer_that_cannot_be_read_is_worth_another_try_and_nothing_else(answering, reply):
    pluggy, server = answering(lambda _: reply)

    with pytest.raises(PluggyUnavailableError):
        pluggy.item(ITEM)

    assert "/elsewhere" not in {each.path for each in server.asked}


@pytest.mark.parametrize("reply", [Reply([]), Reply({"results": None}), Reply({"results": {}}), Reply({})])
def test_a_page_that_cannot_be_read_is_worth_another_try_and_nothing_else(answering, reply):
    pluggy, _ = answering(lambda _: reply)

    with pytest.raises(PluggyUnavailableError):
        pluggy.accounts(ITEM)
    with pytest.raises(PluggyUnavailableError):
        list(pluggy.transactions_since_day(ACCOUNT, None))


@pytest.mark.parametrize(
    "status, code", [(400, "ITEM_ALREADY_UPDATING"), (409, "CLIENT_IS_UPDATING_BEFORE_ALLOWED_FREQUENCY"), (400, None)]
)
def test_a_refusal_says_why_and_is_not_tried_again(answering, status, code):
    body = {"code": status, "message": "hunter2", "codeDescription": code, "data": {"lastUpdatedAt": "x"}}
    pluggy, server = answering(lambda _: Reply(body, status=status))

    with pytest.raises(PluggyRefusedError) as caught:
        pluggy.update_item(ITEM, {"password": "hunter2"})

    assert (caught.value.status, caught.value.code) == (status, code)
    assert caught.value.data == {"lastUpdatedAt": "x"}
    assert "hunter2" not in str(caught.value)
    assert len([each for each in server.asked if each.method == "PATCH"]) == 1


def test_an_update_is_never_repeated_by_itself(answering):
    pluggy, server = answering(lambda _: Reply({}, status=503))

    with pytest.raises(PluggyUnavailableError):
        pluggy.update_item(ITEM, None)
    with pytest.raises(PluggyUnavailableError):
        pluggy.answer_mfa(ITEM, "token", "123456")

    assert [each.method for each in server.asked if each.path != "/auth"] == ["PATCH", "POST"]


def page(rows, following):
    return Reply({"results": rows, "next": following})


@pytest.mark.parametrize("prefix", ["", "https://api.pluggy.ai/v2/transactions", "https://evil.example/"])
def test_only_the_cursor_of_next_is_used_whatever_address_it_comes_with(answering, prefix):
    def answer(asked):
        assert asked.path == "/v2/transactions"
        if "after" not in asked.query:
            return page([a_raw_transaction()], f"{prefix}?accountId=other&dateFrom=2020-01-01&after=c%2B1")
        assert asked.query == {"accountId": ACCOUNT, "dateFrom": "2026-01-01", "after": "c+1"}
        return page([a_raw_transaction()], None)

    pluggy, server = answering(answer)

    pages = list(pluggy.transactions_since_day(ACCOUNT, datetime(2026, 1, 1, tzinfo=UTC).date()))

    assert [len(each) for each in pages] == [1, 1]
    assert len([each for each in server.asked if each.method == "GET"]) == 2


def test_a_short_or_empty_page_is_not_the_last_one(answering):
    pages = [page([], "?after=1"), page([a_raw_transaction()], "?after=2"), page([], None)]
    pluggy, _ = answering(lambda _: pages.pop(0))

    assert [len(each) for each in pluggy.transactions_since_day(ACCOUNT, None)] == [0, 1, 0]


def test_a_cursor_that_does_not_advance_ends_in_an_error(answering):
    pluggy, server = answering(lambda _: page([a_raw_transaction()], "?after=same"))

    with pytest.raises(PluggyUnavailableError, match="advance"):
        list(pluggy.transactions_since_day(ACCOUNT, None))

    assert len(server.asked) < 5


def test_two_cursors_that_lead_to_each_other_end_in_an_error(answering):
    def answer(asked):
        return page([], "?after=b" if asked.query.get("after") == "a" else "?after=a")

    pluggy, _ = answering(answer)

    with pytest.raises(PluggyUnavailableError, match="advance"):
        list(pluggy.transactions_since_day(ACCOUNT, None))


def test_a_next_without_a_cursor_is_not_taken_for_the_end(answering):
    pluggy, _ = answering(lambda _: page([], "?accountId=x"))

    with pytest.raises(PluggyUnavailableError, match="cursor"):
        list(pluggy.transactions_since_day(ACCOUNT, None))


@pytest.mark.parametrize(
    "odd", ["http://[", {"after": "x"}, 5, True, "?after=" + "x" * 10_000], ids=lambda odd: str(odd)[:9]
)
def test_a_next_that_cannot_be_read_is_not_taken_for_the_end(answering, odd):
    pluggy, _ = answering(lambda _: page([], odd))

    with pytest.raises(PluggyUnavailableError, match="cursor"):
        list(pluggy.transactions_since_day(ACCOUNT, None))


def test_cursors_that_never_end_are_left(answering, monkeypatch):
    monkeypatch.setattr(client_module, "MAX_PAGES", 5)
    numbers = iter(range(1000))
    pluggy, _ = answering(lambda _: page([], f"?after={next(numbers)}"))

    with pytest.raises(PluggyUnavailableError, match="advance"):
        list(pluggy.transactions_since_day(ACCOUNT, None))


@pytest.mark.parametrize("total", [None, 0, -1, "1", "x" * 9, [], {}, True, Decimal("1.0"), Decimal("1e39"), 10**400])
def test_pages_end_whatever_is_said_of_their_number(answering, total):
    """With a row on the first page, and none after it."""

    def answer(asked):
        rows = [a_raw_account()] if asked.query.get("page", "1") == "1" else []
        return Reply({"results": rows, "totalPages": total})

    pluggy, server = answering(answer)

    assert [account.id for account in pluggy.accounts(ITEM)] == [ACCOUNT]
    assert len([each for each in server.asked if each.path == "/accounts"]) <= 2


@pytest.mark.parametrize("total", ["many", 10**9])
def test_an_endpoint_that_answers_every_page_with_the_same_rows_has_one(answering, total):
    pluggy, _ = answering(lambda _: Reply({"results": [a_raw_account()], "totalPages": total}))

    assert [account.id for account in pluggy.accounts(ITEM)] == [ACCOUNT]


def test_pages_that_never_end_are_left(answering, monkeypatch):
    monkeypatch.setattr(client_module, "MAX_PAGES", 5)

    def answer(asked):
        return Reply({"results": [{"id": asked.query.get("page", "1")}], "totalPages": 10**9})

    pluggy, _ = answering(answer)

    with pytest.raises(PluggyUnavailableError, match="do not end"):
        list(pluggy.loans(ITEM))


@pytest.mark.parametrize("odd", [None, 5, "text", [], {}, {"date": "2026-01-01"}], ids=str)
def test_an_odd_row_is_left_out_of_its_page_and_collected(answering, odd):
    """Wherever it stands among its neighbours, and whatever asks for it."""
    good = [a_raw_transaction(), a_raw_transaction()]
    pluggy, _ = answering(lambda _: page([odd, good[0], odd, good[1], odd], None))
    reads = [
        lambda: [row for each in pluggy.transactions_since_day(ACCOUNT, None) for row in each],
        lambda: [row for each in pluggy.transactions_ingested_since(ACCOUNT, NOON) for row in each],
        lambda: pluggy.transactions_by_ids(ACCOUNT, ["x"]),
        lambda: pluggy.first_transactions(ACCOUNT),
    ]
    for read in reads:
        found = Unreadable()
        with unreadable.collecting(found):
            assert [row.raw for row in read()] == good
        assert [(row.what, row.parent_id, row.raw) for row in found.rows] == [("transaction", ACCOUNT, odd)]


def test_an_odd_account_is_left_out_and_collected_and_one_listed_twice_is_one(answering):
    older, newer, odd = a_raw_account(name="older"), a_raw_account(name="newer"), {"name": "no id"}
    pluggy, _ = answering(lambda _: Reply({"results": [older, None, odd, newer]}))
    found = Unreadable()

    with unreadable.collecting(found):
        accounts = pluggy.accounts(ITEM)

    assert [account.raw for account in accounts] == [newer]
    assert [row.raw for row in found.rows] == [None, odd]
    assert found.any_of("account")


def test_an_item_that_cannot_be_read_is_collected_too(answering):
    raw = {"id": ITEM, "status": 5}
    pluggy, _ = answering(lambda _: Reply(raw))
    found = Unreadable()

    with unreadable.collecting(found), pytest.raises(PluggyUnavailableError):
        pluggy.item(ITEM)

    assert [(row.what, row.row_id, row.raw, row.reason) for row in found.rows] == [("item", ITEM, raw, "item: status")]


ODD_TEXT = (
    rb'{"results":[{"id":"1","description":"half \ud83d, \u0000, ' + b"\xff\xed\xa0\x80" + rb'","n":1e999999999}]}'
)


def test_an_answer_with_odd_texts_and_numbers_is_read_as_a_whole(answering):
    pluggy, _ = answering(lambda _: Reply(ODD_TEXT))

    assert list(pluggy.loans(ITEM)) == [
        [{"id": "1", "description": "half \ufffd, \ufffd, \ufffd\ufffd\ufffd\ufffd", "n": "1e999999999"}]
    ]


@pytest.mark.parametrize(
    "code", ["Maria da Silva", {"name": "Maria"}, 5, "X" * 5_000, "", None], ids=lambda c: str(c)[:9]
)
def test_a_code_that_is_none_stands_in_no_error(answering, code):
    pluggy, _ = answering(
        lambda _: Reply({"codeDescription": code, "details": [5, {"parameter": ["Maria"]}]}, status=400)
    )

    with pytest.raises(PluggyRefusedError) as caught:
        pluggy.update_item(ITEM, None)

    assert (caught.value.code, str(caught.value)) == (None, "400 for PATCH /items/{id}")
    assert caught.value.data == {"details": [{"field": "unknown", "message": "wrong form"}]}


def test_an_investment_whose_id_cannot_be_asked_for_has_no_movements(answering):
    """It does not keep the movements of the others from being read."""
    pluggy, server = answering(lambda _: Reply({"results": []}))

    assert list(pluggy.investment_transactions("a/../b")) == []
    assert [each.path for each in server.asked if each.path != "/auth"] == []


def test_numbered_pages_are_followed_to_the_last(answering):
    def answer(asked):
        number = int(asked.query.get("page", 1))
        return Reply({"results": [a_raw_account(id=f"account-{number}")], "page": number, "totalPages": 3})

    pluggy, _ = answering(answer)

    assert [account.id for account in pluggy.accounts(ITEM)] == ["account-1", "account-2", "account-3"]


@pytest.mark.parametrize("item_id", ["../auth", "a/b", "a?b", "", "a b", "é/"])
def test_an_id_that_cannot_be_an_id_never_reaches_an_address(answering, item_id):
    pluggy, server = answering(lambda _: Reply({}))

    with pytest.raises(PluggyRefusedError):
        pluggy.item(item_id)

    assert server.asked == []


def test_wrong_client_keys_are_an_error_of_their_own(made, sandbox):
    pluggy = made(sandbox.url, pluggy_client_id=sandbox.client_id, pluggy_client_secret="wrong")

    with pytest.raises(PluggyUnauthorizedError):
        pluggy.item(ITEM)


def test_no_error_carries_a_body(answering):
    secret = {"message": "Maria da Silva", "description": "Farmácia"}
    for status in (400, 403, 404, 409, 429, 500):
        pluggy, _ = answering(lambda _, status=status: Reply(secret, status=status, headers={"Retry-After": "100"}))
        with pytest.raises(Exception) as caught:
            pluggy.update_item(ITEM, None)
        assert "Maria" not in repr(caught.value)
        assert "Farmácia" not in repr(caught.value)
        pluggy.budget._redis.flushall()
