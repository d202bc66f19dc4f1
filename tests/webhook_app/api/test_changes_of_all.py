"""The change feed of all Items: a consumer that applies its pages in order ends with every Item's mirror."""

from typing import Any

import pytest

from tests.kit.service import Service
from tests.webhook_app.product import Product

PATH = "/v1/transactions/sync"
OURS = {"replaces", "replacesRule"}


class Consumer:
    """Applies the pages of the feed, and keeps the cursor."""

    def __init__(self, product: Product) -> None:
        self._product = product
        self.cursor: str | None = None
        self.rows: dict[str, Any] = {}

    def catch_up(self, limit: int) -> None:
        """Apply all pages there are."""
        more = True
        while more:
            query = {} if self.cursor is None else {"cursor": self.cursor}
            page = self._product.get(PATH, limit=limit, **query)
            for row in page["added"] + page["modified"]:
                # What is ours is not in the truth.
                self.rows[row["id"]] = {name: each for name, each in row.items() if name not in OURS}
            for row in page["removed"]:
                assert {"id", "accountId", "itemId"} == row.keys()
                self.rows.pop(row["id"], None)
            self.cursor, more = page["nextCursor"], page["hasMore"]


def truth_of(service: Service, *item_ids: str) -> dict[str, Any]:
    return {
        row["id"]: {**row, "itemId": item_id}
        for item_id in item_ids
        for row in service.upstream.truth(item_id)["transactions"]
    }


@pytest.mark.parametrize("limit", [11, 500])
def test_a_consumer_ends_with_every_mirror_also_when_it_reads_on_later(service: Service, product: Product, limit: int):
    consumer = Consumer(product)
    items = [service.upstream.connect() for _ in range(2)]
    service.catch_up()
    consumer.catch_up(limit)
    assert consumer.rows == truth_of(service, *items)
    at_first = consumer.cursor

    service.upstream.later(days=2)
    for each in items:
        service.upstream.evolve(each, {"kind": "add", "count": 3}, "pending", "post_new_id", "edit", "remove")
        service.upstream.run(each)
    service.catch_up()
    consumer.catch_up(limit)

    assert consumer.rows == truth_of(service, *items)
    # From an older cursor too: pages may be applied again.
    consumer.cursor = at_first
    consumer.catch_up(limit)
    assert consumer.rows == truth_of(service, *items)


def test_a_cursor_beyond_the_end_is_refused(product: Product):
    product.refused("GET", PATH, 400, "invalid-cursor", query_string={"cursor": "999999999.0"})
