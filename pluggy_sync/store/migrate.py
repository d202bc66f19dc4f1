"""Bringing a database to the present schema, with Alembic. Migrations live in `migrations/versions`."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine

# Any fixed number: two processes that migrate at once take turns.
_LOCK = 5_830_041


def alembic_config() -> Config:
    """Return the configuration of our migrations, for use without an ini file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    # The library's default. Without this line it warns.
    config.set_main_option("path_separator", "os")
    return config


def migrate(engine: Engine) -> None:
    """Bring the database to the present schema. Safe to call from several processes at once."""
    config = alembic_config()
    with engine.begin() as conn:
        conn.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        config.attributes["connection"] = conn
        command.upgrade(config, "head")
