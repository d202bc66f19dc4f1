"""The console is as quick with very many Items as with few: what its pages read of Postgres does not grow with them."""

import pytest
import sqlalchemy as sa

from tests.console.pages.conftest import Browser
from tests.kit.service import Service

NUMBER = 30_000
PAGES = [
    "/",
    "/items",
    "/items?freshness=fresh",
    "/items?freshness=stale",
    "/items?freshness=waiting_for_person",
    "/items?status=LOGIN_ERROR",
    "/items?user=user-77",
    "/items?bank=3&status=OUTDATED",
    "/items?bank=3&freshness=error",
    "/items?after=00020000",
    "/events?which=dead",
    "/events?which=kept",
    "/events?which=unknown",
    "/events?which=all",
    "/notifications?state=dead",
    "/connectors",
    "/items/00000077",
]
# A page shows 50 rows. Whoever reads a table of all Items reads hundreds of times as many.
MOST_ROWS = 12_000

_READ = """
    SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0) FROM pg_stat_user_tables
    WHERE relname IN ('items', 'item_progress', 'inbox', 'user_actions', 'deliveries', 'outbox', 'sync_runs')
"""


@pytest.fixture
def many(service: Service) -> None:
    """Items of every kind, each with an event; a few dead letters."""
    statements = [
        """
        INSERT INTO connectors (id, name, status, updated_at)
        SELECT n, 'Bank ' || n, 'ONLINE', now() FROM generate_series(1, 9) n
        """,
        f"""
        INSERT INTO items (id, client_user_id, connector_id, status, execution_status, last_updated_at, updated_at,
                           next_auto_sync_at, first_seen_at, fetched_at)
        SELECT lpad(n::text, 8, '0'), 'user-' || n, n % 9 + 1,
               CASE WHEN n % 500 = 0 THEN 'LOGIN_ERROR' WHEN n % 400 = 0 THEN 'OUTDATED' ELSE 'UPDATED' END,
               CASE WHEN n % 400 = 0 THEN 'ERROR' ELSE 'SUCCESS' END, now(), now(),
               now() + CASE WHEN n % 300 = 0 THEN interval '-2 days' ELSE interval '9 hours' END, now(), now()
        FROM generate_series(1, {NUMBER}) n
        """,
        "INSERT INTO item_progress (item_id, last_event_seq, fetched_seq) SELECT id, 1, 1 FROM items",
        """
        INSERT INTO inbox (event_id, name, item_id, item_seq, payload, state, outcome, received_at, due_at)
        SELECT 'e' || id, 'item/updated', id, 1, '{}', CASE WHEN id LIKE '%000' THEN 'dead' ELSE 'handled' END,
               CASE WHEN id LIKE '%500' THEN 'kept' ELSE 'sync' END, now(), now()
        FROM items
        """,
        "ANALYZE",
    ]
    with service.res.database.begin() as conn:
        for statement in statements:
            conn.execute(sa.text(statement))


@pytest.mark.slow
def test_no_page_reads_more_rows_for_there_being_many_items(browser: Browser, service: Service, many):
    read: dict[str, int] = {}
    # One connection for all that follows: what it read is known once itself was told to say so.
    service.res.database.dispose()
    for page in PAGES:
        before = rows_read(service)
        browser.text(page)
        read[page] = rows_read(service) - before

    assert {page: rows for page, rows in read.items() if rows > MOST_ROWS} == {}
    assert any(read.values())


def rows_read(service: Service) -> int:
    """Return how many rows were read so far, of the tables that grow."""
    with service.res.database.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(sa.text("SELECT pg_stat_force_next_flush()"))
        conn.execute(sa.text("SELECT pg_stat_clear_snapshot()"))
        return int(conn.execute(sa.text(_READ)).scalar_one())
