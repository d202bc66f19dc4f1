"""Bringing a database to the present schema, with Alembic. Migrations live in `migrations/versions`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from pluggy_sync.settings import DEFAULT_STALE_AFTER_HOURS
from pluggy_sync.store import mirror, schema

# Any fixed number: two processes that migrate at once take turns.
_LOCK = 5_830_041
_ASK_AGAIN_S = 0.2


def alembic_config() -> Config:
    """Return the configuration of our migrations, for use without an ini file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    # The library's default. Without this line it warns.
    config.set_main_option("path_separator", "os")
    return config


def migrate(engine: Engine, *, stale_after: timedelta = timedelta(hours=DEFAULT_STALE_AFTER_HOURS)) -> list[str]:
    """
    Bring our tables, and the views on them, to the present form; return what an administrator still has to do.

    Safe to call from several processes at once. *stale_after* is for the view of freshness.

    Each migration is committed by itself. One that makes indexes online is committed in parts; it may be repeated.

    Raises:
        schema.SchemaError: our tables cannot stand in their schema.
    """
    config = alembic_config()
    with _our_turn(engine), engine.connect() as conn:
        config.attributes["connection"] = conn

        def upgrade(revision: str) -> None:
            command.upgrade(config, revision)
            # Alembic leaves the transaction open in which it looked for something to do.
            conn.rollback()

        scripts = ScriptDirectory.from_config(config)
        of_before = {each.revision for each in scripts.iterate_revisions(schema.LAST_IN_PUBLIC, "base")}
        schema.prepare(conn, upgrade, of_before=of_before)
        upgrade("head")
        return mirror.refresh(conn, stale_after)


@contextmanager
def _our_turn(engine: Engine) -> Iterator[None]:
    """
    Hold the lock of migrations on a connection of its own.

    It is asked for again and again: whoever makes an index online waits for all statements that go on, and would wait
    for one that waits for the lock.
    """
    with engine.connect() as conn:
        while not conn.scalar(sa.text(f"SELECT pg_try_advisory_xact_lock({_LOCK})")):
            conn.rollback()
            time.sleep(_ASK_AGAIN_S)
        yield
