"""Notifications reach the product signed, in order and once; a product in trouble is spared, and stops nothing else."""

import dataclasses
import gzip
import itertools
import json
import random
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email.utils import format_datetime

import pytest
import sqlalchemy as sa
from standardwebhooks import Webhook, WebhookVerificationError

from pluggy_sync.engine import sweep
from pluggy_sync.notifications import delivery, messages
from pluggy_sync.store import deliveries, endpoints, outbox, tables
from pluggy_sync.store.endpoints import ENVIRONMENT
from pluggy_sync.transaction import Transaction
from standalone.polling import eventually
from tests.kit.factories import PRODUCT_SECRET
from tests.kit.product import running_product, status
from tests.kit.silent_server import silent_port
from tests.kit.workers import next_due_at, run_queued, take_messages

OTHER_SECRET = "whsec_YW5vdGhlciBzZWNyZXQgb2YgdGhlIHByb2R1Y3Q="


@pytest.fixture
def product():
    with running_product() as running:
        yield running


@pytest.fixture
def res(resources, product):
    return to_url(resources, product.url)


def to_url(res, url):
    settings = dataclasses.replace(res.settings, product_webhook_url=url, product_webhook_secrets=(PRODUCT_SECRET,))
    return dataclasses.replace(res, settings=settings)


def tell(res):
    """Write a notification about no Item; return its id."""
    with res.database.begin() as conn:
        tx = Transaction(conn=conn)
        messages.connector_status_changed(tx, 2, "Pluggy Bank", "OFFLINE", now=res.now())
    return newest(res)


def newest(res):
    with res.database.begin() as conn:
        last = sa.select(tables.outbox.c.id).order_by(tables.outbox.c.created_at.desc(), sa.text("ctid DESC")).limit(1)
        return conn.scalar(last)


def deliver(res, notification_id, endpoint_id=ENVIRONMENT):
    """Make the delivery of the notification to the endpoint of the settings, or to that one."""
    with res.database.begin() as conn:
        of = tables.deliveries.c
        delivery_id = conn.scalar(
            sa.select(of.id).where(of.notification_id == notification_id, of.endpoint_id == endpoint_id)
        )
    delivery.deliver(res, str(delivery_id))


def claim(res, notification_id, *, now):
    with res.database.begin() as conn:
        of = tables.deliveries.c
        delivery_id = conn.scalar(sa.select(of.id).where(of.notification_id == notification_id))
        return deliveries.claim(conn, delivery_id, now=now, until=now + delivery.CLAIM)


def tell_of_item(res, item_id, how_many=1):
    """Write notifications about an Item, in order; return their ids."""
    written = []
    for sequence in range(1, how_many + 1):
        notification_id = outbox.new_id()
        now = res.now()
        body = json.dumps({"type": "item.synced", "data": {"itemId": item_id, "sequence": sequence}})
        with res.database.begin() as conn:
            outbox.add(
                conn,
                notification_id=notification_id,
                type_="item.synced",
                item_id=item_id,
                sequence=sequence,
                body=body,
                now=now,
            )
            deliveries.add(
                conn,
                endpoint_id=ENVIRONMENT,
                notification_id=notification_id,
                item_id=item_id,
                sequence=sequence,
                due_at=now,
                now=now,
            )
        written.append(notification_id)
    return written


def stored(res, notification_id):
    with res.database.begin() as conn:
        return conn.execute(
            sa.select(tables.deliveries, tables.outbox.c.body).where(
                tables.deliveries.c.notification_id == notification_id,
                tables.outbox.c.id == tables.deliveries.c.notification_id,
            )
        ).one()


def states(res, notification_ids):
    return [stored(res, each).state for each in notification_ids]


def attempts(res):
    with res.database.begin() as conn:
        return conn.execute(sa.select(tables.delivery_attempts).order_by(tables.delivery_attempts.c.id)).all()


def tried_for_days(res, notification_id):
    """Make it one that is due, and that was first tried three days ago."""
    long_ago = res.now() - timedelta(days=3)
    with res.database.begin() as conn:
        conn.execute(
            sa.update(tables.deliveries)
            .where(tables.deliveries.c.notification_id == notification_id)
            .values(due_at=long_ago, first_tried_at=long_ago)
        )


def deliver_at_once(res, notification_ids):
    """Deliver them by as many workers, all at the same time."""
    start = threading.Barrier(len(notification_ids))

    def work(notification_id):
        start.wait()
        deliver(res, notification_id)

    with ThreadPoolExecutor(len(notification_ids)) as workers:
        list(workers.map(work, notification_ids))


def step(res, clock):
    """Do what is queued, or else move time to what is due and let the sweep queue it."""
    if not run_queued(res):
        clock.advance_to(next_due_at(res))
        sweep.sweep(res)


# What is sent


def test_a_delivery_is_signed_as_standard_webhooks_and_holds_what_was_stored(res, product):
    notification_id = tell(res)

    deliver(res, notification_id)

    (got,) = product.got
    payload = Webhook(PRODUCT_SECRET).verify(got.body, got.headers)
    assert payload["type"] == "connector.status_changed"
    assert payload["data"] == {"connectorId": 2, "name": "Pluggy Bank", "status": "OFFLINE"}
    assert got.notification_id == notification_id
    assert got.body.decode() == stored(res, notification_id).body
    assert stored(res, notification_id).state == "delivered"


def test_while_a_secret_is_replaced_both_verify_and_a_third_does_not(res, product):
    settings = dataclasses.replace(res.settings, product_webhook_secrets=(PRODUCT_SECRET, OTHER_SECRET))

    deliver(dataclasses.replace(res, settings=settings), tell(res))

    (got,) = product.got
    Webhook(PRODUCT_SECRET).verify(got.body, got.headers)
    Webhook(OTHER_SECRET).verify(got.body, got.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_c29tZWJvZHkgZWxzZQ==").verify(got.body, got.headers)


def test_the_body_says_when_it_was_written_not_when_it_was_sent(res, product, clock):
    notification_id = tell(res)
    clock.advance(days=1)
    deliver(res, notification_id)

    (got,) = product.got
    assert json.loads(got.body)["timestamp"] == json.loads(stored(res, notification_id).body)["timestamp"]


def test_deliveries_one_after_the_other_share_a_connection_and_carry_no_cookie(res, product):
    product.answer = lambda request: request.respond(200, {"Set-Cookie": "session=1"}, b"thank you")

    for _ in range(3):
        deliver(res, tell(res))

    assert product.connections == 1
    assert [each.headers.get("cookie") for each in product.got] == [None] * 3
    assert {each.headers["accept-encoding"] for each in product.got} == {"identity"}


# What the product answers


@pytest.mark.parametrize("answer", [302, 400, 401, 404, 429, 500])
def test_what_the_product_did_not_take_is_tried_again_under_the_same_id(res, product, clock, answer):
    product.answer = status(answer, 200)
    notification_id = tell(res)

    deliver(res, notification_id)
    assert stored(res, notification_id).state == "pending"
    deliver(res, notification_id)  # not due yet
    assert len(product.got) == 1
    clock.advance_to(stored(res, notification_id).due_at)
    sweep.sweep(res)
    run_queued(res)

    assert product.got_ids == [notification_id] * 2
    assert stored(res, notification_id).state == "delivered"
    assert [row.status_code for row in attempts(res)] == [answer, 200]


def test_a_redirect_is_not_followed(res, product):
    with running_product() as elsewhere:
        product.answer = lambda request: request.respond(307, {"Location": elsewhere.url})

        deliver(res, tell(res))

        assert elsewhere.got == []
    assert [row.status_code for row in attempts(res)] == [307]


def test_a_product_that_stays_away_is_tried_again_within_half_a_minute_in_the_first_minutes(resources, clock):
    lonely = to_url(resources, "http://127.0.0.1:1/nobody")
    tell(lonely)
    began = clock()

    while clock() - began < timedelta(minutes=3):
        step(lonely, clock)

    tried = attempts(lonely)
    assert {row.error for row in tried} == {"ConnectError"}
    pairs = itertools.pairwise([row.started_at for row in tried])
    longest = max(later - earlier for earlier, later in pairs if earlier - began < timedelta(minutes=2))
    # A wait is spread by up to a fifth, and each reading of the clock takes a millisecond.
    assert longest < timedelta(seconds=30) * 1.2 + timedelta(seconds=1)


def test_a_product_that_stays_away_for_three_days_costs_few_tries_and_is_given_up(resources, clock):
    lonely = to_url(resources, "http://127.0.0.1:1/nobody")
    notification_id = tell(lonely)
    deliver(lonely, notification_id)
    began = clock()
    clock.advance(days=3, hours=-2)
    deliver(lonely, notification_id)
    tried_before = len(attempts(lonely))

    while stored(lonely, notification_id).state == "pending":
        step(lonely, clock)

    assert stored(lonely, notification_id).state == "dead"
    assert timedelta(days=3) <= clock() - began < timedelta(days=3, hours=1)
    assert len(attempts(lonely)) - tried_before <= 14


def test_an_endpoint_that_answers_gone_hears_nothing_until_it_is_resumed(res, product, clock):
    product.answer = status(410)
    first, second = tell(res), tell(res)
    deliver(res, first)
    clock.advance(days=1)
    sweep.sweep(res)
    run_queued(res)
    deliver(res, second)
    assert len(product.got) == 1

    product.answer = status(200)
    with res.database.begin() as conn:
        assert endpoints.resume(conn, ENVIRONMENT)
    sweep.sweep(res)
    run_queued(res)

    assert states(res, [first, second]) == ["delivered", "delivered"]


def seconds(answered_at):
    return "90"


def a_date(answered_at):
    return format_datetime((answered_at + timedelta(seconds=90)).replace(microsecond=0), usegmt=True)


@pytest.mark.parametrize("written", [seconds, a_date])
def test_a_product_that_asks_for_a_pause_gets_it(res, product, clock, written):
    product.answer = lambda request: request.respond(429, {"Retry-After": written(clock())})
    first, second = tell(res), tell(res)
    deliver(res, first)

    clock.advance(seconds=80)
    sweep.sweep(res)
    run_queued(res)
    deliver(res, second)
    assert product.got_ids == [first]

    product.answer = status(200)
    clock.advance(seconds=12)
    sweep.sweep(res)
    run_queued(res)
    assert states(res, [first, second]) == ["delivered", "delivered"]


def test_nobody_is_paused_for_longer_than_an_hour(res, product, clock):
    product.answer = lambda request: request.respond(503, {"Retry-After": "99999999999999999999"})
    notification_id = tell(res)

    deliver(res, notification_id)

    assert stored(res, notification_id).due_at <= clock() + timedelta(hours=1)


# A product that takes its time


def never(request):
    request.hang()


def status_line_by_the_byte(request):
    request.drip(b"HTTP/1.1 200 OK; that is what it is, and more can be said")


def headers_by_the_byte(request):
    request.write(b"HTTP/1.1 200 OK\r\n")
    request.drip(b"x-so: on\r\n")


def to_be_continued(request):
    request.drip(b"HTTP/1.1 100 Continue\r\n\r\n", every_s=0.001)


@pytest.mark.parametrize("answer", [never, status_line_by_the_byte, headers_by_the_byte, to_be_continued])
def test_an_endpoint_that_gives_no_status_is_left_at_the_deadline(res, product, monkeypatch, answer):
    monkeypatch.setattr(delivery, "TIMEOUT_S", 1.0)
    product.answer = answer
    notification_id = tell(res)
    began = time.monotonic()

    deliver(res, notification_id)

    assert time.monotonic() - began < 5
    assert stored(res, notification_id).state == "pending"
    assert [(row.status_code, row.error) for row in attempts(res)] == [(None, "TimeoutError")]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_takes_the_connection_and_no_more_is_left_at_the_deadline(resources, monkeypatch, scheme):
    monkeypatch.setattr(delivery, "TIMEOUT_S", 1.0)
    with silent_port() as port:
        res = to_url(resources, f"{scheme}://127.0.0.1:{port}/")
        began = time.monotonic()

        deliver(res, tell(res))

        assert time.monotonic() - began < 5
    (row,) = attempts(res)
    assert row.status_code is None


def test_the_whole_delivery_has_fifteen_seconds():
    assert delivery.TIMEOUT_S == 15


def by_the_byte(request):
    request.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    request.drip(b"x")


def without_end(request):
    request.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        request.write(b"x" * 65536)


def cut_off(request):
    request.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nthank")


@pytest.mark.parametrize("answer", [by_the_byte, without_end, cut_off])
def test_the_status_decides_whatever_becomes_of_the_body(res, product, answer):
    product.answer = answer
    notification_id = tell(res)
    began = time.monotonic()

    deliver(res, notification_id)

    assert time.monotonic() - began < 10
    assert stored(res, notification_id).state == "delivered"


def test_a_body_is_not_unpacked(res, product):
    packed = gzip.compress(bytes(64 * 1024 * 1024))
    product.answer = lambda request: request.respond(200, {"Content-Encoding": "gzip"}, packed)
    deliver(res, tell(res))  # what is made once is there
    notification_id = tell(res)
    tracemalloc.start()

    deliver(res, notification_id)

    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 4 * 1024 * 1024
    assert stored(res, notification_id).state == "delivered"


@pytest.mark.parametrize("url", ["http://[::1/", "http://a..b/", "http://xn--a/", "http://127.0.0.1:1/"])
def test_an_address_that_cannot_be_reached_is_an_attempt_that_failed(resources, url):
    res = to_url(resources, url)
    notification_id = tell(res)

    deliver(res, notification_id)

    assert stored(res, notification_id).state == "pending"
    (row,) = attempts(res)
    assert row.error.isidentifier()


# Once, and in order


def test_two_workers_never_deliver_one_notification_at_once(res, product):
    notification_id = tell(res)

    deliver_at_once(res, [notification_id] * 4)

    assert product.got_ids == [notification_id]


def test_a_claim_outlives_its_attempt(res, product, monkeypatch):
    monkeypatch.setattr(delivery, "TIMEOUT_S", 0.2)
    claim = deliveries.claim

    def and_then_stop(*args, **more):
        claimed = claim(*args, **more)
        # Longer than a delivery may take.
        time.sleep(0.4)
        return claimed

    monkeypatch.setattr(deliveries, "claim", and_then_stop)

    deliver(res, tell(res))

    assert product.got == []
    assert timedelta(seconds=15) < delivery.CLAIM


def test_what_a_killed_worker_had_claimed_is_delivered_within_forty_five_seconds(res, product, clock):
    notification_id = tell(res)
    assert claim(res, notification_id, now=clock())

    deliver(res, notification_id)
    assert product.got == []
    clock.advance(seconds=45 - res.settings.sweep_interval_s)
    sweep.sweep(res)
    run_queued(res)

    assert product.got_ids == [notification_id]


def test_a_worker_that_comes_back_late_does_not_end_the_claim_of_another(res, clock):
    notification_id = tell(res)
    late = claim(res, notification_id, now=clock())
    clock.advance(seconds=60)
    assert claim(res, notification_id, now=clock())

    with res.database.begin() as conn:
        deliveries.reschedule(conn, late, due_at=clock())
    taken = claim(res, notification_id, now=clock())

    assert taken is None


def test_the_notifications_of_an_item_are_delivered_in_order_whatever_comes_first(res, product):
    written = tell_of_item(res, "item-1", 6)
    random.Random(1).shuffle(shuffled := list(written))

    deliver_at_once(res, shuffled)
    run_queued(res)

    assert product.got_ids == written


def test_a_notification_waits_for_the_one_before_it_and_no_other_item_does(res, product, clock):
    refused, later = tell_of_item(res, "item-1", 2)
    others = [*tell_of_item(res, "item-2", 2), tell(res)]
    product.answer = lambda request: request.respond(400 if request.delivery.notification_id == refused else 200)

    for each in (refused, later, *others):
        deliver(res, each)
    run_queued(res)
    assert states(res, [refused, later, *others]) == ["pending", "pending", "delivered", "delivered", "delivered"]

    product.answer = status(200)
    clock.advance_to(stored(res, refused).due_at)
    sweep.sweep(res)
    run_queued(res)
    assert product.got_ids[-2:] == [refused, later]


def test_after_one_that_was_given_up_the_item_goes_on(res, product, clock):
    refused, later = tell_of_item(res, "item-1", 2)
    product.answer = lambda request: request.respond(400 if request.delivery.notification_id == refused else 200)

    deliver(res, refused)
    tried_for_days(res, refused)
    deliver(res, refused)
    clock.advance(seconds=10)
    sweep.sweep(res)
    run_queued(res)

    assert states(res, [refused, later]) == ["dead", "delivered"]


def test_notifications_of_different_items_are_delivered_at_once(res, product):
    together = threading.Barrier(4)

    def when_all_are_there(request):
        together.wait(timeout=60)
        request.respond(200)

    product.answer = when_all_are_there
    written = [tell_of_item(res, f"item-{number}")[0] for number in range(4)]

    deliver_at_once(res, written)

    assert states(res, written) == ["delivered"] * 4


# An endpoint that fails


def fail(res, product):
    """Let the endpoint fail one delivery; return the id."""
    product.answer = status(500)
    notification_id = tell(res)
    deliver(res, notification_id)
    take_messages(res)
    return notification_id


def test_an_endpoint_that_fails_gets_one_notification_at_a_time(res, product, clock):
    first = fail(res, product)
    waiting = [tell(res) for _ in range(5)]
    product.most_at_once = 0

    def hang_a_moment(request):
        # Time for another one to come, which must not.
        time.sleep(0.3)
        request.respond(500)

    product.answer = hang_a_moment

    for _ in range(3):
        clock.advance(seconds=2)
        before = len(product.got)
        deliver_at_once(res, [first, *waiting])
        assert len(product.got) <= before + 1

    assert product.most_at_once == 1
    assert len(product.got) > 2


def test_the_sweep_queues_one_notification_for_an_endpoint_that_fails_and_none_before_its_time(res, product, clock):
    fail(res, product)
    for _ in range(5):
        tell(res)
    clock.advance(seconds=1)
    sweep.sweep(res)
    ((_, probe),) = take_messages(res)
    delivery.deliver(res, probe)
    take_messages(res)

    sweep.sweep(res)
    assert take_messages(res) == []
    clock.advance(minutes=1)
    sweep.sweep(res)

    assert len(take_messages(res)) == 1


def test_once_the_endpoint_works_everything_that_waits_is_delivered_at_once(res, product, clock):
    first = fail(res, product)
    waiting = [tell(res) for _ in range(5)]
    for _ in range(6):
        clock.advance(seconds=30)
        sweep.sweep(res)
        run_queued(res)
    assert states(res, [first, *waiting]) == ["pending"] * 6

    product.answer = status(200)
    clock.advance(seconds=60)
    sweep.sweep(res)
    run_queued(res)

    assert states(res, [first, *waiting]) == ["delivered"] * 6


def test_one_notification_that_the_product_cannot_take_holds_up_no_other(res, product):
    refused, *others = [tell(res) for _ in range(6)]
    product.answer = lambda request: request.respond(500 if request.delivery.notification_id == refused else 200)

    for each in (refused, *others):
        deliver(res, each)
    run_queued(res)

    assert states(res, [refused, *others]) == ["pending", *["delivered"] * 5]


def test_a_worker_that_died_while_it_asked_a_failing_endpoint_leaves_it_to_another(res, product, clock):
    fail(res, product)
    with res.database.begin() as conn:
        assert endpoints.take_probe(conn, ENVIRONMENT, now=clock(), until=clock() + delivery.CLAIM)
    product.answer = status(200)
    notification_id = tell(res)
    deliver(res, notification_id)
    assert stored(res, notification_id).state == "pending"

    clock.advance(seconds=30)
    deliver(res, notification_id)

    assert stored(res, notification_id).state == "delivered"


def test_an_endpoint_that_hangs_holds_each_worker_once_and_then_one(res, product, monkeypatch, clock):
    monkeypatch.setattr(delivery, "TIMEOUT_S", 0.5)
    product.answer = never
    written = [tell(res) for _ in range(4)]
    deliver_at_once(res, written)
    assert len(product.got) == 4
    eventually(lambda: product.at_once == 4, what="all four hang")

    clock.advance(seconds=30)
    deliver_at_once(res, written)

    assert len(product.got) == 5


# What is told of nobody any more


def test_a_notification_that_is_dropped_while_it_is_delivered_is_no_fault(res, product):
    (notification_id,) = tell_of_item(res, "item-1")

    def drop(request):
        with res.database.begin() as conn:
            assert outbox.drop_of_item(conn, "item-1") is not None
        request.respond(200)

    product.answer = drop

    deliver(res, notification_id)

    assert attempts(res) == []


def test_what_is_on_its_way_when_an_item_is_purged_arrives_before_its_end_is_told(service, upstream, product, clock):
    item_id = upstream.connect()
    service.catch_up()
    res = to_url(service.res, product.url)
    with res.database.begin() as conn:
        first = deliveries.next_of_item(conn, ENVIRONMENT, item_id, messages.URGENT).id
        claimed = deliveries.claim(conn, first, now=clock(), until=clock() + delivery.CLAIM)
    assert claimed is not None

    upstream.delete(item_id)
    service.deliver(*upstream.take_events())
    run_queued(res)
    assert product.got == []
    clock.advance(seconds=30)
    sweep.sweep(res)
    run_queued(res)

    assert [json.loads(each.body)["type"] for each in product.got] == ["item.deleted"]


@pytest.mark.parametrize("answer", [200, 400])
def test_once_the_end_of_an_item_was_told_or_given_up_nothing_names_its_person(service, upstream, product, answer):
    product.answer = status(answer)
    item_id = upstream.connect()
    service.catch_up()
    res = to_url(service.res, product.url)
    upstream.delete(item_id)
    service.deliver(*upstream.take_events())

    run_queued(res)
    if answer != 200:
        notification_id = newest(res)
        tried_for_days(res, notification_id)
        deliver(res, notification_id)

    told = [json.loads(each.body) for each in product.got if b"item.deleted" in each.body]
    assert told[0]["data"]["clientUserId"] == "user-42"
    (row,) = service.rows(tables.outbox, tables.outbox.c.item_id == item_id)
    assert json.loads(row.body)["data"] == {**told[0]["data"], "clientUserId": None}
    assert stored(res, row.id).state == ("delivered" if answer == 200 else "dead")


def test_where_no_product_is_told_the_end_of_an_item_names_nobody_from_the_start(service, upstream):
    item_id = upstream.connect()
    service.catch_up()
    upstream.delete(item_id)

    service.catch_up()

    (row,) = service.rows(tables.outbox, tables.outbox.c.item_id == item_id)
    assert row.type == "item.deleted"
    assert "user-42" not in row.body
