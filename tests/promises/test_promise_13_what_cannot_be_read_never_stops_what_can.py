"""
Promise 13: what cannot be read never stops what can.

Every field of every object that Pluggy sends is replaced by each of a set of odd values. The object is stored, or, only
if the field is one of the few that are needed, kept raw. Its neighbours are stored in any case.
"""

import json
import random
import string
from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from pluggy_sync import wire
from pluggy_sync.engine import reconciliation
from pluggy_sync.store.tables import (
    accounts,
    bills,
    categories,
    connectors,
    consents,
    inbox,
    investment_transactions,
    investments,
    items,
    loans,
    tombstones,
    transactions,
)
from pluggy_sync.store.tables import unreadable_rows as unreadable_table
from tests.kit.factories import API_TOKEN, a_settings, an_event, an_id
from tests.kit.odd_values import every_odd, with_odd
from tests.kit.proxy import running_proxy
from tests.kit.scripted_server import Reply

API = {"Authorization": f"Bearer {API_TOKEN}"}


@pytest.fixture
def proxy(sandbox):
    with running_proxy(sandbox.url) as running:
        yield running


@pytest.fixture
def settings(database_url, valkey, sandbox, proxy):
    return a_settings(
        DATABASE_URL=database_url,
        REDIS_URL=valkey.url,
        PLUGGY_API_URL=proxy.url,
        PLUGGY_CLIENT_ID=sandbox.client_id,
        PLUGGY_CLIENT_SECRET=sandbox.client_secret,
        PLUGGY_REQUESTS_PER_MINUTE="100000",
    )


def page_of(rows):
    """Return a page of *rows*, JSON."""
    return b'{"page":1,"totalPages":1,"next":null,"results":[' + b",".join(rows) + b"]}"


CONSENT = {
    "id": "b9f0b7ea-0b1a-4d5c-9d4f-0f6b5a0e8f11",
    "itemId": "11111111-1111-4111-8111-111111111111",
    "products": ["ACCOUNTS", "TRANSACTIONS"],
    "openFinancePermissionsGranted": ["ACCOUNTS_READ"],
    "createdAt": "2026-03-01T10:00:00.000Z",
    "expiresAt": "2027-03-01T10:00:00.000Z",
    "revokedAt": None,
}

# Address of the list, its table, and what a row needs.
LISTS = {
    "accounts": ("/accounts", accounts, {"id", "itemId"}),
    "transactions": ("/v2/transactions", transactions, {"id", "accountId", "date"}),
    "bills": ("/bills", bills, {"id"}),
    "investments": ("/investments", investments, {"id"}),
    "movements": ("/investments/{id}/transactions", investment_transactions, {"id"}),
    "loans": ("/loans", loans, {"id"}),
    "consents": ("/consents", consents, {"id"}),
}
# A row that names another owner than the one it was asked of is not taken.
OWNERS = {("itemId",), ("accountId",)}


class OddList:
    """Answers the first list of a kind that has rows with these and with every odd variant of the first of them."""

    def __init__(self, kind, item_id):
        self.kind, self.item_id = kind, item_id
        self.address, self.table, self.needed = LISTS[kind]
        self.asked = None
        # Path of the odd field, and the row, as JSON.
        self.odd = []
        self.neighbours = []
        self.odd_ids = set()

    def change(self, asked, answer):
        if asked.path == f"/items/{self.item_id}":
            # Only what is tried: a consent is asked for, and odd investments are not asked for their movements.
            answer["connector"]["isOpenFinance"] = self.kind == "consents"
            products = answer["products"]
            answer["products"] = [
                each for each in products if self.kind == "movements" or "TRANSACTIONS" not in each[3:]
            ]
            return answer
        if not self._is_it(asked):
            return None
        rows = [CONSENT] if self.kind == "consents" else answer["results"]
        if self.asked is None and rows:
            self.asked = asked
            self.neighbours = [wire.encode(row) for row in rows]
            # Each odd account is asked for its rows, so there are fewer of them.
            pairs = every_odd(rows[0], one_in=7 if self.kind == "accounts" else 1)
            self.odd = [(path, with_odd({**rows[0], "id": an_id()}, path, odd)) for path, odd in pairs]
            ids = [wire.decode(row).get("id") for _, row in self.odd]
            self.odd_ids = {each for each in ids if isinstance(each, str)}
        if self.asked is None or (asked.path, asked.query) != (self.asked.path, self.asked.query):
            return None
        return page_of([*(row for _, row in self.odd), *self.neighbours])

    def _is_it(self, asked):
        if self.kind == "movements":
            return asked.path.startswith("/investments/") and asked.path.endswith("/transactions")
        return asked.path == self.address

    def before(self, asked):
        """Answer that an odd account has no rows: the sandbox knows none of them."""
        return Reply({"results": [], "next": None}) if asked.query.get("accountId") in self.odd_ids else None

    def may_lack(self, path):
        """Return whether a row with an odd value at *path* may not be stored."""
        return len(path) == 1 and path[0] in self.needed


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_with_every_odd_field_is_stored_but_for_the_rows_that_lack_what_is_needed(
    service, upstream, proxy, kind
):
    item_id = upstream.connect(products=None)
    listed = OddList(kind, item_id)
    proxy.change, proxy.before = listed.change, listed.before

    service.deliver(*upstream.take_events())
    service.work()

    assert len(listed.odd) > 15
    stored = [row.raw for row in service.rows(listed.table)]
    kept = [row.raw for row in service.rows(unreadable_table)]
    for row in map(wire.decode, listed.neighbours):
        assert row in stored
    for path, row in listed.odd:
        raw = wire.decode(row)
        if not listed.may_lack(path):
            assert raw in stored, (path, row[:300])
        elif path not in OWNERS or not isinstance(raw[path[0]], str):
            assert (raw in stored) != (raw in kept), (path, row[:300])
    assert kept
    assert {run.outcome for run in service.runs()} == {"done"}
    assert_the_api_answers(service, item_id)


def assert_the_api_answers(service, item_id):
    """Every list of `/v1` that has the Item's data is read to its end."""
    addresses = ["accounts", "transactions/sync", *(f"products/{name}" for name in PRODUCTS)]
    for address in (f"/v1/items/{item_id}", *(f"/v1/items/{item_id}/{each}" for each in addresses)):
        response = service.web.get(
            address, query_string={} if address.endswith(item_id) else {"limit": 500}, headers=API
        )
        assert response.status_code == 200, (address, response.get_data(as_text=True))
    for account in service.rows(accounts):
        assert service.web.get(f"/v1/accounts/{account.id}/transactions", headers=API).status_code in (200, 404)


PRODUCTS = ["bills", "investments", "investment-transactions", "identity", "loans", "consents"]


def test_an_item_with_any_odd_field_is_stored_and_shown(service, upstream, proxy):
    item_id = upstream.connect()
    service.catch_up()
    whole = upstream.truth(item_id)["item"]
    whole["statusDetail"] = {"loans": {"isUpdated": True, "lastUpdatedAt": None, "warnings": [{"code": "001"}]}}
    whole["error"] = {"code": "X", "message": "x", "providerMessage": "x"}
    whole["parameter"] = {"name": "token", "expiresAt": None}
    whole["userAction"] = {"type": "qr", "attributes": {"name": "x"}}
    changed = []
    proxy.change = lambda asked, _: changed[-1] if asked.path == f"/items/{item_id}" else None

    # Every field, and each time other values.
    for number, (path, odd) in enumerate(every_odd(whole, one_in=11)):
        # Each is newer than the one before.
        later = wire.to_text(wire.instant(whole["updatedAt"]) + timedelta(seconds=number))
        changed.append(with_odd({**whole, "updatedAt": later}, path, odd))
        event = an_event(itemId=item_id)
        service.deliver(event)
        service.work()

        (row,) = service.rows(inbox, inbox.c.event_id == event["eventId"])
        if path not in (("id",), ("status",)):
            assert (row.state, row.error) == ("handled", None), (path, odd[:50])
            assert service.item(item_id).raw == wire.decode(changed[-1]), (path, odd[:50])
        assert service.web.get(f"/v1/items/{item_id}", headers=API).status_code == 200, (path, odd[:50])
    assert len(changed) > 80


@pytest.mark.parametrize("field, odd", [("id", None), ("status", 5), ("status", "x" * 1_000)])
def test_an_item_that_cannot_be_read_is_kept_until_it_can(service, upstream, proxy, field, odd):
    item_id = upstream.connect()
    service.catch_up()
    before = service.item(item_id)
    proxy.change = lambda asked, item: {**item, field: odd} if asked.path == f"/items/{item_id}" else None
    upstream.later(days=1)
    upstream.run(item_id)
    service.deliver(*upstream.take_events())
    service.work()

    (kept,) = service.rows(unreadable_table)
    assert (kept.item_id, kept.what, kept.reason, kept.raw[field]) == (item_id, "item", f"item: {field}", odd)
    assert service.item(item_id).raw == before.raw

    proxy.change = None
    service.work_until_quiet()

    service.assert_mirrors(item_id)
    assert service.rows(unreadable_table) == []


def test_a_stored_row_whose_new_version_cannot_be_read_stays_until_it_can(service, upstream, proxy):
    """It is listed, so it is not absent: neither in the window nor when it is asked for by its id."""
    item_id = upstream.connect()
    service.catch_up()
    newest = max(service.rows(transactions), key=lambda row: row.date)

    def without_date(asked, answer):
        if asked.path != "/v2/transactions":
            return None
        rows = [{**row, "date": None} if row["id"] == newest.id else row for row in answer["results"]]
        return {**answer, "results": rows}

    proxy.change = without_date
    upstream.later(days=1)
    upstream.run(item_id)
    service.catch_up()

    (stored,) = service.rows(transactions, transactions.c.id == newest.id)
    assert stored.raw == newest.raw
    # The bank itself may have removed others as the day passed.
    assert service.rows(tombstones, tombstones.c.id == newest.id) == []
    (kept,) = service.rows(unreadable_table)
    assert (kept.what, kept.key, kept.parent_id) == ("transaction", newest.id, newest.account_id)

    proxy.change = None
    upstream.later(days=1)
    upstream.run(item_id)
    service.catch_up()

    service.assert_mirrors(item_id)
    assert service.rows(unreadable_table) == []


@pytest.mark.parametrize("address, table", [("/accounts", accounts), ("/investments", investments), ("/loans", loans)])
def test_a_list_with_a_row_that_cannot_be_read_marks_no_other_as_missing(service, upstream, proxy, address, table):
    """The row that cannot be read may be the one that seems to be missing."""
    item_id = upstream.connect(products=None)
    service.catch_up()

    def first_without_id(asked, answer):
        if asked.path != address:
            return None
        return {**answer, "results": [{**answer["results"][0], "id": None}, *answer["results"][1:]]}

    proxy.change = first_without_id
    upstream.later(days=1)
    upstream.run(item_id)
    service.catch_up()

    assert {row.missing_since for row in service.rows(table)} == {None}
    assert len(service.rows(unreadable_table)) == 1


@pytest.mark.parametrize("address", ["/accounts", "/investments", "/loans", "/bills", "/v2/transactions"])
def test_a_row_that_is_listed_twice_is_one(service, upstream, proxy, address):
    item_id = upstream.connect(products=None)

    def twice(asked, answer):
        return {**answer, "results": answer["results"] * 2} if asked.path == address else None

    proxy.change = twice

    service.catch_up()

    service.assert_mirrors(item_id)


@pytest.mark.parametrize(
    "sent, day",
    [
        ("2026-11-18", date(2026, 11, 18)),
        ("2026-11-18T00:00:00.000Z", date(2026, 11, 18)),
        ("2026-11-18T02:59:00Z", date(2026, 11, 17)),
    ],
)
def test_a_date_is_stored_as_the_day_that_it_means_and_as_it_was_sent(service, upstream, proxy, sent, day):
    fields = {
        "/bills": ["dueDate", "billClosingDate"],
        "/loans": ["dueDate"],
        "/investments": ["dueDate"],
        "/v2/transactions": ["date"],
    }

    def with_date(asked, answer):
        names = fields.get(asked.path, [])
        return (
            {**answer, "results": [{**row, **dict.fromkeys(names, sent)} for row in answer["results"]]}
            if names
            else None
        )

    proxy.change = with_date
    upstream.connect(products=None)
    service.catch_up()

    stored = {
        *((row.due_date, row.raw["dueDate"]) for table in (bills, loans, investments) for row in service.rows(table)),
        *((row.closing_date, row.raw["billClosingDate"]) for row in service.rows(bills)),
        *((row.day, row.raw["date"]) for row in service.rows(transactions)),
    }
    assert stored == {(day, sent)}
    assert {row.date for row in service.rows(transactions)} == {wire.instant(sent)}


def test_a_connector_of_a_large_number_is_known(service, upstream, proxy):
    number = 3_000_000_000
    item_id = upstream.connect()

    def renumbered(asked, item):
        return {**item, "connector": {**item["connector"], "id": number}} if asked.path == f"/items/{item_id}" else None

    proxy.change = renumbered
    service.catch_up()
    event = {"event": "connector/status_updated", "eventId": "e", "connectorId": number, "data": {"status": "OFFLINE"}}
    service.deliver(event)
    service.work()

    assert service.item(item_id).connector_id == number
    (row,) = service.rows(connectors, connectors.c.id == number)
    assert row.status == "OFFLINE"
    assert "connector.status_changed" in service.notifications()


def test_an_item_with_a_very_long_user_id_is_found_by_it(service, upstream, proxy):
    user = "".join(random.Random(1).choices(string.printable, k=20_000))
    item_id = upstream.connect()
    proxy.change = lambda asked, item: {**item, "clientUserId": user} if asked.path == f"/items/{item_id}" else None

    service.catch_up()

    service.assert_mirrors(item_id)
    with service.res.database.connect() as conn:
        conn.execute(sa.text("SET enable_seqscan = off"))
        plan = conn.execute(sa.text("EXPLAIN SELECT id FROM items WHERE client_user_id = 'x'")).scalars().all()
        found = conn.scalars(sa.select(items.c.id).where(items.c.client_user_id == user)).all()
    assert found == [item_id]
    assert "items_client_user_id_idx" in "".join(plan)


def test_odd_categories_do_not_stop_reconciliation(service, upstream, proxy, resources, clock):
    upstream.connect()
    service.catch_up()
    sent, neighbours = [], []

    def change(asked, answer):
        if asked.path != "/categories":
            return None
        neighbours.extend(wire.encode(row) for row in answer["results"])
        row = answer["results"][0]
        sent.extend((path, with_odd({**row, "id": an_id()}, path, odd)) for path, odd in every_odd(row))
        # One stands there twice.
        return page_of([b"null", *(row for _, row in sent), *neighbours, neighbours[0]])

    proxy.change = change
    clock.advance(days=8)
    reconciliation.find_missed(resources)

    assert resources.redis.llen("reconciliations") == 1
    stored = {row.id: row.raw for row in service.rows(categories)}
    for path, row in sent:
        if path != ("id",):
            raw = wire.decode(row)
            assert stored[raw["id"]] == raw
    assert {json.loads(row)["id"] for row in neighbours} <= stored.keys()
    assert {(row.item_id, row.what) for row in service.rows(unreadable_table)} == {("", "categories")}
