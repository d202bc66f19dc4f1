"""`pluggy-sync notifications resend` and `resume`: what the product did not get."""

from datetime import datetime

import click

from console.cli import connections, options, output
from console.cli.exits import UnknownError
from pluggy_sync.notifications import endpoints as use
from pluggy_sync.store import deliveries
from pluggy_sync.store.endpoints import ENVIRONMENT


@click.command()
@click.argument("notification_id", metavar="[ID]", required=False)
@options.since
@options.until
@click.option("--dead", is_flag=True, help="With --since: only dead letters.")
@click.option("--endpoint", "endpoint_id", metavar="ID", help="Only to this endpoint.")
@options.yes
def resend(
    notification_id: str | None,
    *,
    since: datetime | None,
    until: datetime | None,
    dead: bool,
    endpoint_id: str | None,
    yes: bool,
) -> None:
    """
    Deliver one notification, or those of a time, again now.

    It keeps its id. In place of an ID, --since: all that were written from then on, and are not pending. These are
    counted first.
    """
    if (notification_id is None) == (since is None) or (notification_id is not None and (until or dead)):
        raise click.UsageError("Give the ID of one notification, or --since.")
    with connections.resources() as res:
        if since is not None:
            end = until or res.now()
            with res.database.begin() as conn:
                counted = deliveries.count_range(
                    conn, only_dead=dead, since=since, until=end, endpoint_id=endpoint_id, at_most=options.COUNTED
                )
            if counted and not yes:
                what = options.number(counted, "delivery", "deliveries")
                click.confirm(f"{what} of what was written since {output.moment(since)}. Send them again?", abort=True)
            sent = use.resend_range(res, only_dead=dead, since=since, until=end, endpoint_id=endpoint_id)
            click.echo(f"{sent} due; the sweep queues them")
            return
        endpoints = use.resend(res, notification_id or "", endpoint_id=endpoint_id)
        if endpoints is None:
            raise UnknownError("No such notification.")
        if not endpoints:
            raise click.ClickException("It was for no endpoint. Name one with --endpoint.")
    click.echo(f"{notification_id}: due at {', '.join(endpoints)}")


@click.command()
def resume() -> None:
    """
    Send to the endpoint of PRODUCT_WEBHOOK_URL again.

    The same as `endpoints resume ep_environment`.
    """
    with connections.resources() as res:
        if res.settings.product_webhook_url is None:
            raise click.ClickException("PRODUCT_WEBHOOK_URL is not set.")
        use.resume(res, ENVIRONMENT)
        with res.database.begin() as conn:
            waiting = deliveries.pending_by_endpoint(conn).get(ENVIRONMENT, 0)
    click.echo(f"Resumed; the sweep delivers what waits: {options.number(waiting, 'notification', 'notifications')}.")
