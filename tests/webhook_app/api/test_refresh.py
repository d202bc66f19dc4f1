"""Updating an Item now: directly if that needs nobody, else by way of its person."""

import pytest

from tests.kit.factories import an_id
from tests.kit.service import Service
from tests.webhook_app.product import Product


def connected(service: Service, user: str = "user-ok", connector: int = 2) -> str:
    item_id = service.upstream.connect(user, connector=connector)
    service.catch_up()
    return item_id


def test_an_item_that_needs_nobody_is_updated(service: Service, product: Product):
    item_id = connected(service)
    service.upstream.later(days=1)
    service.upstream.evolve(item_id, {"kind": "add", "count": 2})

    answer = product.post(f"/v1/items/{item_id}/refresh", None)

    assert answer == {"result": "started", "itemId": item_id, "availableAt": None}
    assert product.get(f"/v1/items/{item_id}")["freshness"]["state"] == "syncing"
    assert product.post(f"/v1/items/{item_id}/refresh", None)["result"] == "running"
    service.catch_up()
    assert product.get(f"/v1/items/{item_id}")["freshness"]["state"] == "fresh"
    service.assert_mirrors(item_id)


def test_an_update_whose_events_are_all_lost_is_found_by_looking(service: Service, product: Product):
    item_id = connected(service)
    service.upstream.later(days=1)
    service.upstream.evolve(item_id, {"kind": "add", "count": 2})
    product.post(f"/v1/items/{item_id}/refresh", None)
    service.upstream.take_events()

    service.work_until_quiet()

    assert product.get(f"/v1/items/{item_id}")["freshness"]["state"] == "fresh"
    service.assert_mirrors(item_id)


def test_too_early_is_already_fresh_with_the_time(service: Service, product: Product):
    service.upstream.settings(minUpdateFrequencyHours=1)
    item_id = connected(service)
    last = product.get(f"/v1/items/{item_id}")["lastUpdatedAt"]

    answer = product.post(f"/v1/items/{item_id}/refresh", None, status=200)

    assert answer["result"] == "fresh"
    assert last < answer["availableAt"]
    service.upstream.settings(minUpdateFrequencyHours=0)


def test_an_update_that_goes_on_already_is_202(service: Service, product: Product):
    item_id = connected(service)
    service.upstream.settings(runSeconds=5.0)
    service.upstream.start_run(item_id)

    assert product.post(f"/v1/items/{item_id}/refresh", None)["result"] == "running"

    service.upstream.settings(runSeconds=0.0)


@pytest.mark.parametrize(
    "user, connector, kind, reason",
    [
        ("user-bad", 2, "credentials", "INVALID_CREDENTIALS"),
        ("user-locked", 2, "bank", "ACCOUNT_LOCKED"),
        ("user-account-need-actions", 2, "bank", "ACCOUNT_NEEDS_ACTION"),
        ("user-ok", 5, "mfa", "WAITING_USER_INPUT"),
    ],
)
def test_an_item_that_waits_for_its_person_is_409_with_the_action(
    service: Service, product: Product, user, connector, kind, reason
):
    item_id = connected(service, user, connector)
    (open_action,) = product.get("/v1/actions", itemId=item_id)["results"]

    problem = product.refused("POST", f"/v1/items/{item_id}/refresh", 409, "action-required")

    assert problem["action"]["id"] == open_action["id"]
    assert (problem["action"]["kind"], problem["action"]["reason"]) == (kind, reason)
    assert service.notifications() == ["item.action_required"]


def test_an_item_whose_every_update_needs_a_code_asks_for_it_once(service: Service, product: Product):
    item_id = service.upstream.connect(connector=4, parameters={"token": "123456"})
    service.catch_up()
    assert product.get(f"/v1/items/{item_id}")["freshness"]["state"] == "fresh"

    first = product.refused("POST", f"/v1/items/{item_id}/refresh", 409, "action-required")["action"]
    again = product.refused("POST", f"/v1/items/{item_id}/refresh", 409, "action-required")["action"]

    assert first["id"] == again["id"]
    assert (first["kind"], first["parameter"]["name"]) == ("mfa", "token")
    assert product.get(f"/v1/items/{item_id}")["freshness"]["state"] == "fresh"
    service.upstream.later(seconds=300)
    product.post(f"/v1/actions/{first['id']}/mfa", {"value": "123456"})
    service.catch_up()
    assert product.get(f"/v1/actions/{first['id']}")["state"] == "resolved"
    assert service.notifications().count("item.action_required") == 1


def test_a_repeated_event_does_not_settle_the_code_that_an_update_needs(service: Service, product: Product):
    item_id = service.upstream.connect(connector=4, parameters={"token": "123456"})
    events = service.upstream.take_events()
    service.deliver(*events)
    service.work_until_quiet()
    action = product.refused("POST", f"/v1/items/{item_id}/refresh", 409, "action-required")["action"]

    product.post("/v1/items", {"itemId": item_id})
    service.work_until_quiet()

    assert product.get(f"/v1/actions/{action['id']}")["state"] == "open"


def test_a_bank_that_asks_during_the_update_is_asked_to_start_it(service: Service, product: Product):
    item_id = connected(service, connector=5)
    (action,) = product.get("/v1/actions", itemId=item_id)["results"]
    product.post(f"/v1/actions/{action['id']}/mfa", {"value": "123456"})
    service.catch_up()

    # Catching up took minutes of the service's clock.
    service.upstream.later(seconds=600)
    start = product.refused("POST", f"/v1/items/{item_id}/refresh", 409, "action-required")["action"]
    assert start["parameter"] is None
    product.post(f"/v1/actions/{start['id']}/restart", None)
    service.deliver(*service.upstream.take_events())
    service.work()

    (asked,) = product.get("/v1/actions", itemId=item_id, state="open")["results"]
    assert asked["reason"] == "WAITING_USER_INPUT"
    assert product.get(f"/v1/actions/{start['id']}")["state"] == "superseded"


def test_an_offline_bank_is_503_and_nobody_is_asked(service: Service, product: Product):
    item_id = connected(service)
    service.upstream.connector_health(2, "OFFLINE")

    product.refused("POST", f"/v1/items/{item_id}/refresh", 503, "bank-offline")
    service.catch_up()
    product.refused("POST", f"/v1/items/{item_id}/refresh", 503, "bank-offline")

    assert product.get("/v1/actions")["results"] == []


def test_a_limit_of_pluggy_is_503_with_the_time_to_wait(service: Service, product: Product):
    item_id = connected(service)
    service.upstream.fail({"endpoint": "PATCH /items/{id}", "do": "status", "status": 429})

    response = product.call("POST", f"/v1/items/{item_id}/refresh")

    assert response.status_code == 503
    assert response.get_json()["code"] == "pluggy-busy"
    assert int(response.headers["Retry-After"]) >= 1


def test_what_is_gone_cannot_be_refreshed(service: Service, product: Product):
    product.refused("POST", f"/v1/items/{an_id()}/refresh", 404, "item-not-found")
    item_id = connected(service)
    service.upstream.delete(item_id)

    product.refused("POST", f"/v1/items/{item_id}/refresh", 410, "item-gone-at-pluggy")

    service.catch_up()
    product.refused("POST", f"/v1/items/{item_id}/refresh", 410, "item-deleted")


def test_an_outdated_item_may_be_retried(service: Service, product: Product):
    item_id = connected(service, "user-unavailable")

    assert product.post(f"/v1/items/{item_id}/refresh", None)["result"] == "started"
