"""Cursors: whatever is no cursor of the list is 400."""

import base64
import json
import re

import pytest

from tests.webhook_app.product import Product

ITEM = "11111111-1111-4111-8111-111111111111"
LISTS = [
    "/v1/items",
    "/v1/actions",
    f"/v1/items/{ITEM}/accounts",
    f"/v1/items/{ITEM}/products/bills",
    f"/v1/items/{ITEM}/sync-runs",
    f"/v1/items/{ITEM}/timeline",
    "/v1/accounts/a/transactions",
    "/v1/notifications",
    "/v1/endpoints",
    "/v1/endpoints/ep_environment/attempts",
]
FEEDS = [f"/v1/items/{ITEM}/transactions/sync", "/v1/transactions/sync"]


def a_cursor(value) -> str:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    "cursor",
    [
        "",
        " ",
        "x",
        "x" * 1001,
        "é",
        "====",
        "\n",
        a_cursor(b"\xff\xfe"),
        a_cursor(b"[" * 500),
        a_cursor(None),
        a_cursor({}),
        a_cursor([]),
        a_cursor([None]),
        a_cursor([-5]),
        a_cursor([[]]),
        a_cursor([None, None]),
        a_cursor([5, 5]),
        a_cursor([{}, []]),
        a_cursor(["yesterday", "x"]),
        a_cursor(["2026-01-01T00:00:00Z", 5]),
        a_cursor(["2026-01-01T00:00:00Z", None]),
        a_cursor(["0001-01-01T00:00:00+14:00", "x"]),
        a_cursor(["9999-12-31T23:59:59-03:00", "x"]),
        a_cursor(["2026-01-01", "x", "y", "z"]),
        a_cursor([1e300, "x"]),
    ],
)
def test_what_is_no_cursor_of_the_list_is_400(product: Product, path: str, cursor: str):
    problem = product.refused("GET", path, 400, "invalid-cursor", query_string={"after": cursor})

    assert not cursor.strip() or cursor not in problem["detail"]


@pytest.mark.parametrize("path", FEEDS)
@pytest.mark.parametrize(
    "cursor", ["", " ", "x", "-1", "+1", "1.", ".1", "1.2.3", "1,2", "²", "1" * 19, f"{'1' * 19}.1", "0\n", "0.0\0"]
)
def test_what_is_no_cursor_of_a_feed_is_400(product: Product, path: str, cursor: str):
    product.refused("GET", path, 400, "invalid-cursor", query_string={"cursor": cursor})


@pytest.mark.parametrize("feed, other", [(FEEDS[0], "1.1"), (FEEDS[1], "1")])
def test_a_cursor_of_another_feed_is_400(product: Product, feed: str, other: str):
    product.refused("GET", feed, 400, "invalid-cursor", query_string={"cursor": other})


def test_every_operation_that_takes_a_cursor_is_tried_here(product: Product):
    paths = product.get("/v1/openapi.json")["paths"]
    taking = {
        path
        for path, operations in paths.items()
        for parameter in operations.get("get", {}).get("parameters", ())
        if parameter.get("name") in ("after", "cursor")
    }

    shapes = {re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path)) for path in taking}
    assert len(shapes) == len(LISTS) + len(FEEDS)
    assert [path for path in (*LISTS, *FEEDS) if not any(shape.fullmatch(path) for shape in shapes)] == []


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("position", [["x"], ["2026-01-01T00:00:00Z", "x"], ["2026-01-01", ITEM], [f"x{chr(0)}"]])
def test_a_position_that_no_row_has_does_no_harm(product: Product, path: str, position):
    answer = product.call("GET", path, query_string={"after": a_cursor(position)})

    assert answer.status_code in (200, 400, 404)
