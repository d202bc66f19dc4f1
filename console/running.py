"""What every command needs: settings, connections that are closed at the end, output on the terminal."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import click
import structlog
from rich.console import Console
from sqlalchemy.exc import OperationalError

from pluggy_sync.logs import configure_logs
from pluggy_sync.resources import Resources, create_resources
from pluggy_sync.settings import Settings, SettingsError, read_settings
from pluggy_sync.store.database import OPERATOR

# Exit statuses beside 0 and 1.
HELD = 3


def settings() -> Settings:
    """Return the settings of the environment; end with every fault named if there are any."""
    try:
        return read_settings(os.environ)
    except SettingsError as exc:
        raise click.ClickException(str(exc)) from None


@contextmanager
def resources(*, pool_size: int = 5) -> Iterator[Resources]:
    """Yield the connections of this process. Log lines of the engine stay out of the display, warnings too."""
    chosen = settings()
    configure_logs("ERROR")
    structlog.contextvars.clear_contextvars()
    res = create_resources(chosen, OPERATOR, pool_size=pool_size)
    try:
        yield res
    except OperationalError as exc:
        raise click.ClickException(f"Postgres does not answer ({type(exc.orig).__name__}).") from None
    finally:
        res.close()


def output() -> Console:
    """Return the console for tables: as wide as the terminal, and wide enough for ids where there is none."""
    console = Console()
    return console if console.is_terminal else Console(width=200)


def moment(value: datetime | None) -> str:
    """Return *value* for people, in UTC; a dash for None."""
    return "-" if value is None else f"{value:%Y-%m-%d %H:%M:%S}Z"
