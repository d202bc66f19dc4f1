"""`pluggy-sync events`: deliveries of Pluggy's, and handling one that is not handled. Payloads are not shown."""

from datetime import datetime

import click

from console.cli import options, output
from console.cli.lazy_group import Entry, LazyGroup
from console.cli.reading import reading
from pluggy_sync.store import inbox
from pluggy_sync.store.inbox import StoredEvent


@click.group(
    cls=LazyGroup,
    entries={"resend": Entry("console.cli.replays:resend", "Handle a dead or waiting event now.")},
    invoke_without_command=True,
)
@click.option("--state", type=click.Choice(["stored", "dead", "handled"]), default="dead", show_default=True)
@click.option("--unread", is_flag=True, help="Those with a part that could not be read, in any state.")
@options.item
@options.since
@options.limit
@options.as_json
@click.pass_context
def events(
    ctx: click.Context,
    *,
    state: str,
    unread: bool,
    item_id: str | None,
    since: datetime | None,
    limit: int,
    as_json: bool,
) -> None:
    """
    List events of Pluggy, or handle one again.

    The newest in a state: `stored` ones wait, `dead` ones are dead letters.
    """
    if ctx.invoked_subcommand is not None:
        return
    in_state = None if unread else state
    with reading() as read:
        found = inbox.newest(read.conn, state=in_state, unread=unread, item_id=item_id, since=since, limit=limit)
        counted = inbox.count(read.conn, state=in_state, unread=unread, item_id=item_id, since=since)
    if as_json:
        output.as_json([_in_json(each) for each in found])
        return
    rows = [
        (
            each.event_id,
            each.name,
            output.shown(each.item_id),
            output.state(each.state),
            output.age(each.received_at, read.now),
            output.age(each.due_at, read.now) if each.state == "stored" else "-",
            str(each.attempts),
            _why(each),
        )
        for each in found
    ]
    output.listing(("Event", "Name", "Item", "State", "Received", "Due", "Attempts", "Outcome or error"), rows)
    what = "unread" if unread else state
    click.echo(output.number_of(counted, inbox.COUNTED, what, shown=limit))


def _why(event: StoredEvent) -> str:
    why = output.shown(event.error or event.outcome)
    return f"{why}; unread: {', '.join(event.unread)}" if event.unread else why


def _in_json(event: StoredEvent) -> dict[str, object]:
    return {
        "id": event.event_id,
        "name": event.name,
        "itemId": event.item_id,
        "state": event.state,
        "outcome": event.outcome,
        "error": event.error,
        "attempts": event.attempts,
        "unread": event.unread or [],
        "receivedAt": event.received_at,
        "dueAt": event.due_at if event.state == "stored" else None,
    }
