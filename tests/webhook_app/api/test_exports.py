"""Lists as streams: CSV for a spreadsheet, NDJSON for a program."""

import csv
import io
import tracemalloc
from decimal import Decimal

import pytest
import sqlalchemy as sa

from pluggy_sync import wire
from pluggy_sync.pluggy import payloads
from pluggy_sync.store import accounts, items, transactions
from pluggy_sync.store.tables import transactions as table
from tests.kit.documented import document
from tests.kit.factories import NOON, a_raw_account, a_raw_transaction, a_transaction
from tests.kit.service import Service
from tests.webhook_app.product import Product
from webhook_app.api import exports
from webhook_app.api.accounts import TRANSACTION_COLUMNS

ITEM_ID = "11111111-1111-4111-8111-111111111111"
ACCOUNT_ID = "22222222-2222-4222-8222-222222222222"
PATH = f"/v1/accounts/{ACCOUNT_ID}/transactions"


def store(resources, *rows):
    with resources.database.begin() as conn:
        items.lock(conn, ITEM_ID, now=NOON)
        accounts.save(conn, ITEM_ID, [payloads.account(a_raw_account())], now=NOON)
        transactions.merge(conn, ITEM_ID, rows, began_at=NOON, now=NOON)


def as_csv(product, **query):
    response = product.call("GET", PATH, query_string=query, headers={"Accept": "text/csv"})
    assert (response.status_code, response.mimetype) == (200, "text/csv")
    return list(csv.DictReader(io.StringIO(response.get_data(as_text=True))))


def as_ndjson(product, **query):
    response = product.call("GET", PATH, query_string=query, headers={"Accept": "application/x-ndjson"})
    assert (response.status_code, response.mimetype) == (200, "application/x-ndjson")
    return [wire.decode(line) for line in response.get_data().splitlines()]


def test_the_lines_of_a_stream_are_the_rows_of_the_list(service: Service, product: Product):
    item_id = service.upstream.connect()
    service.catch_up()
    for account in product.get(f"/v1/items/{item_id}/accounts")["results"]:
        path = f"/v1/accounts/{account['id']}/transactions"
        rows = product.all_pages(path)
        assert rows

        lines = product.call("GET", path, headers={"Accept": "application/x-ndjson"}).get_data().splitlines()
        cells = product.call("GET", path, headers={"Accept": "text/csv"}).get_data(as_text=True)

        assert [wire.decode(line) for line in lines] == rows
        assert [row["id"] for row in csv.DictReader(io.StringIO(cells))] == [row["id"] for row in rows]


def test_a_stream_takes_the_filters_of_the_list(resources, product: Product):
    old = a_transaction(date="2026-01-05T03:00:00.000Z", status="PENDING")
    new = a_transaction(date="2026-03-05T03:00:00.000Z")
    store(resources, old, new)

    assert [row["id"] for row in as_csv(product)] == [new.id, old.id]
    assert [row["id"] for row in as_csv(product, dateFrom="2026-02-01")] == [new.id]
    assert [row["id"] for row in as_ndjson(product, status="PENDING")] == [old.id]


def test_rows_of_several_parts_come_each_once_and_in_order(resources, product: Product, monkeypatch):
    monkeypatch.setattr(exports, "ROWS_PER_PART", 3)
    # Several rows of one moment lie across the border of two parts.
    store(resources, *(a_transaction(date="2026-03-05T03:00:00.000Z") for _ in range(7)))

    ids = [row["id"] for row in as_csv(product)]

    assert len(ids) == 7
    assert ids == sorted(ids)
    assert ids == [row["id"] for row in as_ndjson(product)]


def test_an_account_without_rows_is_a_heading_alone(resources, product: Product):
    store(resources)

    assert as_ndjson(product) == []
    assert as_csv(product) == []


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", '=HYPERLINK("http://x","y")', "＝1"]
)
def test_no_text_is_a_formula_in_a_spreadsheet(resources, product: Product, text: str):
    store(resources, a_transaction(description=text))

    (row,) = as_csv(product)

    assert row["description"] == f"'{text}"


def test_amounts_are_exact_numbers_also_below_zero(resources, product: Product):
    store(resources, a_transaction(amount=Decimal("-1234567890123456.7891")))

    (row,) = as_csv(product)

    assert row["amount"] == "-1234567890123456.7891"
    assert (row["description"], row["categoryId"]) == ("Padaria", "")


def test_a_text_with_commas_quotes_and_lines_is_one_cell(resources, product: Product):
    text = 'a, "b"\nc; d'
    store(resources, a_transaction(description=text))

    assert as_csv(product)[0]["description"] == text


def test_a_stream_has_no_pages(resources, product: Product):
    store(resources)

    problem = product.refused(
        "GET", PATH, 400, "invalid-request", query_string={"limit": 5}, headers={"Accept": "text/csv"}
    )

    assert problem["errors"][0]["field"] == "limit"


def test_an_unknown_account_is_a_problem_and_no_stream(product: Product):
    product.refused("GET", PATH, 404, "account-not-found", headers={"Accept": "text/csv"})


def test_whoever_accepts_anything_gets_json(resources, product: Product):
    store(resources)

    assert product.call("GET", PATH, headers={"Accept": "*/*"}).mimetype == "application/json"
    assert product.call("GET", PATH, headers={"Accept": "text/html, */*;q=0.1"}).mimetype == "application/json"


def test_the_columns_are_fields_that_the_document_describes():
    assert set(TRANSACTION_COLUMNS) <= document()["components"]["schemas"]["Transaction"]["properties"].keys()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(resources, product: Product):
    store(resources)
    raw = wire.encode(a_raw_transaction()).decode()
    with resources.database.begin() as conn:
        conn.execute(
            sa.insert(table).from_select(
                ["id", "account_id", "item_id", "date", "day", "raw"],
                sa.text(
                    "SELECT lpad(n::text, 12, '0'), :account, :item, CAST(:noon AS timestamptz) - n * interval '1 min',"
                    " current_date, CAST(:raw AS jsonb) FROM generate_series(1, 15000) AS n"
                )
                .bindparams(account=ACCOUNT_ID, item=ITEM_ID, noon=NOON, raw=raw)
                .columns(*table.columns),
            )
        )
    tracemalloc.start()
    try:
        with product.call("GET", PATH, headers={"Accept": "text/csv"}, buffered=False) as response:
            rows = sum(part.count(b"\n") for part in response.response)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert rows > 15_000
    assert most < 12_000_000
