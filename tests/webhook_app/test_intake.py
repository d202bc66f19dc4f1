"""Intake: who may deliver, what is stored, and what is answered."""

import json
from dataclasses import replace
from io import BytesIO

import psycopg
import pytest

from pluggy_sync import events
from pluggy_sync.store.tables import item_progress
from tests.kit.factories import WEBHOOK_SECRET, an_event
from tests.kit.workers import take_messages
from webhook_app.app import create_app

URL = "/webhooks/pluggy"
HEADERS = {"X-Webhook-Secret": WEBHOOK_SECRET, "Content-Type": "application/json"}


@pytest.fixture
def post(web):
    def post(body, **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return web.post(URL, data=data, headers={**HEADERS, **headers})

    return post


def test_an_event_is_stored_queued_and_acknowledged(post, service, resources):
    payload = an_event("item/updated", itemId="item-1")

    answer = post(payload)

    assert (answer.status_code, answer.json) == (202, {"result": "recorded"})
    (row,) = service.events()
    assert (row.event_id, row.name, row.item_id, row.payload) == (
        payload["eventId"],
        "item/updated",
        "item-1",
        payload,
    )
    assert row.state == "stored"
    assert take_messages(resources) == [("handle_event", payload["eventId"])]


def test_storing_an_event_raises_what_is_wanted_of_its_item(post, service):
    post(an_event(itemId="item-1"))
    post(an_event(itemId="item-1"))
    post(an_event(itemId="item-2"))

    assert {row.item_id: row.last_event_seq for row in service.rows(item_progress)} == {"item-1": 2, "item-2": 1}
    assert [row.item_seq for row in service.events()] == [1, 2, 1]


def test_a_repeated_event_is_stored_once_raises_nothing_and_is_queued_again(post, service, resources):
    payload = an_event(itemId="item-1")

    answers = [post(payload) for _ in range(3)]

    assert [answer.json["result"] for answer in answers] == ["recorded", "repeated", "repeated"]
    assert {answer.status_code for answer in answers} == {202}
    assert len(service.events()) == 1
    assert service.rows(item_progress)[0].last_event_seq == 1
    assert len(take_messages(resources)) == 3


def test_a_stranger_is_refused_and_nothing_is_stored(post, web, service):
    wrong = post(an_event(), **{"X-Webhook-Secret": "not the secret"})
    empty = post(an_event(), **{"X-Webhook-Secret": ""})
    missing = web.post(URL, json=an_event())

    assert [each.status_code for each in (wrong, empty, missing)] == [401, 401, 401]
    assert service.events() == []


def test_a_secret_with_letters_of_other_alphabets_is_refused_and_does_no_harm(web):
    answer = web.post(URL, json=an_event(), headers={"X-Webhook-Secret": "sênha"})

    assert answer.status_code == 401


def test_while_secrets_rotate_both_are_accepted(settings, resources):
    rotating = replace(settings, webhook_secrets=("the-old-secret-value", "the-new-secret-value"))
    client = create_app(rotating, replace(resources, settings=rotating)).test_client()

    for secret, expected in (
        ("the-old-secret-value", 202),
        ("the-new-secret-value", 202),
        ("the-old-secret-value,the-new-secret-value", 401),
        ("the-new-secret-valu", 401),
    ):
        assert client.post(URL, json=an_event(), headers={"X-Webhook-Secret": secret}).status_code == expected


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "", "application/xml"])
def test_another_content_type_is_refused(post, service, content_type):
    answer = post(an_event(), **{"Content-Type": content_type})

    assert answer.status_code == 415
    assert service.events() == []


def test_a_content_type_may_name_its_charset(post):
    assert post(an_event(), **{"Content-Type": "application/json; charset=utf-8"}).status_code == 202


def test_a_body_that_is_too_large_is_refused(post, service, settings):
    answer = post(b'{"x": "' + b"x" * settings.webhook_max_bytes + b'"}')

    assert answer.status_code == 413
    assert service.events() == []


def test_a_body_of_unknown_length_is_bounded_too(web, service, settings):
    body = BytesIO(b'{"x": "' + b"x" * settings.webhook_max_bytes + b'"}')
    answer = web.post(URL, input_stream=body, headers=HEADERS, environ_overrides={"wsgi.input_terminated": True})

    assert answer.status_code == 413
    assert service.events() == []


def test_an_event_with_fifty_thousand_ids_is_taken(post, service):
    ids = [f"{number:036d}" for number in range(50_000)]

    answer = post(an_event("transactions/updated", accountId="a", transactionIds=ids))

    assert answer.status_code == 202
    assert service.events()[0].payload["transactionIds"] == ids


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"event": "item/updated"}',
        b"[" * 100_000,
        # Postgres can store none of these.
        b'{"event": "item/updated", "eventId": "e", "itemId": "i", "clientUserId": "\\u0000"}',
        b'{"event": "x\\u0000", "eventId": "e"}',
        b'{"event": "x", "eventId": "e\\u0000"}',
        b'{"event": "x", "eventId": "e", "\\u0000": 1}',
        b'{"event": "x", "eventId": "e", "n": 1e999999}',
        b'{"event": "x", "eventId": "e", "s": "\\ud800"}',
    ],
    ids=lambda body: body[:60],
)
def test_what_cannot_be_read_is_kept_as_it_came_and_acknowledged_since_a_retry_cannot_heal_it(post, service, body):
    answer = post(body)
    again = post(body)

    assert (answer.status_code, answer.json) == (202, {"result": "kept"})
    assert again.status_code == 202
    (row,) = service.events()
    assert row.raw == body
    assert (row.name, row.state, row.outcome) == (events.UNPARSABLE, "handled", "unparsable")


def test_an_unknown_event_is_stored_like_any_other(post, service):
    payload = {"event": "payment_intent/created", "eventId": "e1", "paymentIntentId": "p"}

    assert post(payload).status_code == 202
    (row,) = service.events()
    assert (row.name, row.item_id, row.payload) == ("payment_intent/created", None, payload)


def test_an_event_of_another_application_is_kept_and_never_acted_on(post, service, resources, settings):
    foreign = an_event(clientId="another-application", itemId="item-1")
    ours = an_event(clientId=settings.pluggy_client_id, itemId="item-2")

    answers = [post(foreign), post(ours)]

    assert [answer.status_code for answer in answers] == [202, 202]
    kept, stored = service.events()
    assert (kept.outcome, kept.state, stored.state) == ("foreign", "handled", "stored")
    assert [row.item_id for row in service.rows(item_progress)] == ["item-2"]
    assert take_messages(resources) == [("handle_event", ours["eventId"])]


@pytest.mark.parametrize("method", ["get", "put", "delete"])
def test_only_post_is_taken(web, method):
    assert getattr(web, method)(URL, headers=HEADERS).status_code == 405


def test_an_answer_repeats_nothing_of_the_request(post):
    answer = post({"event": "hunter2", "eventId": "hunter2", "itemId": {"x": "hunter2"}})

    assert b"hunter2" not in answer.data


def test_the_stored_row_is_committed_before_the_answer(post, database_url):
    payload = an_event()

    post(payload)

    with psycopg.connect(database_url) as conn:
        assert conn.execute("SELECT count(*) FROM inbox").fetchone() == (1,)
