"""Fields of Pluggy's objects: what a bank sends of another type than described is null."""

from decimal import Decimal

import pytest

from pluggy_sync.pluggy import payloads
from pluggy_sync.store import accounts, items, transactions
from tests.kit.factories import NOON, a_raw_account, a_transaction
from tests.webhook_app.product import Product
from webhook_app.api.pluggy_objects import ACCOUNT, ITEM, TRANSACTION, component, fit, fitted

ODD = ["text", 5, Decimal("1.5"), True, [], {}, ["a", 5], {"name": 5}]


@pytest.mark.parametrize("value", ["", "text", 0, -1, Decimal("1.50"), True, False, {}, {"a": 1}, [], None])
def test_a_value_of_the_type_that_is_described_is_given_as_it_came(value):
    kinds = {str: "string", int: "number", Decimal: "number", bool: "boolean", dict: "object", list: "array"}
    schema = {"type": [kinds.get(type(value), "string"), "null"], "items": {}}

    assert fitted(value, schema) == value


@pytest.mark.parametrize("kind", ["string", "number", "boolean", "object", "array"])
@pytest.mark.parametrize("value", ODD, ids=repr)
def test_a_value_of_another_type_is_null(kind, value):
    fits = {"string": str, "number": (int, Decimal), "boolean": bool, "object": dict, "array": list}[kind]
    schema = {"type": [kind, "null"], "items": {}}

    expected = value if isinstance(value, fits) and not (kind == "number" and isinstance(value, bool)) else None

    assert fitted(value, schema) == expected


def test_only_the_part_that_is_odd_is_null_and_what_is_not_described_stays():
    transaction = {"merchant": {"name": 5, "cnpj": "1", "new": [1]}, "unheard": 7, "createdAt": "soon", "type": "DEBIT"}

    fit(transaction, TRANSACTION)

    assert transaction == {
        "merchant": {"name": None, "cnpj": "1", "new": [1]},
        "unheard": 7,
        "createdAt": None,
        "type": "DEBIT",
    }


def test_a_list_loses_what_is_no_row_of_it():
    connector = {"credentials": [{"name": "user", "options": "none"}, "odd", None]}

    assert fitted(connector, component("Connector")) == {"credentials": [{"name": "user", "options": None}]}


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_whatever_a_bank_sends_the_answer_is_what_the_document_describes(resources, product: Product, odd):
    """The answers are compared with the document as in every test."""
    item_id, account_id = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
    given = {"id": account_id, "itemId": item_id}
    account = payloads.account(
        {**a_raw_account(), **dict.fromkeys(["balance", "type", "currencyCode", *ACCOUNT], odd), **given}
    )
    row = a_transaction(**dict.fromkeys(["amount", *TRANSACTION], odd))
    raw = {
        **dict.fromkeys(["clientUserId", "connector", "products", "lastUpdatedAt", *ITEM], odd),
        "id": item_id,
        "status": "UPDATED",
    }
    with resources.database.begin() as conn:
        items.lock(conn, item_id, now=NOON)
        items.save(conn, payloads.item(raw), application="ours", now=NOON)
        accounts.save(conn, item_id, [account], now=NOON)
        transactions.merge(conn, item_id, [row], began_at=NOON, now=NOON)

    assert len(product.get(f"/v1/items/{item_id}/accounts")["results"]) == 1
    assert len(product.get(f"/v1/accounts/{account_id}/transactions")["results"]) == 1
    assert len(product.get(f"/v1/items/{item_id}/transactions/sync")["added"]) == 1
    assert product.get(f"/v1/items/{item_id}")["id"] == item_id
