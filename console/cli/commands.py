"""The group of all commands, and those of the whole installation."""

import click

from console.cli import environment
from console.cli.connections import explained_outages
from console.cli.console_login import console_login
from console.cli.endpoints import endpoints
from console.cli.events import events
from console.cli.imports import import_items
from console.cli.items import show_item
from console.cli.notifications import notifications
from console.cli.prune import prune
from console.cli.spill import spill
from console.cli.syncs import reconcile, sync
from console.cli.tokens import tokens
from pluggy_sync.store.database import create_engine
from pluggy_sync.store.migrate import migrate as migrate_database


@click.group()
def main() -> None:
    """
    Operate pluggy-sync.

    Settings come from the environment, else from .env, else from the service that `make up` runs in this folder;
    docs/settings.md explains them.
    """


@main.command()
def migrate() -> None:
    """Bring the database to the present schema."""
    engine = create_engine(environment.settings().database_url)
    try:
        with explained_outages():
            migrate_database(engine)
    finally:
        engine.dispose()
    click.echo("The database is at the present schema.")


@main.command()
def check() -> None:
    """Check the settings, and name every fault."""
    environment.settings()
    click.echo("The settings are complete.")


for _command in (
    console_login,
    sync,
    reconcile,
    import_items,
    show_item,
    events,
    notifications,
    endpoints,
    tokens,
    spill,
    prune,
):
    main.add_command(_command)
