"""`pluggy-sync notifications`: notifications to the product, and sending them again."""

from datetime import datetime

import click

from console.cli import options, output
from console.cli.lazy_group import Entry, LazyGroup
from console.cli.reading import reading
from pluggy_sync.store import deliveries
from pluggy_sync.store.deliveries import Delivery
from pluggy_sync.store.inbox import COUNTED


@click.group(
    cls=LazyGroup,
    entries={
        "resend": Entry("console.cli.resending:resend", "Deliver one notification, or those of a time, again now."),
        "resume": Entry("console.cli.resending:resume", "Send to the endpoint of PRODUCT_WEBHOOK_URL again."),
    },
    invoke_without_command=True,
)
@click.option("--state", type=click.Choice(["pending", "dead", "delivered"]), default="dead", show_default=True)
@options.item
@options.since
@options.limit
@options.as_json
@click.pass_context
def notifications(
    ctx: click.Context, *, state: str, item_id: str | None, since: datetime | None, limit: int, as_json: bool
) -> None:
    """
    List notifications to the product, or send them again.

    The newest in a state: `pending` ones wait, `dead` ones are dead letters.
    """
    if ctx.invoked_subcommand is not None:
        return
    with reading() as read:
        found = deliveries.newest(read.conn, state=state, item_id=item_id, since=since, limit=limit)
        counted = deliveries.count(read.conn, state=state, item_id=item_id, since=since)
    if as_json:
        output.as_json([_in_json(each) for each in found])
        return
    rows = [
        (
            each.notification_id,
            each.endpoint_id,
            each.type,
            output.shown(each.item_id),
            output.state(each.state),
            output.age(each.created_at, read.now),
            output.age(each.due_at, read.now) if each.state == "pending" else "-",
            str(each.attempts),
        )
        for each in found
    ]
    output.listing(("Notification", "Endpoint", "Type", "Item", "State", "Written", "Due", "Attempts"), rows)
    click.echo(output.number_of(counted, COUNTED, state, shown=limit))


def _in_json(delivery: Delivery) -> dict[str, object]:
    return {
        "id": delivery.notification_id,
        "endpointId": delivery.endpoint_id,
        "type": delivery.type,
        "itemId": delivery.item_id,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "createdAt": delivery.created_at,
        "dueAt": delivery.due_at if delivery.state == "pending" else None,
        "deliveredAt": delivery.delivered_at,
    }
