"""What docs/tables.md says of the views: the picture, and each column as Postgres has it."""

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg

from pluggy_sync.store.mirror_views import Column, View

_COLUMNS = """
    SELECT attname, format_type(atttypid, atttypmod), col_description(attrelid, attnum)
    FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
# What stands before this line is written by hand.
BEGINS = "## How they belong together"

# Each row has one of these. Whatever else a row names may be absent.
_ALWAYS = ("item_id", "account_id", "investment_id")
_SHORT = {"timestamp with time zone": "timestamptz"}


def made_part(conn: psycopg.Connection[Any], views: Sequence[View]) -> str:
    """Return the document from `BEGINS` on."""
    tables = (line for view in views for line in _table(conn, view))
    return "\n".join([BEGINS, "", *_picture(views), "", *tables])


def _picture(views: Sequence[View]) -> Iterator[str]:
    yield "```mermaid"
    yield "erDiagram"
    for view in views:
        for column in view.columns:
            if column.leads_to:
                yield f"    {column.leads_to} {_how_many(view, column)} {view.name} : {column.name}"
    yield "```"


def _how_many(view: View, column: Column) -> str:
    if column is view.columns[0]:
        return "||--||" if view.name == "freshness" else "||--o{"
    return "||--o{" if column.name in _ALWAYS else "|o--o{"


def _table(conn: psycopg.Connection[Any], view: View) -> Iterator[str]:
    name = f"mirror.{view.name}"
    (comment,) = conn.execute("SELECT obj_description(%s::regclass)", [name]).fetchone() or ("",)
    yield f"## `{view.name}`"
    yield ""
    yield f"{comment}"
    yield ""
    yield "| Column | Type | What it is |"
    yield "| --- | --- | --- |"
    for column, kind, what in conn.execute(_COLUMNS, [name]):
        yield f"| `{column}` | {_SHORT.get(kind, kind)} | {what} |"
    yield ""
