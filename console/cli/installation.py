"""`pluggy-sync migrate` and `check`: the schema and the settings of the whole installation."""

import click

from console.cli import environment
from pluggy_sync.store.database import create_engine
from pluggy_sync.store.migrate import migrate as migrate_database
from pluggy_sync.store.schema import SchemaError


@click.command()
def migrate() -> None:
    """Bring the database to the present schema."""
    settings = environment.settings(needs=("DATABASE_URL",))
    engine = create_engine(settings.database_url, schema=settings.database_schema)
    try:
        left = migrate_database(engine, stale_after=settings.stale_after)
    except SchemaError as exc:
        raise click.ClickException(str(exc)) from None
    finally:
        engine.dispose()
    click.echo("The database is at the present schema.")
    for note in left:
        click.echo(note, err=True)


@click.command()
def check() -> None:
    """Check the settings, and name every fault."""
    environment.settings()
    click.echo("The settings are complete.")
