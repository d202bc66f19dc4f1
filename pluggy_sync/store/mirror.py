"""
Making the views that a company reads, in the schema `mirror`, and the role that may read only these.

They are no migration of Alembic: each `migrate` makes them anew if they are not those of `mirror_views`. A migration
that changes or drops a column which a view shows must drop that view first; `refresh` brings it back.
"""

import hashlib
from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync.settings import MIRROR_SCHEMA
from pluggy_sync.store.mirror_views import View, views

READER = "pluggy_sync_reader"
_OURS = "What companies build on: see docs/tables.md of pluggy-sync. Version"
_ASK = "Let an administrator run"
# Whoever reads a view keeps others waiting no longer than that; then the next `migrate` makes it.
_LOCK_TIMEOUT = "5s"


def refresh(conn: Connection, stale_after: timedelta) -> list[str]:
    """
    Make the views, and let the role read them; return what an administrator still has to do, as sentences.

    *conn* has no transaction open. *stale_after*: how far an Item may be behind its update before it is stale.
    """
    wanted = views(stale_after)
    statements = [each for view in wanted for each in _statements(view)]
    mark = f"{_OURS} {hashlib.sha256(';'.join(statements).encode()).hexdigest()[:16]}"
    with conn.begin():
        comment = _comment(conn)
        if comment is None and not _may_make_schemas(conn):
            why = f"The views of {MIRROR_SCHEMA} are not made: the database user may not make a schema."
            return [f'{why} {_ASK}: CREATE SCHEMA {MIRROR_SCHEMA} AUTHORIZATION "{_user(conn)}"; then migrate again.']
        if comment is None:
            conn.execute(sa.schema.CreateSchema(MIRROR_SCHEMA))
        elif not (comment.startswith(_OURS) or _is_empty(conn)):
            why = f"The views are not made: this database has a schema {MIRROR_SCHEMA} that is not ours."
            return [f"{why} Rename it, and migrate again. Everything else works without them."]
        if comment != mark or not _are_all_there(conn, wanted):
            conn.execute(sa.text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))
            for statement in statements:
                conn.exec_driver_sql(statement)
            conn.exec_driver_sql(f"COMMENT ON SCHEMA {MIRROR_SCHEMA} IS '{mark}'")
        return _let_read(conn, wanted)


def _comment(conn: Connection) -> str | None:
    """Return the comment on the schema, empty if it has none; None: there is no such schema."""
    found: str | None = conn.scalar(
        sa.text("SELECT coalesce(obj_description(oid, 'pg_namespace'), '') FROM pg_namespace WHERE nspname = :name"),
        {"name": MIRROR_SCHEMA},
    )
    return found


def _may_make_schemas(conn: Connection) -> bool:
    return bool(conn.scalar(sa.text("SELECT has_database_privilege(current_database(), 'CREATE')")))


def _user(conn: Connection) -> str:
    return str(conn.scalar(sa.text("SELECT current_user")))


def _is_empty(conn: Connection) -> bool:
    there = sa.text("SELECT EXISTS (SELECT FROM pg_class WHERE relnamespace = CAST(:name AS regnamespace))")
    return not conn.scalar(there, {"name": MIRROR_SCHEMA})


def _are_all_there(conn: Connection, wanted: Sequence[View]) -> bool:
    made = sa.text("SELECT viewname FROM pg_views WHERE schemaname = :name")
    return {view.name for view in wanted} <= set(conn.scalars(made, {"name": MIRROR_SCHEMA}))


def _statements(view: View) -> list[str]:
    """Return what makes *view*. Rights, and views of others on it, stay."""
    name = f"{MIRROR_SCHEMA}.{view.name}"
    columns = ", ".join(f'{column.sql} AS "{column.name}"' for column in view.columns)
    return [
        f"CREATE OR REPLACE VIEW {name} AS SELECT {columns} FROM {view.source}",  # noqa: S608 - our own words
        f"COMMENT ON VIEW {name} IS {_quoted(view.comment)}",
        *(f'COMMENT ON COLUMN {name}."{column.name}" IS {_quoted(column.comment)}' for column in view.columns),
    ]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _let_read(conn: Connection, wanted: Sequence[View]) -> list[str]:
    """Make the role unless it is there, and let it read the views; return what an administrator has to do."""
    if not conn.scalar(sa.text("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :name)"), {"name": READER}):
        may = conn.scalar(sa.text("SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user"))
        if not may:
            why = (
                f"The role {READER}, which may read only the views, is not made: the database user may not make roles."
            )
            return [f"{why} {_ASK}: CREATE ROLE {READER} NOLOGIN; then migrate again."]
        # Another database of this server may make it at this moment.
        conn.exec_driver_sql(
            f"DO $$ BEGIN CREATE ROLE {READER} NOLOGIN; "
            "EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        )
    names = [f"{MIRROR_SCHEMA}.{view.name}" for view in wanted]
    readable = sa.text(
        "SELECT has_schema_privilege(:reader, :schema, 'USAGE') "
        "AND bool_and(has_table_privilege(:reader, name, 'SELECT')) FROM unnest(CAST(:names AS text[])) name"
    )
    if not conn.scalar(readable, {"reader": READER, "schema": MIRROR_SCHEMA, "names": names}):
        conn.exec_driver_sql(f"GRANT USAGE ON SCHEMA {MIRROR_SCHEMA} TO {READER}")
        conn.exec_driver_sql(f"GRANT SELECT ON {', '.join(names)} TO {READER}")
    return []
