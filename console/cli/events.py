"""`pluggy-sync events`: deliveries of Pluggy's that are not handled, and handling one again. Payloads are not shown."""

import click
from rich.table import Table

from console.cli import connections, output
from console.cli.output import moment
from pluggy_sync import queue
from pluggy_sync.store import inbox

SHOWN = 100


@click.group(invoke_without_command=True)
@click.option("--state", type=click.Choice(["stored", "dead", "handled"]), default="dead", show_default=True)
@click.option("--unread", is_flag=True, help="Those with a part that could not be read, in any state.")
@click.pass_context
def events(ctx: click.Context, *, state: str, unread: bool) -> None:
    """List the newest events in a state: `stored` ones wait, `dead` ones are dead letters."""
    if ctx.invoked_subcommand is not None:
        return
    with connections.resources() as res, res.database.begin() as conn:
        found = inbox.newest(conn, state=None if unread else state, unread=unread, limit=SHOWN)
        counted = inbox.count(conn, state=None if unread else state, unread=unread)
    table = Table("Event", "Name", "Item", "Received", "Due", "Attempts", "Outcome or error")
    for row in found:
        why = row.error or row.outcome or row.state
        if row.unread:
            why += f"; unread: {', '.join(row.unread)}"
        received, due = moment(row.received_at), moment(row.due_at) if state == "stored" else "-"
        table.add_row(row.event_id, row.name, row.item_id or "-", received, due, str(row.attempts), why)
    output.console().print(table)
    click.echo(output.number_of(counted, inbox.COUNTED, "unread" if unread else state, shown=SHOWN))


@events.command()
@click.argument("event_id", metavar="EVENT_ID")
def resend(event_id: str) -> None:
    """Handle a dead or waiting event now. Parts that could not be read are read again."""
    with connections.resources() as res:
        with res.database.begin() as conn:
            again = inbox.redrive(conn, event_id, now=res.now())
            stored = None if again is None else inbox.get(conn, again)
        if stored is None:
            raise click.ClickException("No such event, or it is handled.")
        sent = res.sender.send([queue.Message(queue.task_of_event(stored.name), stored.event_id)])
    click.echo(f"{again}: " + ("queued" if sent else "due; the sweep queues it when Redis is back"))
