"""`/v1/items/{id}/sync-runs`: what each sync read, and how it ended."""

import uuid

import pytest

from tests.kit.interception import changed, refused
from tests.webhook_app.product import Product


@pytest.fixture
def runs(product: Product):
    return lambda item_id: product.get(f"/v1/items/{item_id}/sync-runs")["results"]


def sync(service, item_id):
    service.deliver(*service.upstream.take_events())
    service.work()


def test_a_first_sync_read_everything_and_says_what_it_added(service, upstream, runs):
    item_id = upstream.connect(products=None)
    sync(service, item_id)

    (run,) = runs(item_id)

    assert (run["itemId"], run["outcome"], run["error"], run["incomplete"]) == (item_id, "done", None, [])
    assert run["window"]["from"] is None
    assert run["added"] == len(upstream.truth(item_id)["transactions"]) > 0
    assert run["requests"] > 0
    assert run["finishedAt"] >= run["startedAt"]


def test_a_later_sync_comes_first_and_reads_a_window(service, upstream, runs):
    item_id = upstream.connect()
    sync(service, item_id)
    upstream.later(days=1)
    upstream.evolve(item_id, "add")
    upstream.run(item_id)
    sync(service, item_id)

    newest, first = runs(item_id)

    assert first["window"]["from"] is None
    assert newest["window"]["from"] is not None
    assert int(newest["cursor"]) == first["added"]
    assert newest["added"] - newest["removed"] == len(upstream.truth(item_id)["transactions"]) - first["added"] > 0


def test_a_part_that_could_not_be_read_is_named(service, upstream, runs, resources):
    item_id = upstream.connect(products=["ACCOUNTS", "TRANSACTIONS", "LOANS"])
    with changed(resources, "/loans", refused(403)):
        service.deliver(*upstream.take_events())
        service.work()

    incomplete = [each for run in runs(item_id) for each in run["incomplete"]]

    assert {each["product"] for each in incomplete} == {"loans"}
    assert {each["accountId"] for each in incomplete} == {None}


def test_an_item_that_is_not_known_has_no_runs(product: Product):
    product.refused("GET", f"/v1/items/{uuid.uuid4()}/sync-runs", 404, "item-not-found")
