"""Deleting an Item because the product asks."""

from pluggy_sync.store.tables import accounts, changes, inbox, outbox, transactions, user_actions
from tests.kit.factories import an_id
from tests.kit.service import Service
from tests.webhook_app.product import Product


def test_a_deleted_item_is_gone_at_pluggy_and_here(service: Service, product: Product):
    item_id = service.upstream.connect()
    service.catch_up()

    response = product.call("DELETE", f"/v1/items/{item_id}")

    assert response.status_code == 202
    assert response.get_json()["freshness"]["state"] == "deleted"
    assert [service.rows(table) for table in (accounts, transactions, changes, user_actions)] == [[]] * 4
    service.catch_up()
    assert "item/deleted" in {event.name for event in service.events()}
    assert service.notifications() == ["item.deleted"]
    everything = [str(row) for table in (inbox, outbox) for row in service.rows(table) if row.item_id == item_id]
    assert "user-42" not in "".join(row for row in everything if "item.deleted" not in row)


def test_deleting_twice_is_harmless(service: Service, product: Product):
    item_id = service.upstream.connect()
    service.catch_up()

    for _ in range(2):
        assert product.call("DELETE", f"/v1/items/{item_id}").status_code == 202

    assert service.notifications() == ["item.deleted"]


def test_an_item_that_is_gone_at_pluggy_already_is_purged(service: Service, product: Product):
    item_id = service.upstream.connect()
    service.catch_up()
    service.upstream.delete(item_id)

    assert product.call("DELETE", f"/v1/items/{item_id}").status_code == 202

    assert service.rows(transactions) == []


def test_without_pluggy_nothing_is_deleted(service: Service, product: Product):
    item_id = service.upstream.connect(products=None)
    service.catch_up()
    service.upstream.fail({"endpoint": "DELETE /items/{id}", "do": "status", "status": 500})

    product.refused("DELETE", f"/v1/items/{item_id}", 503, "pluggy-unavailable")

    assert product.get(f"/v1/items/{item_id}")["freshness"]["state"] == "fresh"
    service.assert_mirrors(item_id)


def test_an_unknown_item_is_not_found(product: Product):
    product.refused("DELETE", f"/v1/items/{an_id()}", 404, "item-not-found")
