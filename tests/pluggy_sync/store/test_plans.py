"""
How many rows Postgres reads for what requests, the sweep and the metrics do, in a database with some history.

A query whose index is no longer used answers as before, only later and later. So each plan is run and its rows counted.
"""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from bench.growth import history, operations
from bench.growth.history import Size
from pluggy_sync.resources import Resources, create_resources
from pluggy_sync.store import deliveries, inbox, item_links, reconciliation, series
from pluggy_sync.store.database import create_engine
from pluggy_sync.store.migrate import migrate
from tests.kit.factories import a_settings
from webhook_app.app import create_app

# With so many Items and 30,000 events, whatever reads all of a table reads more than is allowed.
SIZE = Size(items=3_000, transactions=30_000, events=30_000)
MOST_ROWS = 1_500


@pytest.fixture(scope="module")
def grown(postgres, shared_valkey) -> Iterator[Resources]:
    """The connections to a database with some history."""
    postgres.drop_database("grown")
    url = postgres.create_database("grown")
    engine = create_engine(url)
    migrate(engine)
    history.write(engine, SIZE)
    engine.dispose()
    resources = create_resources(a_settings(DATABASE_URL=url, REDIS_URL=shared_valkey.url))
    yield resources
    resources.close()
    postgres.drop_database("grown")


@pytest.fixture(scope="module")
def side(grown):
    token = grown.settings.api_tokens[0]
    web = create_app(grown.settings, grown).test_client()
    return operations.Side(database=grown.database, web=web, token=token)


@pytest.fixture
def plans(grown):
    """The plans of all statements of the test, each run before its statement and undone."""
    found = []

    def explain(conn, _cursor, statement, parameters, _context, _many):
        if not statement.lstrip().upper().startswith(("SELECT", "WITH", "UPDATE", "INSERT", "DELETE")):
            return
        with conn.connection.driver_connection.cursor() as cursor:
            cursor.execute("SAVEPOINT before_plan")
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
            found.append((statement, cursor.fetchone()[0][0]["Plan"]))
            cursor.execute("ROLLBACK TO SAVEPOINT before_plan")

    sa.event.listen(grown.database, "before_cursor_execute", explain)
    yield found
    sa.event.remove(grown.database, "before_cursor_execute", explain)


def nodes(plan):
    yield plan
    for each in plan.get("Plans", []):
        yield from nodes(each)


def rows_read(node):
    removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return (node["Actual Rows"] + removed) * node["Actual Loops"]


def too_much(plans):
    return [
        f"{node['Node Type']} on {node['Relation Name']} read {rows_read(node):.0f} rows: {statement[:2000]}"
        for statement, plan in plans
        for node in nodes(plan)
        if "Relation Name" in node and rows_read(node) > MOST_ROWS
    ]


@pytest.mark.parametrize("operation", operations.OPERATIONS, ids=lambda each: each.name)
def test_no_operation_reads_more_rows_than_it_has_to(side, plans, monkeypatch, operation):
    for queries in (inbox, deliveries):
        monkeypatch.setattr(queries, "COUNTED", MOST_ROWS // 2)

    operations.once(operation, side)

    assert plans, "nothing was asked of Postgres"
    if not operation.reads_all_items:
        assert too_much(plans) == []


def test_postgres_expects_few_items_that_were_not_reconciled_where_there_are_few(grown, plans):
    with grown.database.connect() as conn:
        found = reconciliation.overdue(conn, before=grown.now() - timedelta(days=7))

    ((_, plan),) = plans
    expected = min(node["Plan Rows"] for node in nodes(plan) if node.get("Relation Name") == "items")
    assert 0 < sum(found.values()) < 100
    # Without statistics of the expression: a third of the Items.
    assert expected < 100


def test_who_else_is_the_person_of_an_item_and_one_series_are_looked_up_and_not_searched_for(grown, plans):
    with grown.database.connect() as conn:
        conn.execute(sa.text("UPDATE accounts SET raw = jsonb_set(raw, '{taxNumber}', to_jsonb(item_id))"))
        conn.execute(sa.text("ANALYZE accounts"))
        account = conn.execute(sa.text("SELECT id, item_id FROM accounts ORDER BY id LIMIT 1")).one()
        plans.clear()

        assert item_links.perhaps_of_the_same_person(conn, account.item_id) == []
        series.pair(conn, account.id)
        stmt = sa.text("SELECT count(*) FROM mirror.transaction_series WHERE series_account_id = :id")
        assert conn.scalar(stmt, {"id": account.id}) > 0
        conn.rollback()

    assert len(plans) >= 4
    assert too_much(plans) == []


def test_reading_all_of_a_table_is_noticed(grown, plans):
    with grown.database.connect() as conn:
        conn.execute(sa.text("SELECT count(*) FROM inbox"))

    assert too_much(plans)
