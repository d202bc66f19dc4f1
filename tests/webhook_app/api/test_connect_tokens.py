"""Tokens for the widget."""

import httpx
import pytest

from tests.kit.factories import an_id
from tests.kit.service import Service
from tests.webhook_app.product import Product


def test_a_token_for_a_new_item_carries_the_person(service: Service, product: Product):
    answer = product.post("/v1/connect-tokens", {"clientUserId": "user-88"}, status=200)

    assert answer["itemId"] is None
    body = {"connectorId": 2, "parameters": {"user": "user-ok", "password": "password-ok"}}
    created = httpx.post(
        f"{service.upstream.sandbox.url}/items",
        json=body,
        headers={"X-API-KEY": answer["accessToken"]},
        trust_env=False,
    )
    assert created.json()["clientUserId"] == "user-88"


def test_a_token_to_update_is_good_for_its_item_alone(service: Service, product: Product):
    mine, other = service.upstream.connect("user-bad"), service.upstream.connect("user-bad")
    service.catch_up()

    answer = product.post(f"/v1/items/{mine}/connect-token", {}, status=200)

    assert answer["itemId"] == mine
    with httpx.Client(
        base_url=service.upstream.sandbox.url, headers={"X-API-KEY": answer["accessToken"]}, trust_env=False
    ) as widget:
        assert widget.get(f"/items/{mine}").status_code == 200
        assert widget.get(f"/items/{other}").status_code == 403


@pytest.mark.parametrize("body", [{}, {"clientUserId": ""}, {"clientUserId": "x", "itemId": "y"}])
def test_a_token_for_a_new_item_needs_the_person(product: Product, body):
    product.refused("POST", "/v1/connect-tokens", 400, "invalid-request", json=body)


def test_there_is_no_token_for_an_item_that_is_not_there(service: Service, product: Product):
    product.refused("POST", f"/v1/items/{an_id()}/connect-token", 404, "item-not-found", json={})
    item_id = service.upstream.connect()
    service.catch_up()
    service.upstream.delete(item_id)

    product.refused("POST", f"/v1/items/{item_id}/connect-token", 410, "item-gone-at-pluggy", json={})
