"""Promise 11: what grows with time has a stated life; mirror, tombstones and counts stay right without it."""

import dataclasses
from datetime import timedelta

import pytest
import sqlalchemy as sa

from pluggy_sync.engine import pruning
from pluggy_sync.store import pruning as stored
from pluggy_sync.store import tables
from tests.webhook_app.product import Product

# Every other table, with the reason why it does not grow with time.
KEPT = {
    "the mirror": {
        *("accounts", "bills", "categories", "consents", "identities", "investment_transactions", "investments"),
        *("items", "loans", "transactions", "connectors"),
    },
    "tombstones": {"tombstones", "erasure_tombstones"},
    "a receipt for each erased person, and a row of each of their Items": {"erasures", "erasure_items"},
    "a few keys of this service": {"sealed_keys"},
    "a row or a few of each Item as it is now": {
        *("data_product_watermarks", "incomplete_parts", "item_progress", "shared_resources", "unreadable_rows"),
    },
    "counts": {"counters", "item_counts", "freshness_counts"},
    "sixty days of counts": {"freshness_days"},
    "a row of each endpoint; a deleted one goes": {"endpoints"},
    "which Item follows which, a row of each account and transaction of such": {
        *("account_links", "item_links", "predecessor_searches", "transaction_links"),
    },
    "incidents of banks as they are told of now; Items until their product is told": {"bank_incidents", "bank_returns"},
    "a row of each application, and ids until a comparison ends": {"item_list_checks", "listed_items"},
    "a row of each tier": {"pruning"},
    "one row: since when history is whole": {"history_begins"},
    "a row of each task of beat": {"schedule"},
    "the watchdog removes those that are over": {"alerts", "event_counts"},
    "a row of each token": {"api_tokens"},
    "goes with its notification": {"deliveries", "notification_stream"},
    "old rows of an Item become one": {"change_stream"},
}


def test_every_table_is_removed_by_age_or_does_not_grow_with_time():
    kept = [name for names in KEPT.values() for name in names]

    assert sorted({*stored.tables_of_tiers(), *kept}) == sorted(tables.metadata.tables)
    assert not stored.tables_of_tiers() & set(kept)


def of_pluggy(row):
    """Return the row without what is not Pluggy's: which row it takes the place of."""
    return {name: value for name, value in row.items() if not name.startswith("replace")}


class Consumer:
    """Reads the change feed of all Items on, and keeps the rows that it is told of."""

    def __init__(self, web):
        self.rows = {}
        self._product = Product(web)
        self._cursor = {}

    def catch_up(self):
        more = True
        while more:
            page = self._product.get("/v1/transactions/sync", limit=500, **self._cursor)
            self.rows.update({row["id"]: of_pluggy(row) for row in page["added"] + page["modified"]})
            for row in page["removed"]:
                self.rows.pop(row["id"], None)
            self._cursor, more = {"cursor": page["nextCursor"]}, page["hasMore"]


def truth_of(service, item_id):
    return {row["id"]: {**row, "itemId": item_id} for row in service.upstream.truth(item_id)["transactions"]}


@pytest.fixture
def count(service):
    def count(table):
        return len(service.rows(table))

    return count


def test_after_years_only_the_mirror_the_tombstones_and_the_counts_are_left(service, web, clock, count):
    item_id = service.upstream.connect(products=None)
    service.catch_up()
    consumer = Consumer(web)
    consumer.catch_up()
    for _ in range(3):
        service.upstream.later(days=2)
        clock.advance(days=2)
        service.upstream.evolve(item_id, {"kind": "add", "count": 3}, "edit", "remove")
        service.upstream.run(item_id)
        service.catch_up()
    before = {name: service.rows(tables.metadata.tables[name]) for name in KEPT["the mirror"] | KEPT["tombstones"]}
    assert before["tombstones"]
    runs, events = count(tables.sync_runs), count(tables.inbox)
    assert runs >= 4

    clock.advance(days=2 * 365)
    removed = pruning.prune(service.res)

    assert removed["sync_runs"] == runs
    assert removed["events"] == events
    for table in (tables.inbox, tables.sync_runs, tables.balances, tables.delivery_attempts, tables.submissions):
        assert count(table) == 0, table.name
    for name, rows in before.items():
        assert service.rows(tables.metadata.tables[name]) == rows, name
    consumer.catch_up()
    assert consumer.rows == truth_of(service, item_id)
    anew = Consumer(web)
    anew.catch_up()
    assert anew.rows == truth_of(service, item_id)


def test_a_service_whose_old_was_removed_goes_on_as_before(service, web, clock):
    item_id = service.upstream.connect(products=None)
    service.catch_up()
    consumer = Consumer(web)
    consumer.catch_up()
    # As if years had passed for what is stored alone.
    years_later = clock() + timedelta(days=2 * 365)
    removed = pruning.prune(dataclasses.replace(service.res, now=lambda: years_later))
    assert {"events", "sync_runs", "balances"} <= removed.keys()

    service.upstream.later(days=2)
    clock.advance(days=2)
    service.upstream.evolve(item_id, {"kind": "add", "count": 3}, "edit", "remove")
    service.upstream.run(item_id)
    service.catch_up()

    service.assert_mirrors(item_id)
    consumer.catch_up()
    assert consumer.rows == truth_of(service, item_id)
    [item] = service.rows(tables.items)
    assert item.change_seq == max(service.rows(tables.changes), key=lambda change: change.seq).seq


def test_counts_do_not_fall_when_what_they_count_is_removed(service, clock):
    with service.res.database.begin() as conn:
        conn.execute(sa.insert(tables.counters).values(name="rows_repaired", value=7))
    service.upstream.connect()
    service.catch_up()
    clock.advance(days=2 * 365)

    pruning.prune(service.res)

    with service.res.database.begin() as conn:
        assert conn.scalar(sa.select(tables.counters.c.value).where(tables.counters.c.name == "rows_repaired")) == 7
