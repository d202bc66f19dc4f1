"""
The schema of our tables: made once, and filled from `public`, where they stood before it.

A database of that time is first brought to the last migration of that time, where it stands. Then every table in
`public` with one of those names is ours, and moves. In any other database what stands in `public` is the product's:
it is left alone, whatever its name (decision 28).
"""

import time
from collections.abc import Callable, Set

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from pluggy_sync.store.database import in_schema, schema_of

PUBLIC = "public"
LAST_IN_PUBLIC = "0023"

# What stood in `public` after that migration.
MOVED_TABLES = (
    "accounts",
    "alembic_version",
    "alerts",
    "api_tokens",
    "audit_entries",
    "balances",
    "bills",
    "bulk_operations",
    "categories",
    "change_stream",
    "changes",
    "connectors",
    "consents",
    "console_sessions",
    "counters",
    "data_product_watermarks",
    "deliveries",
    "delivery_attempts",
    "endpoints",
    "event_counts",
    "figure_samples",
    "identities",
    "inbox",
    "incomplete_parts",
    "investment_transactions",
    "investments",
    "item_counts",
    "item_progress",
    "items",
    "loans",
    "notification_stream",
    "outbox",
    "pruning",
    "schedule",
    "submissions",
    "sync_runs",
    "tombstones",
    "transactions",
    "unreadable_rows",
    "user_actions",
)
MOVED_SEQUENCES = ("stream_positions",)

# How long one attempt to move waits for whoever uses a table, how many there are, and the pause between two. Who comes
# meanwhile waits no longer than one attempt does.
_MOVE_WAITS = "2s"
MOVE_ATTEMPTS = 30
_MOVE_AGAIN_S = 1.0

# Our tables have had these columns since the first migration. All five together stand in no other software's schema.
_OURS = sa.text(
    """
    SELECT n.nspname FROM pg_namespace n
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind = 'r'
    JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped
    WHERE (c.relname, a.attname) IN (
        ('inbox', 'event_id'), ('items', 'first_seen_at'), ('tombstones', 'removed_at'), ('outbox', 'body'),
        ('sync_runs', 'window_from')
    )
    GROUP BY n.nspname HAVING count(*) = 5
    """
)


class SchemaError(Exception):
    """The tables cannot stand in their schema. Nothing was changed. The text says what to do."""


def prepare(conn: Connection, upgrade: Callable[[str], None], *, of_before: Set[str]) -> None:
    """
    Make the schema of *conn*, and move our tables there if they stand in `public`. *conn* has no transaction open.

    *upgrade* brings the tables that *conn* finds to a revision. *of_before*: the revisions through `LAST_IN_PUBLIC`.
    With a later one, somebody has chosen to have our tables in `public`.

    Raises:
        SchemaError: the database user may not make a schema, our tables stand in another one, or somebody uses them all
            the time.
    """
    schema = schema_of(conn)
    with conn.begin():
        ours = set(conn.scalars(_OURS))
        is_of_before = PUBLIC in ours and _versions_in_public(conn) <= of_before
    if schema in ours:
        return
    others = sorted(ours - {PUBLIC} if is_of_before else ours)
    if others:
        raise SchemaError(
            f"Our tables stand in the schema {others[0]}, and DATABASE_SCHEMA is {schema}. Set DATABASE_SCHEMA to "
            f"{others[0]}, or rename the schema while nothing runs: ALTER SCHEMA {others[0]} RENAME TO {schema}."
        )
    _make(conn, schema)
    if is_of_before:
        with in_schema(conn, PUBLIC):
            upgrade(LAST_IN_PUBLIC)
        _move(conn, schema)


def _versions_in_public(conn: Connection) -> set[str]:
    return set(conn.scalars(sa.text("SELECT version_num FROM public.alembic_version")))


def _make(conn: Connection, schema: str) -> None:
    with conn.begin():
        if conn.scalar(sa.text("SELECT to_regnamespace(:name) IS NOT NULL"), {"name": f'"{schema}"'}):
            return
        if not conn.scalar(sa.text("SELECT has_database_privilege(current_database(), 'CREATE')")):
            user = conn.scalar(sa.text("SELECT current_user"))
            raise SchemaError(
                f"The database user {user} may not make the schema of our tables. Let an administrator of the database "
                f'run: CREATE SCHEMA "{schema}" AUTHORIZATION "{user}"'
            )
        conn.execute(sa.schema.CreateSchema(schema))


def _move(conn: Connection, schema: str) -> None:
    """Move all at once, as soon as nobody uses any of them: with them go their indexes, rights and dependent views."""
    for attempt in range(1, MOVE_ATTEMPTS + 1):
        try:
            with in_schema(conn, PUBLIC), conn.begin():
                conn.execute(sa.text(f"SET LOCAL lock_timeout = '{_MOVE_WAITS}'"))
                for table in MOVED_TABLES:
                    conn.execute(sa.text(f'ALTER TABLE public.{table} SET SCHEMA "{schema}"'))
                for sequence in MOVED_SEQUENCES:
                    conn.execute(sa.text(f'ALTER SEQUENCE public.{sequence} SET SCHEMA "{schema}"'))
        except OperationalError as exc:  # a lock was not free in time, or another had the locks in another order
            if conn.invalidated:
                raise
            if attempt == MOVE_ATTEMPTS:
                raise SchemaError(
                    f"Our tables could not be moved from public to {schema}, because somebody uses them all the time. "
                    "Stop the processes of the version before, and migrate again."
                ) from exc
            time.sleep(_MOVE_AGAIN_S)
        else:
            return
