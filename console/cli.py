"""`pluggy-sync`: the operator's commands. Each takes its settings from the environment."""

import click

from console import running
from console.events import events
from console.imports import import_items
from console.items import show_item
from console.notifications import notifications
from console.syncs import reconcile, sync
from pluggy_sync.store.database import create_engine
from pluggy_sync.store.migrate import migrate as migrate_database


@click.group()
def main() -> None:
    """Operate pluggy-sync. Settings come from the environment; docs/settings.md explains them."""


@main.command()
def migrate() -> None:
    """Bring the database to the present schema."""
    engine = create_engine(running.settings().database_url)
    try:
        migrate_database(engine)
    finally:
        engine.dispose()
    click.echo("The database is at the present schema.")


@main.command()
def check() -> None:
    """Check the settings, and name every fault."""
    running.settings()
    click.echo("The settings are complete.")


for _command in (sync, reconcile, import_items, show_item, events, notifications):
    main.add_command(_command)
