"""`pluggy-sync notifications`: notifications that the product did not get, and sending them again."""

from datetime import datetime

import click
from rich.table import Table

from console.cli import connections, output
from console.cli.moments import MOMENT
from console.cli.output import moment
from pluggy_sync.notifications import endpoints as use
from pluggy_sync.store import deliveries
from pluggy_sync.store.endpoints import ENVIRONMENT
from pluggy_sync.store.inbox import COUNTED

SHOWN = 100


@click.group(invoke_without_command=True)
@click.option("--state", type=click.Choice(["pending", "dead", "delivered"]), default="dead", show_default=True)
@click.pass_context
def notifications(ctx: click.Context, *, state: str) -> None:
    """List the newest notifications in a state: `pending` ones wait, `dead` ones are dead letters."""
    if ctx.invoked_subcommand is not None:
        return
    with connections.resources() as res, res.database.begin() as conn:
        found = deliveries.newest(conn, state=state, limit=SHOWN)
        counted = deliveries.count(conn, state=state)
    table = Table("Notification", "Endpoint", "Type", "Item", "Written", "Due", "Attempts")
    for row in found:
        due = moment(row.due_at) if state == "pending" else "-"
        table.add_row(
            row.notification_id,
            row.endpoint_id,
            row.type,
            row.item_id or "-",
            moment(row.created_at),
            due,
            str(row.attempts),
        )
    output.console().print(table)
    click.echo(output.number_of(counted, COUNTED, state, shown=SHOWN))


@notifications.command()
@click.argument("notification_id", metavar="[ID]", required=False)
@click.option(
    "--since", type=MOMENT, help="In place of an ID: all that were written from then on, and are not pending."
)
@click.option("--until", type=MOMENT, help="With --since: and before then. Without it: until now.")
@click.option("--dead", is_flag=True, help="With --since: only dead letters.")
@click.option("--endpoint", "endpoint_id", metavar="ID", help="Only to this endpoint.")
def resend(
    notification_id: str | None,
    *,
    since: datetime | None,
    until: datetime | None,
    dead: bool,
    endpoint_id: str | None,
) -> None:
    """Deliver one notification, or those of a time, again now, with the same id."""
    if (notification_id is None) == (since is None) or (notification_id is not None and (until or dead)):
        raise click.UsageError("Give the ID of one notification, or --since.")
    with connections.resources() as res:
        if since is not None:
            sent = use.resend_range(res, only_dead=dead, since=since, until=until or res.now(), endpoint_id=endpoint_id)
            click.echo(f"{sent} due; the sweep queues them")
            return
        endpoints = use.resend(res, notification_id or "", endpoint_id=endpoint_id)
        if endpoints is None:
            raise click.ClickException("No such notification.")
        if not endpoints:
            raise click.ClickException("It was for no endpoint. Name one with --endpoint.")
    click.echo(f"{notification_id}: due at {', '.join(endpoints)}")


@notifications.command()
def resume() -> None:
    """Send to the endpoint of PRODUCT_WEBHOOK_URL again, after it was stopped."""
    with connections.resources() as res:
        if res.settings.product_webhook_url is None:
            raise click.ClickException("PRODUCT_WEBHOOK_URL is not set.")
        use.resume(res, ENVIRONMENT)
    click.echo("Resumed; the sweep delivers what waits.")
