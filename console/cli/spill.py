"""`pluggy-sync spill`: what Pluggy delivered while Postgres was away, and bringing it into Postgres by hand."""

from pathlib import Path

import click
import psycopg
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from console.cli import connections, environment, output
from console.cli.output import moment
from pluggy_sync import spill as spills
from pluggy_sync.engine import intake
from pluggy_sync.settings import Settings
from pluggy_sync.store import inbox
from pluggy_sync.store.database import OPERATOR, connect_for

SHOWN = 100


@click.group(invoke_without_command=True)
@click.option("--events", is_flag=True, help="The oldest events in it, without what they say.")
@click.pass_context
def spill(ctx: click.Context, *, events: bool) -> None:
    """List the files of the spill on this machine, and how many events wait in each."""
    if ctx.invoked_subcommand is not None:
        return
    settings = environment.settings()
    folder = _folder(settings)
    output.console().print(_table_of_events(settings, folder) if events else _table_of_files(folder))
    waiting = spills.waiting(folder)
    click.echo(f"{waiting.deliveries} wait" + (f", since {moment(waiting.oldest)}" if waiting.oldest else ""))


@spill.command()
def drain() -> None:
    """Bring into Postgres what dead processes left. A process that lives drains its own file by itself."""
    with connections.resources() as res:
        folder = _folder(res.settings)
        try:
            conn = connect_for(res.database, OPERATOR)
            emptied = intake.adopt(res, folder, lambda arrivals: inbox.store_alone(conn, arrivals))
            conn.invalidate()
        except (SQLAlchemyError, psycopg.Error) as exc:
            raise click.ClickException(f"Postgres does not answer ({type(exc).__name__}). Nothing is lost.") from None
    left = spills.waiting(folder).deliveries
    click.echo(f"{emptied} files emptied; {left} events wait in files of living processes or could not be read")


def _folder(settings: Settings) -> Path:
    if settings.spill_folder is None:
        raise click.ClickException("SPILL_FOLDER is not set: there is no spill.")
    return Path(settings.spill_folder)


def _table_of_files(folder: Path) -> Table:
    table = Table("File", "Its process", "Events", "Oldest", "Bytes")
    for each in spills.listed(folder):
        number, oldest = ("cannot be read", "-")
        if each.waiting is not None:
            number, oldest = str(each.waiting.deliveries), moment(each.waiting.oldest)
        table.add_row(each.name, "lives" if each.lives else "dead", number, oldest, f"{each.bytes:,}")
    return table


def _table_of_events(settings: Settings, folder: Path) -> Table:
    table = Table("Received", "Event", "Name", "Item", "Bytes")
    box = spills.box_of(settings.secret_key, *settings.previous_secret_keys)
    for each in spills.deliveries(folder, box, limit=SHOWN):
        if each.body is None:
            table.add_row(moment(each.received_at), "sealed with another SECRET_KEY", "-", "-", f"{each.size:,}")
            continue
        found = intake.read(
            each.body, received_at=each.received_at, client_id=settings.pluggy_client_id, fault=each.fault
        ).arrival
        table.add_row(moment(each.received_at), found.event_id, found.name, found.item_id or "-", f"{each.size:,}")
    return table
