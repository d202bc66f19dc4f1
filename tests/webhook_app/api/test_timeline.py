"""What happened to an Item and why, and what is due next."""

import pytest

from pluggy_sync.rules.timeline import Kind
from tests.kit.factories import PRODUCT_SECRET
from tests.kit.product import running_product
from tests.kit.service import Service
from tests.webhook_app.product import Product


def kinds(entries):
    return [each["kind"] for each in entries]


def test_the_life_of_an_item_is_told_from_all_tables_newest_first(service: Service, product: Product):
    item_id = service.upstream.connect(connector=5)
    service.catch_up()
    (action,) = product.get("/v1/actions")["results"]
    product.post(f"/v1/actions/{action['id']}/mfa", {"value": "123456"})
    service.catch_up()

    timeline = product.get(f"/v1/items/{item_id}/timeline")

    entries = timeline["results"]
    assert [each["at"] for each in entries] == sorted((each["at"] for each in entries), reverse=True)
    assert set(kinds(entries)) == set(Kind) - {Kind.ATTEMPT}
    told = {(each["kind"], each["id"]): each for each in entries}
    assert told["action_settled", action["id"]]["text"] == "The action is resolved: SUCCESS"
    assert "123456" not in str(timeline)
    (run,) = [each for each in entries if each["kind"] == "sync_run"]
    assert run["text"].startswith("Sync run for ")
    assert run["facts"]["outcome"] == "done"


def test_attempts_to_deliver_and_their_answers_are_told(service: Service, product: Product):
    with running_product() as endpoint:
        object.__setattr__(service.res.settings, "product_webhook_url", endpoint.url)
        object.__setattr__(service.res.settings, "product_webhook_secrets", (PRODUCT_SECRET,))
        item_id = service.upstream.connect()
        service.catch_up()

    (attempt,) = [each for each in product.get(f"/v1/items/{item_id}/timeline")["results"] if each["kind"] == "attempt"]

    assert attempt["facts"]["statusCode"] == 200
    assert attempt["text"].startswith("item.synced was sent to ep_environment: the product answered 200, ")


def test_what_is_due_next_is_told_with_its_time(service: Service, product: Product):
    item_id = service.upstream.connect(connector=5)
    service.deliver(*service.upstream.take_events())

    before = product.get(f"/v1/items/{item_id}/timeline")
    service.work_until_quiet()

    after = product.get(f"/v1/items/{item_id}/timeline")

    assert "event" in kinds(before["due"])
    assert "event" not in kinds(after["due"])
    assert "action_deadline" in kinds(after["due"])
    assert [each["at"] for each in after["due"]] == sorted(each["at"] for each in after["due"])


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_pages_of_any_size_hold_every_entry_once(service: Service, product: Product, limit: int):
    item_id = service.upstream.connect("user-bad")
    service.catch_up()
    whole = product.get(f"/v1/items/{item_id}/timeline")["results"]

    assert product.all_pages(f"/v1/items/{item_id}/timeline", limit=limit) == whole
    assert len(whole) > 2


def test_a_deleted_item_still_has_its_history_and_nothing_of_the_person(service: Service, product: Product):
    item_id = service.upstream.connect(clientUserId="user-to-forget")
    service.catch_up()
    service.upstream.delete(item_id)
    service.catch_up()

    timeline = product.get(f"/v1/items/{item_id}/timeline")

    assert any(each["facts"].get("outcome") == "purge" for each in timeline["results"])
    assert "user-to-forget" not in str(timeline)


def test_an_unknown_item_has_no_timeline(product: Product):
    product.refused("GET", "/v1/items/33333333-3333-4333-8333-333333333333/timeline", 404, "item-not-found")
    product.refused(
        "GET",
        "/v1/items/33333333-3333-4333-8333-333333333333/timeline",
        400,
        "invalid-cursor",
        query_string={"after": "e30"},
    )
