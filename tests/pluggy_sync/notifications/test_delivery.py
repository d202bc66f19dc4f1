"""Notifications reach the product signed, once it can take them, and stop when it wants no more."""

import dataclasses
import json
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
import sqlalchemy as sa
from standardwebhooks import Webhook, WebhookVerificationError

from pluggy_sync.engine import sweep
from pluggy_sync.notifications import delivery, messages
from pluggy_sync.store import endpoints
from pluggy_sync.store.tables import delivery_attempts, outbox
from pluggy_sync.transaction import Transaction
from tests.kit.factories import PRODUCT_SECRET
from tests.kit.workers import run_queued

OTHER_SECRET = "whsec_YW5vdGhlciBzZWNyZXQgb2YgdGhlIHByb2R1Y3Q="


class _Product:
    """The product's endpoint: answers with what the test says, the last one again and again."""

    def __init__(self):
        self.answers = [200]
        self.got = []

    def answer(self):
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def product():
    told = _Product()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            told.got.append((dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(told.answer())
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        told.url = f"http://127.0.0.1:{server.server_port}/hooks"
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield told
        server.shutdown()
        thread.join()


@pytest.fixture
def res(resources, product):
    settings = dataclasses.replace(
        resources.settings, product_webhook_url=product.url, product_webhook_secrets=(PRODUCT_SECRET,)
    )
    return dataclasses.replace(resources, settings=settings)


def tell(res):
    with res.database.begin() as conn:
        tx = Transaction(conn=conn)
        messages.connector_status_changed(tx, 2, "Pluggy Bank", "OFFLINE", now=res.now())
    ((_task, notification_id),) = tx.queued
    return notification_id


def stored(res, notification_id):
    with res.database.begin() as conn:
        return conn.execute(sa.select(outbox).where(outbox.c.id == notification_id)).one()


def test_a_delivery_is_signed_as_standard_webhooks_and_holds_what_was_stored(res, product):
    notification_id = tell(res)

    delivery.deliver(res, notification_id)

    ((headers, body),) = product.got
    payload = Webhook(PRODUCT_SECRET).verify(body, headers)
    assert payload["type"] == "connector.status_changed"
    assert payload["data"] == {"connectorId": 2, "name": "Pluggy Bank", "status": "OFFLINE"}
    assert headers["webhook-id"] == notification_id
    assert body.decode() == stored(res, notification_id).body
    assert stored(res, notification_id).state == "delivered"


def test_while_a_secret_is_replaced_both_verify_and_a_third_does_not(res, product):
    settings = dataclasses.replace(res.settings, product_webhook_secrets=(PRODUCT_SECRET, OTHER_SECRET))

    delivery.deliver(dataclasses.replace(res, settings=settings), tell(res))

    ((headers, body),) = product.got
    Webhook(PRODUCT_SECRET).verify(body, headers)
    Webhook(OTHER_SECRET).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_c29tZWJvZHkgZWxzZQ==").verify(body, headers)


@pytest.mark.parametrize("answer", [302, 400, 401, 404, 429, 500])
def test_what_the_product_did_not_take_is_tried_again_under_the_same_id(res, product, clock, answer):
    product.answers = [answer, 200]
    notification_id = tell(res)

    delivery.deliver(res, notification_id)
    assert stored(res, notification_id).state == "pending"
    delivery.deliver(res, notification_id)  # not due yet
    assert len(product.got) == 1
    clock.advance(seconds=delivery.SCHEDULE_S[0] * 1.3)
    sweep.sweep(res)
    run_queued(res)

    assert [headers["webhook-id"] for headers, _ in product.got] == [notification_id] * 2
    assert stored(res, notification_id).state == "delivered"


def test_every_attempt_is_logged(res, product, clock):
    product.answers = [500, 200]
    notification_id = tell(res)
    delivery.deliver(res, notification_id)
    clock.advance(seconds=60)
    delivery.deliver(res, notification_id)

    with res.database.begin() as conn:
        tried = conn.execute(sa.select(delivery_attempts).order_by(delivery_attempts.c.id)).all()
    assert [row.status_code for row in tried] == [500, 200]


def test_a_product_that_stays_away_is_waited_for_over_days_and_then_given_up(res, clock):
    settings = dataclasses.replace(res.settings, product_webhook_url="http://127.0.0.1:1/nobody")
    lonely = dataclasses.replace(res, settings=settings)
    notification_id = tell(lonely)
    began = clock()
    while stored(lonely, notification_id).state == "pending":
        clock.advance_to(stored(lonely, notification_id).due_at)
        delivery.deliver(lonely, notification_id)

    assert stored(lonely, notification_id).state == "dead"
    assert timedelta(days=2) < clock() - began < timedelta(days=5)


def test_an_endpoint_that_answers_gone_hears_nothing_until_it_is_resumed(res, product, clock):
    product.answers = [410]
    first, second = tell(res), tell(res)
    delivery.deliver(res, first)
    clock.advance(days=1)
    sweep.sweep(res)
    run_queued(res)
    delivery.deliver(res, second)
    assert len(product.got) == 1

    product.answers = [200]
    with res.database.begin() as conn:
        assert endpoints.resume(conn, product.url)
    sweep.sweep(res)
    run_queued(res)

    assert {stored(res, each).state for each in (first, second)} == {"delivered"}


def test_two_workers_never_deliver_one_notification_at_once(res, product):
    notification_id = tell(res)
    threads = [Thread(target=delivery.deliver, args=(res, notification_id)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(product.got) == 1


def test_the_body_says_when_it_was_written_not_when_it_was_sent(res, product, clock):
    notification_id = tell(res)
    clock.advance(days=1)
    delivery.deliver(res, notification_id)

    ((_, body),) = product.got
    assert json.loads(body)["timestamp"] == json.loads(stored(res, notification_id).body)["timestamp"]
