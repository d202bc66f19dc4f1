"""The change feed: a consumer that applies the pages in order ends with exactly the mirror."""

import csv
import io
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from tests.kit.service import Service
from tests.webhook_app.product import Product

HINT = ("replaces", "replacesRule")


class Consumer:
    """Applies the pages of one Item's feed, and keeps the cursor."""

    def __init__(self, product: Product, item_id: str, cursor: str | None = None) -> None:
        self._product = product
        self._path = f"/v1/items/{item_id}/transactions/sync"
        self.cursor = cursor
        self.rows: dict[str, Any] = {}

    def read(self, limit: int) -> bool:
        """Apply one page; return whether there are more."""
        query = {} if self.cursor is None else {"cursor": self.cursor}
        page = self._product.get(self._path, limit=limit, **query)
        for row in page["added"] + page["modified"]:
            # What is ours is no part of the truth.
            self.rows[row["id"]] = {name: value for name, value in row.items() if name not in HINT}
        for row in page["removed"]:
            self.rows.pop(row["id"], None)
        self.cursor = page["nextCursor"]
        return page["hasMore"]

    def catch_up(self, limit: int) -> None:
        """Apply all pages there are."""
        while self.read(limit):
            pass


def truth_of(service: Service, item_id: str) -> dict[str, Any]:
    return {row["id"]: row for row in service.upstream.truth(item_id)["transactions"]}


def change_much(service: Service, item_id: str) -> None:
    service.upstream.later(days=2)
    changes = [
        {"kind": "add", "count": 3},
        "pending",
        "post_new_id",
        "edit",
        "remove",
        {"kind": "backdate", "days": 20},
    ]
    service.upstream.evolve(item_id, *changes)
    service.upstream.run(item_id)
    service.catch_up()


@pytest.mark.parametrize("limit", [7, 100, 500])
def test_a_consumer_ends_with_exactly_the_mirror(service: Service, product: Product, limit: int):
    item_id = service.upstream.connect()
    service.catch_up()
    consumer = Consumer(product, item_id)
    consumer.catch_up(500)
    assert consumer.rows == truth_of(service, item_id)

    change_much(service, item_id)
    consumer.read(limit)
    change_much(service, item_id)
    consumer.catch_up(limit)

    assert consumer.rows == truth_of(service, item_id)


def test_a_consumer_that_starts_late_or_repeats_pages_ends_with_the_mirror_too(service: Service, product: Product):
    item_id = service.upstream.connect()
    service.catch_up()
    change_much(service, item_id)
    change_much(service, item_id)

    late = Consumer(product, item_id)
    while late.read(400):
        cursor = late.cursor
        late.read(3)
        late.cursor = cursor

    assert late.rows == truth_of(service, item_id)


def test_the_cursor_of_the_notification_shows_what_the_run_changed(service: Service, product: Product):
    item_id = service.upstream.connect()
    service.catch_up()
    change_much(service, item_id)

    run = product.get(f"/v1/items/{item_id}/sync-runs")["results"][0]
    page = product.get(f"/v1/items/{item_id}/transactions/sync", cursor=run["cursor"], limit=500)

    assert (len(page["added"]), len(page["modified"]), len(page["removed"])) == (
        run["added"],
        run["modified"],
        run["removed"],
    )
    assert page["hasMore"] is False


def test_amounts_are_exact(service: Service, product: Product):
    item_id = service.upstream.connect()
    service.catch_up()
    consumer = Consumer(product, item_id)
    consumer.catch_up(500)

    truth = {row["id"]: row["amount"] for row in service.upstream.truth(item_id)["transactions"]}
    four_decimals = {each for each, amount in truth.items() if Decimal(amount).as_tuple().exponent == -4}
    assert four_decimals
    assert {each: consumer.rows[each]["amount"] for each in four_decimals} == {
        each: truth[each] for each in four_decimals
    }


def test_without_news_the_cursor_stands_still(service: Service, product: Product):
    item_id = service.upstream.connect()
    service.catch_up()
    consumer = Consumer(product, item_id)
    consumer.catch_up(500)

    page = product.get(f"/v1/items/{item_id}/transactions/sync", cursor=consumer.cursor)

    assert page == {"added": [], "modified": [], "removed": [], "nextCursor": consumer.cursor, "hasMore": False}


def test_a_cursor_beyond_the_feed_is_refused(service: Service, product: Product):
    item_id = service.upstream.connect()
    service.catch_up()

    path = f"/v1/items/{item_id}/transactions/sync"
    product.refused("GET", path, 400, "invalid-cursor", query_string={"cursor": "99999999"})


def test_a_posted_row_names_the_pending_one_that_it_replaces_wherever_it_is_shown(
    service: Service, product: Product, database_url: str
) -> None:
    item_id = service.upstream.connect()
    service.catch_up()
    cursor = str(service.item(item_id).change_seq)
    done = service.upstream.evolve(item_id, "post_new_id")
    service.upstream.run(item_id)
    service.catch_up()
    (old,), (new,) = done["removed"], done["added"]
    hint = {"replaces": old, "replacesRule": "amount_and_date"}

    page = product.get(f"/v1/items/{item_id}/transactions/sync", cursor=cursor)
    of_all = product.get("/v1/transactions/sync", limit=500)
    assert not of_all["hasMore"]
    account = next(row["accountId"] for row in page["added"] if row["id"] == new)
    path = f"/v1/accounts/{account}/transactions"
    listed = {row["id"]: row for row in product.all_pages(path)}
    cells = product.call("GET", path, headers={"Accept": "text/csv"}).get_data(as_text=True)
    with psycopg.connect(database_url) as conn:
        viewed = conn.execute("SELECT replaces, replaces_rule FROM mirror.transactions WHERE id = %s", [new]).fetchall()

    shown = [
        *(next(row for row in each["added"] if row["id"] == new) for each in (page, of_all)),
        listed[new],
        next(row for row in csv.DictReader(io.StringIO(cells)) if row["id"] == new),
    ]
    assert [{name: row[name] for name in hint} for row in shown] == [hint] * len(shown)
    assert viewed == [tuple(hint.values())]
    assert old in {row["id"] for row in page["removed"]}
    assert [row["id"] for row in listed.values() if "replaces" in row] == [new]
