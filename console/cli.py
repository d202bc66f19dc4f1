"""`pluggy-sync`: the operator's commands. Each takes its settings from the environment."""

import os

import click

from pluggy_sync.settings import Settings, SettingsError, read_settings
from pluggy_sync.store.database import create_engine
from pluggy_sync.store.migrate import migrate as migrate_database


def _settings() -> Settings:
    try:
        return read_settings(os.environ)
    except SettingsError as exc:
        raise click.ClickException(str(exc)) from None


@click.group()
def main() -> None:
    """Operate pluggy-sync. Settings come from the environment; docs/settings.md explains them."""


@main.command()
def migrate() -> None:
    """Bring the database to the present schema."""
    engine = create_engine(_settings().database_url)
    try:
        migrate_database(engine)
    finally:
        engine.dispose()
    click.echo("The database is at the present schema.")


@main.command()
def check() -> None:
    """Check the settings, and name every fault."""
    _settings()
    click.echo("The settings are complete.")
