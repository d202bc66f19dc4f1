"""`pluggy-sync spill`: what Pluggy delivered while Postgres was away, and bringing it into Postgres by hand."""

from datetime import UTC, datetime
from pathlib import Path

import click
import psycopg
from sqlalchemy.exc import SQLAlchemyError

from console.cli import connections, environment, options, output
from console.cli.exits import UnavailableError, WrongError
from pluggy_sync import spill as spills
from pluggy_sync.engine import intake
from pluggy_sync.settings import Settings
from pluggy_sync.store import inbox
from pluggy_sync.store.database import OPERATOR, connect_for


@click.group(invoke_without_command=True)
@click.option("--events", is_flag=True, help="The oldest events in it, without what they say.")
@options.limit
@click.pass_context
def spill(ctx: click.Context, *, events: bool, limit: int) -> None:
    """
    List what waits while Postgres is away, or bring it in.

    The files of the spill on this machine, and how many events wait in each.
    """
    if ctx.invoked_subcommand is not None:
        return
    settings = environment.settings()
    folder = _folder(settings)
    now = datetime.now(UTC)
    if events:
        _list_events(settings, folder, limit, now)
    else:
        _list_files(folder, now)
    waiting = spills.waiting(folder)
    click.echo(
        f"{waiting.deliveries} wait"
        + (f", the oldest came {output.age(waiting.oldest, now)}" if waiting.oldest else "")
    )


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
            raise UnavailableError(f"Postgres does not answer ({type(exc).__name__}). Nothing is lost.") from None
    left = spills.waiting(folder).deliveries
    click.echo(f"{emptied} files emptied; {left} events wait in files of living processes or could not be read")


def _folder(settings: Settings) -> Path:
    if settings.spill_folder is None:
        raise WrongError("SPILL_FOLDER is not set: there is no spill.")
    return Path(settings.spill_folder)


def _list_files(folder: Path, now: datetime) -> None:
    rows = []
    for each in spills.listed(folder):
        number, oldest = ("cannot be read", "-")
        if each.waiting is not None:
            number, oldest = str(each.waiting.deliveries), output.age(each.waiting.oldest, now)
        rows.append((each.name, "lives" if each.lives else "dead", number, oldest, f"{each.bytes:,}"))
    output.listing(("File", "Its process", "Events", "Oldest", "Bytes"), rows)


def _list_events(settings: Settings, folder: Path, limit: int, now: datetime) -> None:
    rows = []
    box = spills.box_of(settings.secret_key, *settings.previous_secret_keys)
    for each in spills.deliveries(folder, box, limit=limit):
        received, size = output.age(each.received_at, now), f"{each.size:,}"
        if each.body is None:
            rows.append(("sealed with another SECRET_KEY", "-", "-", received, size))
            continue
        found = intake.read(
            each.body, received_at=each.received_at, client_id=settings.pluggy_client_id, fault=each.fault
        ).arrival
        rows.append((found.event_id, found.name, found.item_id or "-", received, size))
    output.listing(("Event", "Name", "Item", "Received", "Bytes"), rows)
