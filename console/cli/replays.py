"""`pluggy-sync replay` and `events resend`: events of Pluggy handled once more."""

from datetime import datetime

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from console.cli import connections, options
from console.cli.exits import UnknownError
from pluggy_sync import queue
from pluggy_sync.engine import replays
from pluggy_sync.resources import Resources
from pluggy_sync.store import inbox
from pluggy_sync.store.inbox import Chosen


@click.command()
@click.argument("event_ids", metavar="[EVENT_ID]...", nargs=-1)
@click.option("--state", type=click.Choice(["stored", "handled", "dead"]), help="Only in this state.")
@click.option("--name", metavar="EVENT", help="Only of this kind, such as transactions/deleted.")
@options.item
@options.since
@options.until
@click.option("--dry-run", is_flag=True, help="Only count them.")
@click.option("--yes", is_flag=True, help="Do not ask first.")
def replay(
    *,
    event_ids: tuple[str, ...],
    state: str | None,
    name: str | None,
    item_id: str | None,
    since: datetime | None,
    until: datetime | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """
    Handle events of Pluggy once more, handled ones too.

    Those named by their ids, or all that fit the options. They are counted first. Each is handled as if it came now:
    its Item is fetched, and what the event tells is read again. Safe to stop and to repeat. Exits 4 if there are none.
    """
    filters = (state, name, item_id, since, until)
    if not event_ids and not any(filters):
        raise click.UsageError("Name events, or give at least one of --state, --name, --item, --since, --until.")
    chosen = Chosen(event_ids=event_ids or None, state=state, name=name, item_id=item_id, since=since, until=until)
    with connections.resources() as res:
        counted = replays.count(res, chosen)
        if not counted:
            raise UnknownError("There are no such events.")
        if dry_run:
            click.echo(_number(counted))
            return
        if not yes and len(event_ids) != counted:
            click.confirm(f"{_number(counted)}. Handle them once more?", abort=True)
        done = _with_progress(res, chosen, counted)
    how = "queued" if done <= replays.SENT_AT_ONCE else "due; the sweep queues them as the budget of requests allows"
    click.echo(f"{_number(done)} {how}")


def _number(number: int) -> str:
    return "1 event" if number == 1 else f"{number:,} events"


def _with_progress(res: Resources, chosen: Chosen, counted: int) -> int:
    done = 0
    columns = (TextColumn("replaying"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=counted)
        for number in replays.replay(res, chosen):
            done += number
            progress.update(task, completed=done)
    return done


@click.command()
@click.argument("event_id", metavar="EVENT_ID")
def resend(event_id: str) -> None:
    """
    Handle a dead or waiting event now.

    Parts that could not be read are read again.
    """
    with connections.resources() as res:
        with res.database.begin() as conn:
            again = inbox.redrive(conn, event_id, now=res.now())
            stored = None if again is None else inbox.get(conn, again)
        if stored is None:
            raise UnknownError("No such event, or it is handled: `pluggy-sync replay` takes handled ones too.")
        sent = res.sender.send([queue.Message(queue.task_of_event(stored.name), stored.event_id)])
    click.echo(f"{again}: " + ("queued" if sent else "due; the sweep queues it when Redis is back"))
