"""Several endpoints: each has its own address, secrets, order, waits and end; none feels what becomes of another."""

import dataclasses
import gzip
import ipaddress
import itertools
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa
from standardwebhooks import Webhook, WebhookVerificationError

from pluggy_sync.engine import sweep
from pluggy_sync.notifications import delivery, endpoints, messages
from pluggy_sync.notifications.endpoints import OfSettingsError, UnusableError
from pluggy_sync.store import deliveries, outbox, tables
from pluggy_sync.store import endpoints as stored
from pluggy_sync.store.endpoints import ENVIRONMENT
from standalone.polling import eventually
from tests.kit.factories import PRODUCT_SECRET
from tests.kit.product import running_product, status
from tests.kit.workers import run_queued, take_messages

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


@pytest.fixture
def res(resources):
    settings = dataclasses.replace(resources.settings, endpoint_allowed_networks=LOOPBACK)
    return dataclasses.replace(resources, settings=settings)


@pytest.fixture
def first():
    with running_product() as running:
        yield running


@pytest.fixture
def second():
    with running_product() as running:
        yield running


def create(res, product, **more):
    given = {"secret": None, "description": None, "types": None, "enabled": True, **more}
    endpoint, secret = endpoints.create(res, url=product.url, **given)
    return endpoint.id, secret


def tell(res, how_many=1, *, offline=True):
    status_ = "OFFLINE" if offline else "ONLINE"
    for _ in range(how_many):
        with res.begin() as tx:
            messages.connector_status_changed(tx, 2, "Pluggy Bank", status_, now=res.now())


def state(res, endpoint_id):
    with res.database.begin() as conn:
        return stored.get(conn, endpoint_id)


def rows(res, table=tables.deliveries, *where):
    with res.database.begin() as conn:
        return conn.execute(sa.select(table).where(*where).order_by(*table.primary_key.columns)).all()


def types(product):
    return [json.loads(each.body)["type"] for each in product.got]


def work(res, clock, times=1, **wait):
    for _ in range(times):
        run_queued(res)
        clock.advance(**wait or {"seconds": 60})
        sweep.sweep(res)
    run_queued(res)


# Control characters, bytes that are no text, and one that turns the direction of what follows.
UNCLEAN = b"no\r\n\x1b[31m\xff\x00 " + "\u202eã".encode()

# Several


def test_each_endpoint_gets_every_notification_signed_with_its_own_secret(res, first, second):
    (_, one), (_, other) = create(res, first), create(res, second)

    tell(res)
    run_queued(res)

    (got,), (got_too,) = first.got, second.got
    assert got.notification_id == got_too.notification_id
    Webhook(one).verify(got.body, got.headers)
    Webhook(other).verify(got_too.body, got_too.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(one).verify(got_too.body, got_too.headers)


def test_the_endpoint_of_the_settings_is_one_of_them(res, first, second):
    settings = dataclasses.replace(
        res.settings, product_webhook_url=second.url, product_webhook_secrets=(PRODUCT_SECRET,)
    )
    res = dataclasses.replace(res, settings=settings)
    create(res, first)

    tell(res)
    run_queued(res)

    assert len(first.got) == len(second.got) == 1
    Webhook(PRODUCT_SECRET).verify(second.got[0].body, second.got[0].headers)


def test_an_endpoint_gets_only_what_it_wants(res, first, second):
    create(res, first, types=["item.synced"])
    create(res, second, types=["connector.status_changed"])

    tell(res)
    run_queued(res)

    assert (len(first.got), len(second.got)) == (0, 1)


def hang(request):
    request.hang()


def drip(request):
    request.drip(b"HTTP/1.1 200 OK; and more")


def garbage(request):
    request.write(b"\x00\xff not HTTP at all\r\n\r\n")


def bomb(request):
    request.respond(500, {"Content-Encoding": "gzip"}, gzip.compress(bytes(8 * 1024 * 1024)))


def redirect(request):
    request.respond(302, {"Location": "http://127.0.0.1:1/"})


def too_many(request):
    request.respond(429, {"Retry-After": "3600"})


def cut_off(request):
    request.write(b"")


@pytest.mark.parametrize(
    "answer", [hang, drip, redirect, status(410), too_many, status(500), garbage, bomb, cut_off], ids=lambda each: ""
)
def test_whatever_one_endpoint_does_another_gets_everything_at_once(res, first, second, monkeypatch, answer):
    monkeypatch.setattr(delivery, "TIMEOUT_S", 3.0)
    create(res, first)
    create(res, second, types=["connector.status_changed"])
    first.answer = answer

    tell(res, 20)
    run_queued(res)

    assert len(set(second.got_ids)) == len(second.got_ids) == 20
    assert len(first.got) <= 2


def test_an_endpoint_that_hangs_is_with_a_share_of_the_workers_only(res, first, second, monkeypatch):
    monkeypatch.setattr(delivery, "AT_ONCE", 3)
    monkeypatch.setattr(delivery, "TIMEOUT_S", 5.0)
    monkeypatch.setattr(delivery, "CLAIM", timedelta(seconds=15))
    slow, _ = create(res, first)
    create(res, second)
    first.answer = hang
    tell(res, 12)
    to_slow = [row.id for row in rows(res, tables.deliveries, tables.deliveries.c.endpoint_id == slow)]
    began = threading.Semaphore(0)

    def one(delivery_id):
        began.release()
        delivery.deliver(res, str(delivery_id))

    with ThreadPoolExecutor(12) as workers:
        for each in to_slow[:3]:
            workers.submit(one, each)
        for _ in range(3):
            began.acquire()
        eventually(lambda: first.at_once == 3, what="three hang")
        for each in to_slow[3:]:
            delivery.deliver(res, str(each))

        assert first.most_at_once == 3


def test_after_a_crowd_whoever_ends_queues_more(res, first, monkeypatch):
    monkeypatch.setattr(delivery, "AT_ONCE", 2)
    create(res, first)
    tell(res, 6)
    ids = [row.id for row in rows(res)]
    # Their messages were dropped while too many were under way.
    res.redis.flushall()

    delivery.deliver(res, str(ids[0]))
    run_queued(res)

    assert len(first.got) == 6


def test_an_item_s_notifications_keep_their_order_at_an_endpoint_that_fails_now_and_then(
    res, service, upstream, first, second, clock
):
    create(res, first)
    create(res, second)
    answers = itertools.cycle([500, 200, 200, 503, 200])
    first.answer = lambda request: request.respond(next(answers))
    item_id = upstream.connect()
    service.deliver(*upstream.take_events())
    work(res, clock, times=3)
    upstream.delete(item_id)
    service.deliver(*upstream.take_events())
    work(res, clock, times=3)

    taken = [json.loads(each.body)["data"]["sequence"] for each in second.got]
    assert taken == sorted(taken)
    at_first = [json.loads(each.body)["data"]["sequence"] for each in first.got]
    assert list(dict.fromkeys(at_first)) == sorted(set(at_first))
    assert types(first)[-1] == types(second)[-1] == "item.deleted"


def test_a_person_s_id_is_kept_until_every_endpoint_was_told_of_the_end(res, service, upstream, first, second, clock):
    create(res, first)
    create(res, second)
    item_id = upstream.connect()
    service.deliver(*upstream.take_events())
    work(res, clock)
    first.answer = status(500)
    upstream.delete(item_id)
    service.deliver(*upstream.take_events())
    run_queued(res)
    (row,) = rows(res, tables.outbox)
    assert "user-42" in row.body

    first.answer = status(200)
    work(res, clock, times=2)

    assert json.loads(first.got[-1].body)["data"]["clientUserId"] == "user-42"
    (row,) = rows(res, tables.outbox)
    assert "user-42" not in row.body
    assert all(attempt.answer is None for attempt in rows(res, tables.delivery_attempts))


# Stopped


@pytest.mark.parametrize("reason", ["gone", "failing"])
def test_an_endpoint_that_is_gone_or_fails_for_days_is_stopped_and_the_others_are_told_once(
    res, first, second, clock, reason
):
    stopped, _ = create(res, first)
    create(res, second, types=["endpoint.disabled"])
    first.answer = status(410 if reason == "gone" else 500)
    tell(res, 3)
    run_queued(res)
    if reason == "failing":
        for _ in range(25):
            tell(res)
            work(res, clock, hours=6)

    endpoint = state(res, stopped)
    assert (endpoint.state, endpoint.stop_reason) == ("stopped", reason)
    (told,) = second.got
    assert json.loads(told.body)["data"] == {"endpointId": stopped, "reason": reason}
    asked = len(first.got)
    tell(res, 3)
    work(res, clock, times=3)
    assert len(first.got) == asked


def test_nothing_is_lost_by_an_endpoint_that_is_resumed(res, first, clock):
    endpoint_id, _ = create(res, first)
    first.answer = status(410)
    tell(res, 5)
    run_queued(res)
    clock.advance(days=10)
    first.answer = status(200)

    assert endpoints.resume(res, endpoint_id).state == "working"
    sweep.sweep(res)
    run_queued(res)

    assert {row.state for row in rows(res, tables.deliveries, tables.deliveries.c.endpoint_id == endpoint_id)} == {
        "delivered"
    }
    assert len(set(first.got_ids)) == 5


def test_a_receiver_that_vanishes_for_three_days_gets_everything_when_it_is_back_and_nothing_twice(res, first, clock):
    create(res, first)
    first.answer = status(503)
    tell(res, 10)
    work(res, clock, times=11, hours=6)
    refused = len(first.got)
    first.answer = status(200)

    work(res, clock, times=3, hours=1)

    assert len(first.got_ids[refused:]) == len(set(first.got_ids[refused:])) == 10


def test_what_is_written_while_an_endpoint_is_disabled_is_not_for_it_and_what_waited_is_sent_once_it_is_enabled(
    res, first, clock
):
    endpoint_id, _ = create(res, first)
    tell(res)
    endpoints.change(res, endpoint_id, {"enabled": False})
    tell(res, 2)
    work(res, clock)
    assert first.got == []

    endpoints.change(res, endpoint_id, {"enabled": True})
    work(res, clock)

    assert len(first.got) == 1


# Again


def test_an_endpoint_recovers_what_it_missed_and_gets_nothing_twice(res, first, clock):
    tell(res, 2)
    clock.advance(hours=1)
    since = clock()
    tell(res, 3)
    clock.advance(seconds=1)
    endpoint_id, _ = create(res, first)
    tell(res)
    run_queued(res)
    assert len(first.got) == 1
    clock.advance(seconds=1)

    assert endpoints.recover(res, endpoint_id, since=since) == 3
    assert endpoints.recover(res, endpoint_id, since=since) == 0
    work(res, clock)

    assert len(first.got) == len(set(first.got_ids)) == 4


def test_recovering_and_resending_go_on_past_one_batch(res, first, clock, monkeypatch):
    monkeypatch.setattr(endpoints, "BATCH", 2)
    tell(res, 5)
    clock.advance(seconds=1)
    endpoint_id, _ = create(res, first)
    clock.advance(seconds=1)

    assert endpoints.recover(res, endpoint_id, since=clock() - timedelta(hours=1)) == 5
    work(res, clock)
    again = endpoints.resend_range(
        res, only_dead=False, since=clock() - timedelta(hours=1), until=clock(), endpoint_id=endpoint_id
    )
    work(res, clock)

    assert again == 5
    assert len(first.got) == 10


@pytest.mark.parametrize("type_, task", [("item.action_required", "deliver_urgent"), ("item.synced", "deliver")])
def test_what_a_person_waits_for_is_resent_before_the_rest(res, first, type_, task):
    endpoint_id, _ = create(res, first, types=[type_])
    with res.begin() as tx:
        told = {"notification_id": "msg_told", "type_": type_, "item_id": None, "sequence": None, "body": "{}"}
        outbox.add(tx.conn, **told, now=res.now())
    take_messages(res)

    assert endpoints.resend(res, "msg_told", endpoint_id=endpoint_id) == [endpoint_id]

    assert [name for name, _ in take_messages(res)] == [task]


def test_a_notification_is_resent_to_each_endpoint_that_it_was_for_or_to_one_that_it_was_not_for(res, first, second):
    one, _ = create(res, first)
    other, _ = create(res, second, types=["item.synced"])
    tell(res)
    run_queued(res)
    (notification_id,) = first.got_ids

    assert endpoints.resend(res, notification_id) == [one]
    assert endpoints.resend(res, notification_id, endpoint_id=other) == [other]
    assert endpoints.resend(res, "msg_none") is None
    run_queued(res)

    assert first.got_ids == [notification_id] * 2
    assert second.got_ids == [notification_id]


def test_a_ping_reaches_its_endpoint_alone_whatever_that_one_wants(res, first, second):
    one, _ = create(res, first, types=["item.synced"])
    create(res, second)

    notification_id = endpoints.ping(res, one)
    run_queued(res)

    assert first.got_ids == [notification_id]
    assert json.loads(first.got[0].body)["data"] == {"endpointId": one}
    assert second.got == []
    assert endpoints.ping(res, "ep_none") is None


# Attempts


def test_an_attempt_shows_how_the_answer_begins_cleaned_and_short(res, first):
    endpoint_id, _ = create(res, first)
    first.answer = lambda request: request.respond(500, body=UNCLEAN + b"x" * 9000)
    tell(res)
    run_queued(res)

    with res.database.begin() as conn:
        (attempt,) = deliveries.attempts_before(conn, endpoint_id, None, limit=5)
    assert attempt.status_code == 500
    assert attempt.answer.startswith("no [31m� ")
    assert "ã" in attempt.answer
    assert attempt.answer.isprintable()
    assert len(attempt.answer) <= 500


def test_a_packed_answer_is_not_unpacked_for_the_log(res, first):
    endpoint_id, _ = create(res, first)
    first.answer = bomb
    tell(res)
    run_queued(res)

    with res.database.begin() as conn:
        (attempt,) = deliveries.attempts_before(conn, endpoint_id, None, limit=5)
    assert attempt.answer.startswith("(packed")


# Secrets


def test_a_secret_is_stored_sealed(res, first):
    _, secret = create(res, first)

    assert secret not in str(rows(res, tables.endpoints))
    assert secret.removeprefix("whsec_") not in str(rows(res, tables.endpoints))


def test_while_a_secret_is_rotated_both_sign_and_after_a_day_only_the_new_one(res, first, clock):
    endpoint_id, old = create(res, first)
    _, new = endpoints.rotate_secret(res, endpoint_id, None)
    tell(res)
    run_queued(res)
    clock.advance(hours=25)
    tell(res)
    run_queued(res)

    during, after = first.got
    for secret in (old, new):
        Webhook(secret).verify(during.body, during.headers)
    assert len(after.headers["webhook-signature"].split()) == 1
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(after.body, after.headers)


def with_keys(res, key, *previous):
    settings = dataclasses.replace(res.settings, secret_key=key, previous_secret_keys=previous)
    return dataclasses.replace(res, settings=settings)


def test_the_secret_key_can_be_replaced_and_after_a_sweep_the_old_one_is_needed_no_more(res, first, clock):
    old, new = res.settings.secret_key, "another-secret-key-of-the-tests-that-is-long-enough"
    _, secret = create(res, first)

    both = with_keys(res, new, old)
    tell(both)
    run_queued(both)
    sweep.sweep(both)
    only_new = with_keys(res, new)
    tell(only_new)
    run_queued(only_new)

    assert len(first.got) == 2
    for got in first.got:
        Webhook(secret).verify(got.body, got.headers)


def test_a_secret_that_no_key_opens_fails_the_attempt_and_loses_nothing(res, first):
    create(res, first)
    lost = with_keys(res, "another-secret-key-of-the-tests-that-is-long-enough")
    tell(lost)
    run_queued(lost)

    assert first.got == []
    assert [(row.status_code, row.error) for row in rows(res, tables.delivery_attempts)] == [(None, "SecretLost")]
    assert [row.state for row in rows(res)] == ["pending"]


# What may be an endpoint


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://localhost/",
        "https://10.0.0.8/hooks",
        "https://192.168.1.1/",
        "https://172.16.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://[fe80::1]/",
        "https://[fd00::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "https://[2002:a00:1::]/",
        "https://0.0.0.0/",
        "https://224.0.0.1/",
        "https://100.64.0.1/",
        "https://2130706433/",
        "https://0x7f.1/",
    ],
)
def test_an_endpoint_at_an_address_that_is_not_public_is_refused(resources, url):
    with pytest.raises(UnusableError, match=r"not public|no address"):
        endpoints.check_address(resources, url)


@pytest.mark.parametrize(
    "url", ["ftp://8.8.8.8/", "https://", "https://user@8.8.8.8/", "https://8.8.8.8/#x", "https://8.8.8.8:x/", "x"]
)
def test_what_is_no_address_is_refused(resources, url):
    with pytest.raises(UnusableError):
        endpoints.check_address(resources, url)


def test_plain_http_is_for_allowed_networks_only(resources, res):
    endpoints.check_address(resources, "https://8.8.8.8/")
    endpoints.check_address(res, "http://127.0.0.1:8000/")
    with pytest.raises(UnusableError, match="https"):
        endpoints.check_address(resources, "http://8.8.8.8/")


def test_an_endpoint_that_moves_to_a_private_address_after_it_was_made_is_not_connected_to(res, resources, first):
    endpoint_id, _ = create(res, first)
    tell(res)

    run_queued(resources)

    assert first.got == []
    (row,) = rows(res, tables.delivery_attempts, tables.delivery_attempts.c.endpoint_id == endpoint_id)
    assert row.error == "NotAllowedError"


@pytest.mark.parametrize("secret", ["short", "whsec_dG9vIHNob3J0", "whsec_!!!!"])
def test_a_secret_that_signs_nothing_is_refused(res, first, secret):
    with pytest.raises(UnusableError):
        create(res, first, secret=secret)


def test_the_endpoint_of_the_settings_is_changed_there(res):
    for change in (
        lambda: endpoints.change(res, ENVIRONMENT, {"url": "https://8.8.8.8"}),
        lambda: endpoints.delete(res, ENVIRONMENT),
        lambda: endpoints.rotate_secret(res, ENVIRONMENT, None),
    ):
        with pytest.raises(OfSettingsError):
            change()
