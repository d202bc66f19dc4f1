"""What commands print in a terminal."""

from datetime import datetime

from rich.console import Console
from rich.markup import escape


def console() -> Console:
    """Return the console for tables: as wide as the terminal, and wide enough for ids where there is none."""
    found = Console()
    return found if found.is_terminal else Console(width=200)


def moment(value: datetime | None) -> str:
    """Return *value* for people, in UTC; a dash for None."""
    return "-" if value is None else f"{value:%Y-%m-%d %H:%M:%S}Z"


def as_it_is(text: str) -> str:
    """Return *text* for a table that shows it as it is: nothing in it is markup."""
    return escape(text)


def number_of(counted: int, at_most: int, what: str, *, shown: int) -> str:
    """Return how many *what* there are, of which *shown* are listed; *at_most*: counting stopped there."""
    number = f"{at_most} or more" if counted >= at_most else str(counted)
    return f"{number} {what}" + (f", the newest {shown} shown" if counted > shown else "")
