"""
The connection of a command that only reads Postgres. It loads nothing that Redis, Pluggy or the product need.

Tests: `console/cli/test_lazy_group.py`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection

from console.cli import environment
from pluggy_sync.settings import Settings
from pluggy_sync.store.database import OPERATOR, create_engine


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A transaction, the settings, and the time as it began."""

    conn: Connection
    settings: Settings
    now: datetime


@contextmanager
def reading() -> Iterator[Reading]:
    """Yield a transaction of its own."""
    settings = environment.settings()
    engine = create_engine(settings.database_url, OPERATOR, schema=settings.database_schema, pool_size=1)
    try:
        with engine.begin() as conn:
            yield Reading(conn=conn, settings=settings, now=datetime.now(UTC))
    finally:
        engine.dispose()
