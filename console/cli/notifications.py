"""`pluggy-sync notifications`: notifications that the product did not get, and sending them again."""

import click
from rich.table import Table

from console.cli import connections, output
from console.cli.output import moment
from pluggy_sync import queue
from pluggy_sync.store import endpoints, outbox

SHOWN = 100


@click.group(invoke_without_command=True)
@click.option("--state", type=click.Choice(["pending", "dead", "delivered"]), default="dead", show_default=True)
@click.pass_context
def notifications(ctx: click.Context, *, state: str) -> None:
    """List the newest notifications in a state: `pending` ones wait, `dead` ones are dead letters."""
    if ctx.invoked_subcommand is not None:
        return
    with connections.resources() as res, res.database.begin() as conn:
        found = outbox.newest(conn, state=state, limit=SHOWN)
        counted = outbox.count(conn, state=state)
    table = Table("Notification", "Type", "Item", "Written", "Due", "Attempts")
    for row in found:
        due = moment(row.due_at) if state == "pending" else "-"
        table.add_row(row.id, row.type, row.item_id or "-", moment(row.created_at), due, str(row.attempts))
    output.console().print(table)
    click.echo(output.number_of(counted, outbox.COUNTED, state, shown=SHOWN))


@notifications.command()
@click.argument("notification_id", metavar="ID")
def resend(notification_id: str) -> None:
    """Deliver a notification now, with the same id, whatever its state."""
    with connections.resources() as res:
        with res.database.begin() as conn:
            again = outbox.redrive(conn, notification_id, now=res.now())
        if not again:
            raise click.ClickException("No such notification.")
        sent = res.sender.send([queue.Message(queue.DELIVER, notification_id)])
    click.echo(f"{notification_id}: " + ("queued" if sent else "due; the sweep queues it when Redis is back"))


@notifications.command()
def resume() -> None:
    """Send to the product's endpoint again, after it was stopped because it answered 410."""
    with connections.resources() as res:
        url = res.settings.product_webhook_url
        if url is None:
            raise click.ClickException("PRODUCT_WEBHOOK_URL is not set.")
        with res.database.begin() as conn:
            was_stopped = endpoints.resume(conn, url)
    click.echo("Resumed; the sweep delivers what waits." if was_stopped else "It was not stopped.")
