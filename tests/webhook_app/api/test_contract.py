"""The schemas against the examples of the contract that products build on: names may be added, none lost."""

from typing import Any

import marshmallow as ma

from tests.kit.service import Service
from tests.webhook_app.product import Product
from webhook_app.api.actions import ActionSchema
from webhook_app.api.item_view import ItemSchema

ITEM: dict[str, Any] = {
    "id": "11111111-1111-4111-8111-111111111111",
    "clientUserId": "user-42",
    "status": "UPDATED",
    "executionStatus": "PARTIAL_SUCCESS",
    "connector": {
        "id": 2,
        "name": "Pluggy Bank",
        "imageUrl": "https://example.com/bank.svg",
        "health": {"status": "ONLINE"},
    },
    "lastUpdatedAt": "2026-03-10T15:00:00.000Z",
    "nextAutoSyncAt": None,
    "consentExpiresAt": None,
    "freshness": {"state": "fresh", "since": "2026-03-10T15:00:00.000Z", "reason": None},
    "syncedThrough": "2026-03-10T15:00:00.000Z",
    "openActions": ["act_1"],
    "products": {"transactions": {"isUpdated": True, "lastUpdatedAt": "2026-03-10T15:00:00.000Z", "warnings": []}},
    # Added to the contract.
    "replacedBy": None,
}
ITEM["products"]["transactions"]["sharing"] = None

ACTION: dict[str, Any] = {
    "id": "act_1",
    "itemId": "11111111-1111-4111-8111-111111111111",
    "clientUserId": "user-42",
    "kind": "mfa",
    "reason": "WAITING_USER_INPUT",
    "state": "open",
    "text": {"pt": {"title": "t", "body": "b"}, "en": {"title": "t", "body": "b"}},
    "providerMessage": None,
    "parameter": {"name": "token", "type": "number", "label": "Token", "options": None, "data": None},
    "expiresAt": "2026-03-10T15:02:00.000Z",
    "pageUrl": "https://sync.example.com/act/token",
    "createdAt": "2026-03-10T15:00:00.000Z",
    "settledAt": None,
    "outcome": None,
}


def required(schema: ma.Schema) -> set[str]:
    return {name for name, field in schema.fields.items() if field.required}


def assert_has_shape(answer: Any, example: Any, where: str = "") -> None:
    """Check that *answer* has every name of *example*, at every level that both have."""
    assert isinstance(answer, dict), where
    for name, each in example.items():
        assert name in answer, f"{where}.{name}"
        if isinstance(each, dict) and answer[name] is not None and name != "products":
            assert_has_shape(answer[name], each, f"{where}.{name}")


def test_the_example_item_is_what_the_schema_describes():
    schema = ItemSchema()

    assert schema.validate(ITEM) == {}
    assert required(schema) == ITEM.keys()


def test_the_example_action_is_what_the_schema_describes():
    schema = ActionSchema()

    assert schema.validate(ACTION) == {}
    assert required(schema) == ACTION.keys()


def test_real_answers_have_every_name_of_the_examples(service: Service, product: Product):
    service.upstream.connect(connector=5)
    item_id = service.upstream.connect("user-ok-account-error")
    service.catch_up()
    (action,) = product.get("/v1/actions")["results"]
    item = product.get(f"/v1/items/{item_id}")

    assert_has_shape(action, ACTION)
    assert_has_shape(item, ITEM)
    assert_has_shape(item["products"]["transactions"], ITEM["products"]["transactions"])
    assert ActionSchema().validate(action) == {}
    assert ItemSchema().validate(item) == {}
