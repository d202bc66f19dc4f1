"""`pluggy-sync replay` and `events resend`: events of Pluggy handled once more."""

import click

from console.cli import connections
from console.cli.exits import UnknownError
from pluggy_sync import queue
from pluggy_sync.store import inbox


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
