"""What docs/tables.md says of the views: the picture, and each column as Postgres has it."""

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg

from pluggy_sync.store.mirror_views import View

_COLUMNS = """
    SELECT attname, format_type(atttypid, atttypmod), col_description(attrelid, attnum)
    FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
# What stands before this line is written by hand.
BEGINS = "## How they belong together"

_ABOUT_PICTURE = (
    "![The views, each with lines to those that name its rows](tables.svg)",
    "",
    "A line leads from a view to those that name its rows. All but `categories` name their Item, in `item_id`.",
)
_SHORT = {"timestamp with time zone": "timestamptz"}


def made_part(conn: psycopg.Connection[Any], views: Sequence[View]) -> str:
    """Return the document from `BEGINS` on."""
    tables = (line for view in views for line in _table(conn, view))
    return "\n".join([BEGINS, "", *_ABOUT_PICTURE, "", *tables])


_WIDTH, _HEIGHT, _ACROSS, _DOWN = 190, 34, 300, 58


def picture(views: Sequence[View]) -> str:
    """Return an SVG: a box for each view, a line from each view to those that name its rows."""
    lines = sorted({(column.leads_to, view.name) for view in views for column in view.columns if column.leads_to})
    lines = [(above, below) for above, below in lines if above != below]
    names = [view.name for view in views]
    depth = dict.fromkeys(names, 0)
    for _ in names:
        for above, below in lines:
            depth[below] = max(depth[below], depth[above] + 1)
    # What names no other view stands next to those that name it.
    for name in {above for above, _ in lines} - {below for _, below in lines}:
        depth[name] = min(depth[below] for above, below in lines if above == name) - 1
    places: dict[str, tuple[int, int]] = {}
    for name in names:
        row = sum(depth[other] == depth[name] for other in places)
        # Every other column is half a row lower: a line that passes a column passes between its boxes.
        places[name] = (20 + depth[name] * _ACROSS, 20 + row * _DOWN + depth[name] % 2 * _DOWN // 2)
    width = max(x for x, _ in places.values()) + _WIDTH + 20
    height = max(y for _, y in places.values()) + _HEIGHT + 20
    # All but a few rows name their Item: that line is drawn only where there is no other.
    others = {below for above, below in lines if above != "items"}
    drawn = [(above, below) for above, below in lines if above != "items" or below not in others]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">',
            "<title>The views of the schema mirror, and which names the rows of which</title>",
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            *(_line(places[above], places[below]) for above, below in drawn),
            *(_box(name, *places[name]) for name in names),
            "</svg>",
            "",
        ]
    )


def _line(above: tuple[int, int], below: tuple[int, int]) -> str:
    (x1, y1), (x2, y2) = (above[0] + _WIDTH, above[1] + _HEIGHT // 2), (below[0], below[1] + _HEIGHT // 2)
    middle = (x1 + x2) // 2
    return f'<path d="M{x1} {y1} C{middle} {y1} {middle} {y2} {x2} {y2}" fill="none" stroke="#64748b"/>'


def _box(name: str, x: int, y: int) -> str:
    return (
        f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="5" fill="#eef2ff" stroke="#3730a3"/>'
        f'<text x="{x + _WIDTH // 2}" y="{y + 22}" font-size="15" text-anchor="middle" fill="#1e1b4b">{name}</text>'
    )


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
