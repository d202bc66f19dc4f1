"""How long things took, as the metrics tell it: from the webhook to the event that is handled and to the product."""

import dataclasses

import pytest

from pluggy_sync import tallies
from pluggy_sync.engine import submissions, sweep
from tests.kit.factories import PRODUCT_SECRET, an_event
from tests.kit.product import running_product
from tests.kit.workers import run_queued


@pytest.fixture
def told(service):
    """Return what was counted: each name with its labels, and for durations the number of them."""

    def told():
        assert service.res.tallies.flush()
        found = service.res.tallies.read()
        counts = {}
        for metric in tallies.metrics(found, ""):
            for sample in metric.samples:
                if sample.name.endswith(("_total", "_count", "_sum")):
                    counts[" ".join([sample.name, *sample.labels.values()])] = sample.value
        return counts

    return told


def test_a_delivery_is_counted_by_what_became_of_it(service, upstream, web, told):
    event = an_event("item/updated", itemId=upstream.connect())
    service.deliver(event, event)
    web.post("/webhooks/pluggy", json=event)
    web.post("/webhooks/pluggy", json=event, headers={"X-Webhook-Secret": "wrong"})

    found = told()

    assert found["deliveries_total recorded none"] == 1
    assert found["deliveries_total repeated none"] == 1
    assert found["deliveries_total rejected missing_secret"] == 1
    assert found["deliveries_total rejected wrong_secret"] == 1


def test_an_event_takes_from_its_webhook_until_it_is_handled(service, upstream, told, clock):
    service.deliver(an_event("item/updated", itemId=upstream.connect()))
    clock.advance(seconds=20)
    service.work()

    found = told()

    assert found["event_handled_seconds_count other"] == 1
    assert 20 <= found["event_handled_seconds_sum other"] < 25


def test_what_a_person_waits_for_is_told_apart(service, upstream, told):
    service.deliver(an_event("item/waiting_user_input", itemId=upstream.connect("user-mfa", connector_id=5)))
    service.work()

    assert told()["event_handled_seconds_count urgent"] == 1


def test_a_request_of_our_own_is_no_delivery(service, upstream, told, resources):
    from pluggy_sync.store import inbox  # noqa: PLC0415 - only here

    item_id = upstream.connect()
    with resources.database.begin() as conn:
        inbox.request_fetch(conn, item_id, why="operator", now=resources.now())
    sweep.sweep(resources)
    service.work_until_quiet()

    found = told()
    assert "event_handled_seconds_count other" not in found
    assert "sync_seconds_count done" in found


def test_the_product_is_told_of_a_sync_so_long_after_the_webhook_that_asked_for_it(service, upstream, told, clock):
    item_id = upstream.connect()
    with running_product() as product:
        settings = dataclasses.replace(
            service.res.settings, product_webhook_url=product.url, product_webhook_secrets=(PRODUCT_SECRET,)
        )
        res = dataclasses.replace(service.res, settings=settings)
        service.deliver(an_event("item/created", itemId=item_id))
        clock.advance(seconds=40)
        run_queued(res)
        assert product.got

    found = told()

    assert found["notified_seconds_count other"] == 1
    assert 40 <= found["notified_seconds_sum other"] < 45
    assert found["attempts_total 2xx"] == 1


def test_an_attempt_without_an_answer_is_counted_as_one(service, upstream, told):
    settings = dataclasses.replace(
        service.res.settings, product_webhook_url="http://127.0.0.1:1/", product_webhook_secrets=(PRODUCT_SECRET,)
    )
    service.deliver(an_event("item/created", itemId=upstream.connect()))
    run_queued(dataclasses.replace(service.res, settings=settings))

    found = told()

    assert found["attempts_total no_answer"] >= 1
    assert "notified_seconds_count other" not in found


def test_rows_and_requests_of_a_sync_are_counted(service, upstream, told):
    service.deliver(an_event("item/created", itemId=upstream.connect()))
    service.work()

    found = told()

    assert found["rows_total added"] == len(service.transaction_ids()) > 0
    assert found["pluggy_requests_total GET /items/{id} 200"] >= 1
    assert found["pluggy_requests_total GET /v2/transactions 200"] >= 1
    assert found["sync_seconds_count done"] == 1


def test_a_refusal_of_pluggy_is_counted_by_its_status(service, upstream, told):
    upstream.connect(products=["ACCOUNTS", "TRANSACTIONS", "LOANS"])
    upstream.fail({"endpoint": "GET /loans", "do": "status", "status": 403})
    service.catch_up()

    assert told()["pluggy_requests_total GET /loans 403"] >= 1


def test_an_action_takes_from_its_question_to_its_end(service, upstream, told, clock):
    service.deliver(an_event(itemId=upstream.connect("user-locked")))
    service.work()
    [action] = service.actions()
    clock.advance(minutes=3)
    submissions.cancel(service.res, action.id)

    found = told()

    assert found["action_settled_seconds_count bank superseded"] == 1
    assert 180 <= found["action_settled_seconds_sum bank superseded"] < 185
