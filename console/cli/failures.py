"""
What a command says when it fails. Loaded only then.

It shows no traceback: one may quote a row, a URL or a secret.

Tests: `console/cli/test_lazy_group.py`.
"""

import click
import psycopg
from psycopg import errors
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from console.cli.exits import UnavailableError
from pluggy_sync.logs import describe_exception
from pluggy_sync.pluggy.errors import PluggyError, PluggyRefusedError

_OLD_SCHEMA = (errors.UndefinedTable, errors.UndefinedColumn, errors.UndefinedFunction)


def explained(exc: Exception) -> click.ClickException:
    """Return what to say about *exc*, with the exit status."""
    if isinstance(exc, DBAPIError | psycopg.Error):
        return _of_postgres(exc.orig if isinstance(exc, DBAPIError) else exc)
    if isinstance(exc, PoolTimeoutError):
        return UnavailableError(f"Postgres does not answer ({type(exc).__name__}).")
    if isinstance(exc, RedisError):
        return UnavailableError(f"Redis does not answer ({type(exc).__name__}).")
    if isinstance(exc, PluggyRefusedError):
        return click.ClickException(f"Pluggy refuses: {exc}.")
    if isinstance(exc, PluggyError):
        return UnavailableError(f"Pluggy does not answer as it should: {exc}.")
    return _of_ours(exc)


def _of_postgres(exc: BaseException | None) -> click.ClickException:
    name = type(exc).__name__
    if isinstance(exc, errors.ReadOnlySqlTransaction):
        return UnavailableError("This Postgres is read-only: DATABASE_URL has to name the primary.")
    if isinstance(exc, _OLD_SCHEMA):
        return click.ClickException("The database is not at the present schema. Run `pluggy-sync migrate`.")
    if isinstance(exc, errors.DiskFull):
        return click.ClickException("The disk of Postgres is full.")
    if isinstance(exc, psycopg.OperationalError | psycopg.InterfaceError):
        return UnavailableError(f"Postgres does not answer ({name}).")
    return click.ClickException(f"Postgres refuses the statement ({name}).")


def _of_ours(exc: Exception) -> click.ClickException:
    about = describe_exception(None, "", {"exc_info": exc})
    places = " < ".join(reversed(about["raised_at"][-4:]))
    return click.ClickException(f"A fault of ours: {about['exception']} at {places}. What was committed stays.")
