"""`pluggy-sync spill`: what Pluggy delivered while Postgres was away, and bringing it into Postgres by hand."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

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
@options.as_json
@click.pass_context
def spill(ctx: click.Context, *, events: bool, limit: int, as_json: bool) -> None:
    """
    List what waits while Postgres is away, or bring it in.

    The files of the spill on this machine, and how many events wait in each.
    """
    if ctx.invoked_subcommand is not None:
        return
    settings = environment.settings()
    folder = _folder(settings)
    now = datetime.now(UTC)
    waiting = spills.waiting(folder)
    if as_json:
        listed = _events(settings, folder, limit) if events else [_file(each) for each in spills.listed(folder)]
        output.as_json({"waiting": waiting.deliveries, "oldestAt": waiting.oldest, "results": listed})
        return
    if events:
        _list_events(_events(settings, folder, limit), now)
    else:
        _list_files(folder, now)
    oldest = f", the oldest came {output.age(waiting.oldest, now)}" if waiting.oldest else ""
    click.echo(f"{waiting.deliveries} wait{oldest}")


@spill.command()
def drain() -> None:
    """Bring into Postgres what dead processes left. A process that lives drains its own file by itself."""
    with connections.resources() as res:
        folder = _folder(res.settings)
        try:
            conn = connect_for(res.database, OPERATOR, inbox.BY_INDEX)
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


def _file(listed: spills.Listed) -> dict[str, object]:
    waiting = listed.waiting
    return {
        "name": listed.name,
        "processLives": listed.lives,
        "events": None if waiting is None else waiting.deliveries,
        "oldestAt": None if waiting is None else waiting.oldest,
        "bytes": listed.bytes,
    }


def _events(settings: Settings, folder: Path, limit: int) -> list[dict[str, Any]]:
    """Return the oldest events without what they say. One that is sealed with another key has no id that is known."""
    box = spills.box_of(settings.secret_key, *settings.previous_secret_keys)
    found = []
    for each in spills.deliveries(folder, box, limit=limit):
        about: dict[str, Any] = {"id": None, "name": None, "itemId": None}
        if each.body is not None:
            arrival = intake.read(
                each.body, received_at=each.received_at, client_id=settings.pluggy_client_id, fault=each.fault
            ).arrival
            about = {"id": arrival.event_id, "name": arrival.name, "itemId": arrival.item_id}
        found.append({**about, "receivedAt": each.received_at, "bytes": each.size})
    return found


def _list_events(found: list[dict[str, Any]], now: datetime) -> None:
    rows = [
        (
            each["id"] or "sealed with another SECRET_KEY",
            output.shown(each["name"]),
            output.shown(each["itemId"]),
            output.age(each["receivedAt"], now),
            f"{each['bytes']:,}",
        )
        for each in found
    ]
    output.listing(("Event", "Name", "Item", "Received", "Bytes"), rows)
