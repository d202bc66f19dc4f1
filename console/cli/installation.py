"""`pluggy-sync migrate` and `check`: the schema and the settings of the whole installation."""

import click

from console.cli import environment
from pluggy_sync.store.database import create_engine
from pluggy_sync.store.migrate import migrate as migrate_database


@click.command()
def migrate() -> None:
    """Bring the database to the present schema."""
    engine = create_engine(environment.settings().database_url)
    try:
        migrate_database(engine)
    finally:
        engine.dispose()
    click.echo("The database is at the present schema.")


@click.command()
def check() -> None:
    """Check the settings, and name every fault."""
    environment.settings()
    click.echo("The settings are complete.")
