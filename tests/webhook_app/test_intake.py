"""Intake: who may deliver, what is stored, and what is answered."""

import gzip
import json
import time
import tracemalloc
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa

from pluggy_sync import events
from pluggy_sync.resources import create_resources
from pluggy_sync.store.database import WEB
from pluggy_sync.store.tables import item_progress
from tests.kit import asgi_client
from tests.kit.factories import WEBHOOK_SECRET, an_event
from tests.kit.pgbouncer import pooled
from tests.kit.psql import psql
from tests.kit.workers import take_messages
from webhook_app.app import create_app
from webhook_app.front.app import Front
from webhook_app.intake.view import of_app

URL = "/webhooks/pluggy"
HEADERS = {"X-Webhook-Secret": WEBHOOK_SECRET, "Content-Type": "application/json"}


@pytest.fixture(params=["by a thread", "by the event loop"])
def post(request, web, settings):
    """Deliver to Flask, as for large deliveries and strangers, or to the front, which takes what is small itself."""
    front = Front(web.application, settings, of_app(web.application))

    def post(body, **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        if request.param == "by a thread":
            return web.post(URL, data=data, headers={**HEADERS, **headers})
        return asgi_client.post(front, URL, data, {**HEADERS, **headers})

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


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml"])
def test_another_content_type_is_refused(post, service, content_type):
    answer = post(an_event(), **{"Content-Type": content_type})

    assert answer.status_code == 415
    assert service.events() == []


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=utf-8", "text/json", "application/cloudevents+json", "APPLICATION/JSON", ""],
)
def test_json_by_any_of_its_names_is_taken_and_no_name_too(post, service, content_type):
    assert post(an_event(), **{"Content-Type": content_type}).status_code == 202
    assert len(service.events()) == 1


def test_a_body_that_is_too_large_is_refused(post, service, settings):
    answer = post(b'{"x": "' + b"x" * settings.webhook_max_bytes + b'"}')

    assert answer.status_code == 413
    assert service.events() == []


def test_an_event_with_fifty_thousand_ids_is_taken(post, service):
    ids = [f"{number:036d}" for number in range(50_000)]

    answer = post(an_event("transactions/updated", accountId="a", transactionIds=ids))

    assert answer.status_code == 202
    assert service.events()[0].payload["transactionIds"] == ids


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b"{}", b'{"event": "item/updated"}'],
    ids=lambda body: body[:30],
)
def test_what_says_nothing_is_kept_as_it_came_and_acknowledged_since_a_retry_cannot_heal_it(post, service, body):
    answer = post(body)
    again = post(body)

    assert (answer.status_code, answer.json) == (202, {"result": "kept"})
    assert again.status_code == 202
    (row,) = service.events()
    assert row.raw == body
    assert row.unread
    assert (row.name, row.state, row.outcome) == (events.UNPARSABLE, "handled", "unparsable")


@pytest.mark.parametrize(
    "part",
    [
        b'"n": 1e999999',
        b'"n": 1e4300',
        b'"n": 1e9999999999999999999',
        b'"n": ' + b"9" * 5000,
        b'"s": "\\ud800"',
        b'"s": "\xff"',
        b'"eventId": "\\ud800"',
        b'"s": "\\u0000"',
        b'"\\u0000": 1',
        b'"clientUserId": "\\u0000"',
        b'"clientUserId": 42',
        b'"triggeredBy": {"type": "USER"}',
        b'"error": [[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]',
        b'"eventId": {}',
    ],
    ids=str,
)
def test_an_authentic_event_that_names_its_item_makes_it_fetched_whatever_else_is_in_it(
    post, service, upstream, resources, part
):
    item_id = upstream.connect()
    upstream.take_events()

    answer = post(b'{"event": "item/updated", "eventId": "e", "itemId": "%s", %s}' % (item_id.encode(), part))
    service.work_until_quiet()

    assert answer.status_code == 202
    assert service.item(item_id).status == "UPDATED"
    (event,) = [row for row in service.events() if row.name == "item/updated"]
    assert event.state == "handled"


def test_what_could_not_be_read_of_an_event_is_named_and_the_body_is_kept(post, service):
    body = json.dumps(an_event(triggeredBy=["USER"])).encode()

    post(body)

    (row,) = service.events()
    assert (row.unread, row.raw) == (["triggeredBy"], body)


def test_the_body_of_an_event_that_was_read_whole_is_not_kept(post, service):
    post(an_event())

    (row,) = service.events()
    assert (row.unread, row.raw) == (None, None)


def test_an_event_whose_payload_postgres_refuses_is_stored_without_it(post, service, monkeypatch):
    monkeypatch.setattr(events, "_deeper_than", lambda *_: False)
    monkeypatch.setattr("pluggy_sync.events.wire.decode", json.loads)
    body = b'{"event": "item/updated", "eventId": "e", "itemId": "item-1", "n": "\\u0000"}'

    answer = post(body)

    assert answer.status_code == 202
    (row,) = service.events()
    assert (row.item_id, row.raw, row.unread) == ("item-1", body, ["payload"])
    assert row.payload == {"event": "item/updated", "eventId": "e", "itemId": "item-1"}


def test_an_event_id_that_was_used_for_another_happening_swallows_none_and_changes_nothing_of_the_first(
    post, service, resources
):
    first = an_event(eventId="e", itemId="item-1")
    others = [
        {**first, "itemId": "item-2"},
        {**first, "event": "item/error"},
        an_event("transactions/created", eventId="e", itemId="item-1", accountId="a"),
        an_event("transactions/created", eventId="e", itemId="item-1", accountId="b"),
    ]

    answers = [post(each).json["result"] for each in (first, *others, *others, first)]

    assert answers == ["recorded"] * 5 + ["repeated"] * 5
    stored = service.events()
    assert [row.payload for row in stored] == [first, *others]
    assert stored[0].event_id == "e"
    assert len({row.event_id for row in stored}) == 5
    assert {row.item_id: row.last_event_seq for row in service.rows(item_progress)} == {"item-1": 4, "item-2": 1}
    queued = [event_id for _, event_id in take_messages(resources)]
    # One of them is urgent, and has another queue.
    assert Counter(queued) == dict.fromkeys((row.event_id for row in stored), 2)


@pytest.mark.parametrize("packing", ["gzip", "x-gzip", "GZIP"])
def test_a_packed_body_is_unpacked(post, service, packing):
    payload = an_event()

    answer = post(gzip.compress(json.dumps(payload).encode()), **{"Content-Encoding": packing})

    assert answer.status_code == 202
    assert service.events()[0].payload == payload


def test_a_body_that_is_too_large_once_it_is_unpacked_is_refused_and_never_unpacked_whole(post, service, settings):
    bomb = gzip.compress(b" " * (40 * settings.webhook_max_bytes), 9)
    tracemalloc.start()

    answer = post(bomb, **{"Content-Encoding": "gzip"})

    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert answer.status_code == 413
    assert service.events() == []
    assert most < 4 * settings.webhook_max_bytes


@pytest.mark.parametrize("cut", [0, 1, 30, -9], ids="cut at {}".format)
def test_what_is_said_to_be_packed_and_is_not_is_kept(post, service, cut):
    body = gzip.compress(json.dumps(an_event()).encode())[:cut]

    answer = post(body, **{"Content-Encoding": "gzip"})

    assert answer.status_code == 202
    assert service.events()[0].raw == body


def test_a_packing_that_is_not_known_is_refused(post, service):
    assert post(an_event(), **{"Content-Encoding": "br"}).status_code == 415
    assert service.events() == []


def test_a_byte_order_mark_is_no_part_of_the_event(post, service):
    payload = an_event()

    assert post(b"\xef\xbb\xbf" + json.dumps(payload).encode()).status_code == 202
    assert service.events()[0].payload == payload


def test_an_address_with_a_slash_at_its_end_is_taken(web, service):
    answer = web.post(f"{URL}/", json=an_event(), headers={"X-Webhook-Secret": WEBHOOK_SECRET})

    assert answer.status_code == 202
    assert len(service.events()) == 1


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

    with psql(database_url) as conn:
        assert conn.execute("SELECT count(*) FROM inbox").fetchone() == (1,)


def test_after_a_failover_the_server_that_cannot_write_is_left_and_nobody_notices(post, service, resources):
    opened = []

    def remember(connection, _):
        opened.append(connection)

    resources.database.dispose()
    sa.event.listen(resources.database, "connect", remember)
    assert post(an_event()).status_code == 202
    for connection in (each for each in opened if not each.closed):
        # As a demoted primary; new connections are to the new one.
        connection.execute("SET default_transaction_read_only = on")
    before = len(opened)

    assert [post(an_event()).status_code for _ in range(3)] == [202] * 3
    sa.event.remove(resources.database, "connect", remember)
    assert len(service.events()) == 4
    assert len(opened) > before > 0


def test_one_locked_item_stops_no_other(settings, database_url):
    resources = create_resources(settings, WEB)
    web = create_app(settings, resources).test_client()

    def post(item_id):
        return web.post(URL, json=an_event(itemId=item_id), headers=HEADERS).status_code

    assert post("held") == 202
    with psql(database_url) as conn:
        conn.execute("SELECT * FROM item_progress WHERE item_id = 'held' FOR UPDATE")
        began = time.monotonic()
        statuses = [post("held"), post("other")]
        took = time.monotonic() - began

    assert statuses == [503, 202]
    assert WEB.lock_s <= took < WEB.lock_s + 3
    assert post("held") == 202
    resources.close()


def test_behind_a_pooler_in_transaction_mode_every_webhook_is_stored(settings, service, database_url, tmp_path):
    with pooled(database_url, tmp_path) as url:
        behind = replace(settings, database_url=url)
        resources = create_resources(behind, WEB, pool_size=8)
        app = create_app(behind, resources)

        def post(_):
            return app.test_client().post(URL, json=an_event(), headers=HEADERS).status_code

        with ThreadPoolExecutor(8) as threads:
            statuses = set(threads.map(post, range(200)))
        resources.close()

    assert statuses == {202}
    assert len(service.events()) == 200
