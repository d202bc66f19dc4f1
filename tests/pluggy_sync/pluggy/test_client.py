"""The client: what each kind of trouble becomes, how pages are followed, and what is never followed."""

import dataclasses
import time
from datetime import UTC, datetime

import pytest
import redis

from pluggy_sync.pluggy import client as client_module
from pluggy_sync.pluggy.client import create_client
from pluggy_sync.pluggy.errors import (
    PluggyLimitedError,
    PluggyRefusedError,
    PluggyUnauthorizedError,
    PluggyUnavailableError,
)
from tests.kit.factories import a_raw_account, a_raw_item, a_raw_transaction, a_settings
from tests.kit.quiet_logs import silent_port
from tests.kit.scripted_server import Reply, scripted_server

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
    upstream.settings(firstRunDays=365)
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


def test_a_short_pause_is_waited_out_and_obeyed(answering):
    answers = [Reply(status=429, headers={"Retry-After": "1"}), Reply(a_raw_item())]
    pluggy, _ = answering(lambda _: answers.pop(0))
    started = time.monotonic()

    assert pluggy.item(ITEM) is not None

    assert time.monotonic() - started >= 1


@pytest.mark.parametrize("value", [None, "soon", ""])
def test_without_a_time_to_wait_the_documented_one_is_taken(answering, monkeypatch, value):
    monkeypatch.setattr(client_module, "LONGEST_PAUSE_S", 1)
    headers = {} if value is None else {"Retry-After": value}
    pluggy, _ = answering(lambda _: Reply(status=429, headers=headers))

    with pytest.raises(PluggyLimitedError) as caught:
        pluggy.item(ITEM)

    assert caught.value.retry_after_s == 60


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
        Reply(a_raw_item(connector={"id": 2, "health": "fine"})),
        Reply({}, status=301, headers={"Location": "/elsewhere"}),
    ],
    ids=["html", "nothing", "a list", "no status", "odd id", "odd connector", "a redirect"],
)
def test_an_answer_that_cannot_be_read_is_worth_another_try_and_nothing_else(answering, reply):
    pluggy, server = answering(lambda _: reply)

    with pytest.raises(PluggyUnavailableError):
        pluggy.item(ITEM)

    assert "/elsewhere" not in {each.path for each in server.asked}


@pytest.mark.parametrize("reply", [Reply([]), Reply({"results": None}), Reply({"results": [None]}), Reply({})])
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
