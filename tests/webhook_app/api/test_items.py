"""Items as products see them."""

import pytest

from pluggy_sync.store.tables import items
from tests.kit.service import Service
from tests.webhook_app.product import Product


def test_an_item_has_pluggys_fields_and_ours(service: Service, product: Product):
    item_id = service.upstream.connect(products=None)
    service.catch_up()

    item = product.get(f"/v1/items/{item_id}")

    truth = service.upstream.truth(item_id)["item"]
    ours = {"freshness", "syncedThrough", "openActions", "products", "replacedBy"}
    assert {name: value for name, value in item.items() if name not in ours} == {
        name: value for name, value in truth.items() if name not in ours
    }
    assert item["freshness"] == {"state": "fresh", "since": truth["lastUpdatedAt"], "reason": None}
    assert item["openActions"] == []
    assert item["replacedBy"] is None
    assert item["products"]["transactions"]["isUpdated"] is True
    assert item["syncedThrough"] == truth["lastUpdatedAt"]


def test_a_partial_success_names_the_products_that_were_not_collected(service: Service, product: Product):
    item_id = service.upstream.connect("user-ok-account-error", products=None)
    service.catch_up()

    item = product.get(f"/v1/items/{item_id}")

    assert item["executionStatus"] == "PARTIAL_SUCCESS"
    assert False in {each["isUpdated"] for each in item["products"].values()}
    assert True in {each["isUpdated"] for each in item["products"].values()}


@pytest.mark.parametrize(
    "user, state, reason",
    [
        ("user-bad", "waiting_for_person", "INVALID_CREDENTIALS"),
        ("user-locked", "waiting_for_person", "ACCOUNT_LOCKED"),
        ("user-unavailable", "bank_outage", "SITE_NOT_AVAILABLE"),
        ("user-error", "error", "UNEXPECTED_ERROR"),
    ],
)
def test_freshness_says_why_an_item_is_not_fresh(service: Service, product: Product, user, state, reason):
    item_id = service.upstream.connect(user)
    service.catch_up()

    freshness = product.get(f"/v1/items/{item_id}")["freshness"]

    assert (freshness["state"], freshness["reason"]) == (state, reason)


def test_a_connector_that_went_offline_is_a_bank_outage(service: Service, product: Product):
    item_id = service.upstream.connect()
    service.upstream.connector_health(2, "OFFLINE")
    service.catch_up()

    item = product.get(f"/v1/items/{item_id}")

    assert item["connector"]["health"]["status"] == "OFFLINE"
    assert item["freshness"]["state"] == "bank_outage"


def test_a_registered_item_is_fetched_without_any_webhook(service: Service, product: Product):
    item_id = service.upstream.connect(clientUserId=None)

    answer = product.post("/v1/items", {"itemId": item_id, "clientUserId": "user-77"})
    service.work_until_quiet()

    assert answer["freshness"]["state"] == "syncing"
    item = product.get(f"/v1/items/{item_id}")
    assert (item["clientUserId"], item["freshness"]["state"]) == ("user-77", "fresh")
    service.assert_mirrors(item_id)


def test_an_item_is_not_given_to_another_person(service: Service, product: Product):
    item_id = service.upstream.connect(clientUserId="user-1")
    service.catch_up()

    product.refused(
        "POST", "/v1/items", 409, "client-user-mismatch", json={"itemId": item_id, "clientUserId": "user-2"}
    )

    assert product.get(f"/v1/items/{item_id}")["clientUserId"] == "user-1"


def test_a_deleted_item_is_only_a_tombstone(service: Service, product: Product):
    item_id = service.upstream.connect()
    service.catch_up()
    service.upstream.delete(item_id)
    service.catch_up()

    item = product.get(f"/v1/items/{item_id}")

    assert item["freshness"]["state"] == "deleted"
    assert item["clientUserId"] is None
    assert product.get("/v1/items")["results"] == []
    assert [each["id"] for each in product.get("/v1/items", state="deleted")["results"]] == [item_id]
    product.refused("GET", f"/v1/items/{item_id}/accounts", 410, "item-deleted")
    product.refused("POST", "/v1/items", 410, "item-deleted", json={"itemId": item_id})


def test_the_list_is_filtered_by_person_and_by_freshness(service: Service, product: Product):
    fresh = service.upstream.connect(clientUserId="user-1")
    bad = service.upstream.connect("user-bad", clientUserId="user-1")
    other = service.upstream.connect(clientUserId="user-2")
    service.catch_up()

    def ids(**query: str) -> set[str]:
        return {each["id"] for each in product.all_pages("/v1/items", **query)}

    assert ids() == {fresh, bad, other}
    assert ids(clientUserId="user-1") == {fresh, bad}
    assert ids(state="fresh") == {fresh, other}
    assert ids(state="waiting_for_person", clientUserId="user-1") == {bad}
    assert ids(state="stale") == set()


def test_the_list_is_filtered_by_bank_and_freshness_has_two_names(service: Service, product: Product):
    first = service.upstream.connect()
    code = service.upstream.connect(connector=5)
    service.catch_up()

    def ids(**query: str) -> set[str]:
        return {each["id"] for each in product.all_pages("/v1/items", **query)}

    assert ids(connectorId="2") == {first}
    assert ids(connectorId="5", freshness="waiting_for_person") == {code}
    assert ids(connectorId="5", freshness="fresh") == set()
    assert ids(connectorId="999999") == set()
    assert ids(freshness="fresh") == ids(state="fresh", freshness="fresh") == {first}
    product.refused("GET", "/v1/items?state=fresh&freshness=stale", 400, "invalid-request")
    for odd in ("two", "-1", "1.5", str(2**63)):
        product.refused("GET", f"/v1/items?connectorId={odd}", 400, "invalid-request")


def test_pages_of_any_size_hold_every_item_once(service: Service, product: Product):
    connected = {service.upstream.connect("user-bad" if number % 2 else "user-error") for number in range(5)}
    service.catch_up()

    for limit in (1, 2, 5, 6):
        seen = [each["id"] for each in product.all_pages("/v1/items", limit=limit)]
        assert seen == sorted(connected)
        waiting = product.all_pages("/v1/items", limit=limit, state="waiting_for_person")
        assert len(waiting) == len({each["id"] for each in waiting}) == 2


def test_an_unknown_item_is_not_found(product: Product):
    product.refused("GET", "/v1/items/33333333-3333-4333-8333-333333333333", 404, "item-not-found")


@pytest.mark.parametrize("after", ["nonsense", "e30", "WzFd", "%00"])
def test_a_cursor_that_is_not_ours_is_refused(product: Product, after: str):
    product.refused("GET", "/v1/items", 400, "invalid-cursor", query_string={"after": after})


@pytest.mark.parametrize("item_id", ["", "../webhooks", "a" * 200, "a b"])
def test_what_cannot_be_an_id_is_not_registered(product: Product, item_id: str):
    product.refused("POST", "/v1/items", 400, "invalid-request", json={"itemId": item_id})


def test_an_item_named_in_capitals_is_that_item(service: Service, product: Product):
    item_id = service.upstream.connect()
    service.upstream.take_events()

    product.post("/v1/items", {"itemId": item_id.upper()})
    service.work_until_quiet()

    assert [row.id for row in service.rows(items)] == [item_id]
    assert product.get(f"/v1/items/{item_id.upper()}")["id"] == item_id
    assert product.get("/v1/actions", itemId=item_id.upper())["results"] == []


@pytest.mark.parametrize(
    "item_id", ["nobody", "..", "11111111-1111-4111-8111-11111111111", "1111111114111811111111111111"]
)
def test_what_is_no_uuid_is_the_id_of_no_item(product: Product, item_id: str):
    product.refused("GET", f"/v1/items/{item_id}", 400, "invalid-request")
    product.refused("POST", "/v1/items", 400, "invalid-request", json={"itemId": item_id})
    product.refused("GET", "/v1/actions", 400, "invalid-request", query_string={"itemId": item_id})


def test_a_line_end_is_no_part_of_an_id(product: Product):
    item_id = "11111111-1111-4111-8111-111111111111"

    product.refused("GET", f"/v1/items/{item_id}%0A", 400, "invalid-request")
    product.refused("POST", "/v1/items", 400, "invalid-request", json={"itemId": f"{item_id}\n"})
    product.refused("GET", f"/v1/items/{item_id}/transactions/sync?cursor=0%0A", 400, "invalid-cursor")
