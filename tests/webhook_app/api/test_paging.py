"""Cursors: whatever is no cursor of the list is 400."""

import base64
import json

import pytest

from tests.webhook_app.product import Product

ITEM = "11111111-1111-4111-8111-111111111111"
LISTS = [
    "/v1/items",
    "/v1/actions",
    f"/v1/items/{ITEM}/accounts",
    f"/v1/items/{ITEM}/products/bills",
    f"/v1/items/{ITEM}/sync-runs",
    "/v1/accounts/a/transactions",
]


def a_cursor(value) -> str:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "é",
        "====",
        "\n",
        a_cursor(b"\xff\xfe"),
        a_cursor(b"[" * 500),
        a_cursor(None),
        a_cursor({}),
        a_cursor([]),
        a_cursor([None]),
        a_cursor([5]),
        a_cursor([[]]),
        a_cursor([None, None]),
        a_cursor([5, 5]),
        a_cursor([{}, []]),
        a_cursor(["yesterday", "x"]),
        a_cursor(["2026-01-01T00:00:00Z", 5]),
        a_cursor(["2026-01-01T00:00:00Z", None]),
        a_cursor(["0001-01-01T00:00:00+14:00", "x"]),
        a_cursor(["9999-12-31T23:59:59-03:00", "x"]),
        a_cursor(["2026-01-01", "x", "y"]),
        a_cursor([1e300, "x"]),
    ],
)
def test_what_is_no_cursor_of_the_list_is_400(product: Product, path: str, cursor: str):
    problem = product.refused("GET", path, 400, "invalid-cursor", query_string={"after": cursor})

    assert cursor not in problem["detail"]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("position", [["x"], ["2026-01-01T00:00:00Z", "x"], ["2026-01-01", ITEM], [f"x{chr(0)}"]])
def test_a_position_that_no_row_has_does_no_harm(product: Product, path: str, position):
    answer = product.call("GET", path, query_string={"after": a_cursor(position)})

    assert answer.status_code in (200, 400, 404)
