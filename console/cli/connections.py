"""The connections of one command, closed at its end."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
import structlog
from sqlalchemy.exc import OperationalError

from console.cli import environment
from pluggy_sync.logs import configure_logs
from pluggy_sync.resources import Resources, create_resources
from pluggy_sync.store.database import OPERATOR


@contextmanager
def resources(*, pool_size: int = 5) -> Iterator[Resources]:
    """Yield the connections of this process. Log lines of the engine stay out of the display, warnings too."""
    chosen = environment.settings()
    configure_logs("ERROR")
    structlog.contextvars.clear_contextvars()
    res = create_resources(chosen, OPERATOR, pool_size=pool_size)
    try:
        with explained_outages():
            yield res
    finally:
        res.close()


@contextmanager
def explained_outages() -> Iterator[None]:
    """If Postgres does not answer, end the command and say so."""
    try:
        yield
    except OperationalError as exc:
        raise click.ClickException(f"Postgres does not answer ({type(exc.orig).__name__}).") from None
