"""
What Postgres says of itself, for the doctor. Callers own the transaction.

Tests: `console/checkup/test_postgres.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from pluggy_sync.store.migrate import alembic_config


@dataclass(frozen=True, kw_only=True)
class Schema:
    """The revision that the database is at (None: of ours there is nothing in it), the newest, and how many lack."""

    present: str | None
    newest: str
    missing: int | None  # None: the database knows a revision that this version does not


def schema(conn: Connection) -> Schema:
    """Return how far the database is migrated."""
    scripts = ScriptDirectory.from_config(alembic_config())
    in_order = [each.revision for each in scripts.walk_revisions()]  # the newest first
    there = conn.scalar(sa.text("SELECT to_regclass('alembic_version')")) is not None
    present: str | None = conn.scalar(sa.text("SELECT version_num FROM alembic_version")) if there else None
    missing = len(in_order) if present is None else in_order.index(present) if present in in_order else None
    return Schema(present=present, newest=in_order[0], missing=missing)


@dataclass(frozen=True, kw_only=True)
class Server:
    """The server behind the connection. *version* as 160004 for 16.4."""

    version: int
    is_read_only: bool
    autovacuum: bool
    now: datetime
    connections: int
    max_connections: int
    # How many transactions the oldest row is behind. At 2 billion Postgres takes no writes any more.
    oldest_xid_age: int


def server(conn: Connection) -> Server:
    """Return what the server says of itself."""
    row = conn.execute(
        sa.text(
            """
            SELECT current_setting('server_version_num')::int AS version,
                   current_setting('transaction_read_only') = 'on' OR pg_is_in_recovery() AS is_read_only,
                   current_setting('autovacuum') = 'on' AS autovacuum,
                   clock_timestamp() AS now,
                   (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
                   current_setting('max_connections')::int AS max_connections,
                   (SELECT age(datfrozenxid) FROM pg_database WHERE datname = current_database()) AS oldest_xid_age
            """
        )
    ).one()
    return Server(**row._mapping)


def size(conn: Connection) -> int:
    """Return the bytes of our database. The server looks at each of its files: that may take seconds."""
    return int(conn.execute(sa.text("SELECT pg_database_size(current_database())")).scalar_one())


def never_vacuumed(conn: Connection) -> Sequence[str]:
    """Return the tables of ours of which autovacuum is switched off."""
    return conn.scalars(
        sa.text(
            "SELECT relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace "
            "WHERE relkind = 'r' AND nspname = ANY (current_schemas(false)) "
            "AND 'autovacuum_enabled=false' = ANY (reloptions) ORDER BY relname"
        )
    ).all()


def bloated(conn: Connection) -> Sequence[str]:
    """Return the tables of ours of which a third of the rows, and many, are dead: vacuuming does not keep up."""
    return conn.scalars(
        sa.text(
            "SELECT relname FROM pg_stat_user_tables WHERE schemaname = ANY (current_schemas(false)) "
            "AND n_dead_tup > 100000 AND n_dead_tup > n_live_tup / 2 ORDER BY relname"
        )
    ).all()


def is_pooled(conn: Connection) -> bool:
    """Return whether a pooler stands between: it says another number than the server behind it."""
    driver: Any = conn.connection.driver_connection
    return bool(conn.scalar(sa.text("SELECT pg_backend_pid()")) != driver.info.backend_pid)


def keeps_transactions(conn: Connection) -> bool:
    """
    Return whether two statements of a transaction go to the same server.

    Raises:
        DBAPIError: the pooler allows no transactions.
    """
    conn.execute(sa.text("SET LOCAL lock_timeout = '4321ms'"))
    return bool(conn.scalar(sa.text("SHOW lock_timeout")) == "4321ms")
