"""
What commands print.

Lists are tables where they fit. Where they do not, each row is a block of lines, so that no id is ever cut. Into a pipe
they are tables as wide as they have to be.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pluggy_sync import wire
from pluggy_sync.rules.ages import ago

Cell = str | Text

# By state, of whatever kind: one word means one thing everywhere.
_GOOD, _BUSY, _ATTENTION, _BAD, _QUIET = "green", "cyan", "yellow", "bold red", "dim"
_STYLES: Mapping[str, str] = {
    **dict.fromkeys(
        ("fresh", "done", "handled", "delivered", "working", "ONLINE", "UPDATED", "resolved", "pass"), _GOOD
    ),
    **dict.fromkeys(("syncing", "running", "stored", "pending", "submitted", "UPDATING", "lives"), _BUSY),
    **dict.fromkeys(
        ("stale", "waiting_for_person", "rescheduled", "failing", "UNSTABLE", "OUTDATED", "open", "heads-up"),
        _ATTENTION,
    ),
    **dict.fromkeys(
        ("error", "bank_outage", "failed", "dead", "stopped", "OFFLINE", "LOGIN_ERROR", "abandoned", "problem"), _BAD
    ),
    **dict.fromkeys(("deleted", "disabled", "unset", "expired", "superseded"), _QUIET),
}


def state(word: str | None, more: str = "") -> Text:
    """Return a state in its colour, and *more* behind it; a dash for None."""
    return Text.assemble((word or "-", _STYLES.get(word or "", "")), more)


def shown(value: object) -> str:
    """Return *value* as text; a dash for None and for an empty text. 0 is a value: a bank has that number."""
    return "-" if value is None or value == "" else str(value)


def age(value: datetime | None, now: datetime) -> str:
    """Return how long ago *value* is, in words; a dash for None."""
    return "-" if value is None else ago(value, now)


def moment(value: datetime | None) -> str:
    """Return *value* for people, in UTC; a dash for None."""
    return "-" if value is None else f"{value:%Y-%m-%d %H:%M:%S}Z"


def _plain(cell: Cell) -> Text:
    """Return *cell* as it is: nothing in it is markup."""
    return cell if isinstance(cell, Text) else Text(cell)


def listing(columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, title: str | None = None) -> None:
    """Print *rows*. The first column names a row. Of no rows nothing is printed."""
    found = [[_plain(cell) for cell in row] for row in rows]
    if not found:
        return
    console = Console(highlight=False)
    table = Table(*columns, title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for row in found:
        table.add_row(*row)
    width = console.measure(table, options=console.options.update(width=10_000, max_width=10_000)).maximum
    if not console.is_terminal:
        console = Console(highlight=False, width=max(width, console.width))
    if width <= console.width:
        console.print(table)
        return
    if title is not None:
        console.print(Text(title, style="italic"), soft_wrap=True)
    for row in found:
        _block(console, columns, row)


def _block(console: Console, columns: Sequence[str], row: Sequence[Text]) -> None:
    console.print(Text.assemble(row[0], style="bold"), soft_wrap=True)
    facts(
        [(name, cell) for name, cell in zip(columns[1:], row[1:], strict=True) if cell.plain not in ("", "-")], console
    )


def facts(named: Sequence[tuple[str, Cell]], console: Console | None = None) -> None:
    """Print values by their names, each on a line."""
    console = console or Console(highlight=False)
    width = max((len(name) for name, _ in named), default=0)
    for name, cell in named:
        # The terminal itself breaks a line that is too long: what is copied from it is whole.
        console.print(Text.assemble((f"  {name:<{width}}  ", "dim"), _plain(cell)), soft_wrap=True)


def line(text: Cell) -> None:
    """Print one line. The terminal itself breaks one that is too long."""
    Console(highlight=False).print(_plain(text), soft_wrap=True)


def as_json(value: Any) -> None:
    """Print *value* as JSON: moments as in the API."""
    click.echo(json.dumps(value, indent=2, default=_in_json))


def _in_json(value: object) -> object:
    return wire.to_text(value) if isinstance(value, datetime) else str(value)


def number_of(counted: int, at_most: int, what: str, *, shown: int) -> str:
    """Return how many *what* there are, of which *shown* are listed; *at_most*: counting stopped there."""
    number = f"{at_most} or more" if counted >= at_most else str(counted)
    return f"{number} {what}" + (f", the newest {shown} shown" if counted > shown else "")
