"""
`python -m bench.growth.layouts`: what room on a page, a narrow lease, and binary keys are worth.

Each question is asked of tables that differ in nothing else. Postgres counts bytes, written log and pages: a busy
machine changes nothing about them.
"""

import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import psycopg
from rich.console import Console
from rich.table import Table

from standalone.servers import Postgres, prepare_postgres

# A cache that holds a small part of the keys: most look-ups are cold.
_SETTINGS = ("fsync=off", "synchronous_commit=off", "shared_buffers=16MB", "max_wal_size=4GB", "autovacuum=off")
ITEMS = 20_000
ROWS = 300_000
ROUNDS = 20
TURNS = 4

# A row about as wide as one of `items`, with the indexes that its updates do not touch.
_WIDE = """
    CREATE TABLE {name} (id text PRIMARY KEY, run_id uuid, lease_until timestamptz, next_at timestamptz, raw jsonb)
        WITH (fillfactor = {fill});
    INSERT INTO {name} (id, next_at, raw)
        SELECT md5('item ' || n)::uuid::text, now(), jsonb_build_object('id', n, 'connector', repeat(md5(n::text), 30))
        FROM generate_series(1, {items}) AS n;
    CREATE INDEX ON {name} (next_at);
"""
_NARROW = """
    CREATE TABLE {name} (id text PRIMARY KEY, run_id uuid, lease_until timestamptz) WITH (fillfactor = {fill});
    INSERT INTO {name} (id) SELECT md5('item ' || n)::uuid::text FROM generate_series(1, {items}) AS n;
"""
_LEASE = "UPDATE {name} SET run_id = gen_random_uuid(), lease_until = now() WHERE id = ANY(%s)"

_RAW = """jsonb_build_object('id', id, 'accountId', account_id, 'description', 'PIX ENVIADO PADARIA ' || r,
    'descriptionRaw', 'PIX ENVIADO PADARIA ' || r || ' LTDA', 'currencyCode', 'BRL', 'amount', -12.34,
    'amountInAccountCurrency', null, 'date', now(), 'type', 'DEBIT', 'status', 'POSTED', 'category', 'Food and drinks',
    'categoryId', '11000000', 'balance', 4321.09, 'providerId', id, 'providerCode', null, 'operationType', 'PIX',
    'order', 0, 'paymentData', '{"payer": {"name": "A", "documentNumber": null}, "paymentMethod": "PIX",
    "reason": null}'::jsonb, 'creditCardMetadata', null, 'merchant', null, 'createdAt', now(), 'updatedAt', now())"""
_MADE = """FROM (SELECT r, md5('row ' || a || ' ' || r)::uuid AS id, md5('account ' || a)::uuid AS account_id,
    md5('item ' || a / 2)::uuid AS item_id, now() - r * interval '1 day' AS date
    FROM generate_series(1, {rows} / 100) AS a, generate_series(1, 100) AS r) AS made"""
_KEYS = {
    "text, by id, as it is": (
        "id text PRIMARY KEY, account_id text, item_id text",
        "id::text, account_id::text, item_id::text",
        _RAW,
        ("(account_id, date DESC, id)", "(item_id)"),
    ),
    "uuid, by id": (
        "id uuid PRIMARY KEY, account_id uuid, item_id uuid",
        "id, account_id, item_id",
        _RAW,
        ("(account_id, date DESC, id)", "(item_id)"),
    ),
    "uuid, by (account_id, id), no nulls in raw": (
        "id uuid, account_id uuid, item_id uuid, PRIMARY KEY (account_id, id)",
        "id, account_id, item_id",
        f"jsonb_strip_nulls({_RAW})",
        ("(account_id, date DESC, id)", "(item_id)"),
    ),
}


@click.command()
@click.option("--only", type=click.Choice(["lease", "keys"]))
def main(only: str | None) -> None:
    """Print one table for each question."""
    with tempfile.TemporaryDirectory(prefix="pluggy-sync-layouts-") as folder:
        server = prepare_postgres(Path(folder) / "data", _SETTINGS)
        server.start()
        try:
            if only != "keys":
                with psycopg.connect(server.admin_url, autocommit=True) as conn:
                    _leases(conn)
            if only != "lease":
                _keys(server)
        finally:
            server.stop()


def _leases(conn: psycopg.Connection[Any]) -> None:
    table = Table(
        "Lease taken, renewed, ended", "Written to the log, bytes", "In place (HOT)", "Table after, of before"
    )
    for name, made, fill in (
        ("in the wide row, page full", _WIDE, 100),
        ("in the wide row, 30 % free", _WIDE, 70),
        ("in a row of its own, page full", _NARROW, 100),
        ("in a row of its own, half free", _NARROW, 50),
    ):
        with suppress(psycopg.errors.UndefinedTable):
            conn.execute("DROP TABLE leased")
        conn.execute(made.format(name="leased", fill=fill, items=ITEMS))
        conn.execute("VACUUM ANALYZE leased")
        conn.execute("CHECKPOINT")
        before = _size(conn, "leased")
        start = _log_position(conn)
        updates = 0
        for round_ in range(ROUNDS):
            ids = [
                row[0] for row in conn.execute("SELECT id FROM leased ORDER BY md5(id || %s) LIMIT 2000", [str(round_)])
            ]
            for _ in range(3):
                updates += conn.execute(_LEASE.format(name="leased"), [ids]).rowcount
            # As autovacuum would, on a table that changes so often.
            conn.execute("VACUUM leased")
        written = (_log_position(conn) - start) / updates
        conn.execute("SELECT pg_stat_force_next_flush()")
        time.sleep(0.1)
        hot = conn.execute(
            "SELECT 100 * n_tup_hot_upd / n_tup_upd FROM pg_stat_user_tables WHERE relname = 'leased'"
        ).fetchone()
        assert hot is not None
        table.add_row(name, f"{written:,.0f}", f"{hot[0]} %", f"{_size(conn, 'leased') / before:.2f} x")
    Console(width=140).print(table)


def _keys(server: Postgres) -> None:
    table = Table("Keys of transactions", "Bytes a row", "of which indexes", "Pages read to look up 1,000 rows", "ms")
    for name, (columns, values, raw, indexes) in _KEYS.items():
        with psycopg.connect(server.admin_url, autocommit=True) as conn:
            conn.execute("DROP TABLE IF EXISTS kept")
            conn.execute(f"CREATE TABLE kept ({columns}, date timestamptz, raw jsonb)")
            conn.execute(f"INSERT INTO kept SELECT {values}, date, {raw} {_MADE.format(rows=ROWS)}")
            for index in indexes:
                conn.execute(f"CREATE INDEX ON kept {index}")
            conn.execute("VACUUM ANALYZE kept")
            sizes = conn.execute("SELECT pg_table_size('kept'), pg_indexes_size('kept')").fetchone()
        assert sizes is not None
        pages, took = _look_up(server, by_account="(account_id, id)" in name)
        table.add_row(name, f"{sum(sizes) / ROWS:,.0f}", f"{sizes[1] / ROWS:,.0f}", f"{pages:,.0f}", f"{took:.1f}")
    Console(width=140).print(table)


def _look_up(server: Postgres, *, by_account: bool) -> tuple[float, float]:
    """Return the pages read and the milliseconds of looking up all rows of ten accounts, on average of some."""
    on = "kept.id = incoming.id" + (" AND kept.account_id = incoming.account_id" if by_account else "")
    pages = took = 0.0
    for turn in range(TURNS):
        names = [f"account {1 + turn * 37 + number * 251}" for number in range(10)]
        with psycopg.connect(server.admin_url, autocommit=True) as conn:
            conn.execute("DROP TABLE IF EXISTS incoming")
            conn.execute(
                "CREATE TABLE incoming AS SELECT id, account_id FROM kept WHERE account_id::text IN "
                "(SELECT md5(name)::uuid::text FROM unnest(%s::text[]) AS name) ORDER BY id",
                [names],
            )
        # After a start nothing is in Postgres's memory.
        server.stop()
        server.start()
        with psycopg.connect(server.admin_url, autocommit=True) as conn:
            for setting in ("enable_hashjoin", "enable_mergejoin", "enable_seqscan"):
                conn.execute(f"SET {setting} = off")
            plan = conn.execute(
                f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT count(kept.raw) FROM incoming JOIN kept ON {on}"
            ).fetchone()
        assert plan is not None
        pages += plan[0][0]["Plan"]["Shared Read Blocks"] / TURNS
        took += plan[0][0]["Execution Time"] / TURNS
    return pages, took


def _size(conn: psycopg.Connection[Any], table: str) -> int:
    found = conn.execute("SELECT pg_total_relation_size(%s::regclass)", [table]).fetchone()
    assert found is not None
    return int(found[0])


def _log_position(conn: psycopg.Connection[Any]) -> int:
    found = conn.execute("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint").fetchone()
    assert found is not None
    return int(found[0])


if __name__ == "__main__":
    main()
