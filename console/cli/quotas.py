"""`pluggy-sync quotas`: whose Open Finance requests of this month are used up, and for which data products."""

import click

from console.cli import options, output
from console.cli.reading import reading
from pluggy_sync.store import quotas as stored
from pluggy_sync.store.quotas import UsedUp


@click.command()
@options.limit
@options.as_json
def quotas(*, limit: int, as_json: bool) -> None:
    """
    Show whose Open Finance requests of this month are used up.

    The regulator allows so many a month for each person, bank and kind of data; the Items of one person at one bank
    share them. Nothing is asked again before the month ends.
    """
    with reading() as read:
        found = stored.used_up(read.conn, now=read.now, limit=limit)
    again = stored.there_again_on(read.now).isoformat()
    if as_json:
        output.as_json({"thereAgainOn": again, "results": [_in_json(each) for each in found]})
        return
    rows = [
        (
            each.item_id,
            output.shown(each.client_user_id),
            each.bank or str(each.connector_id),
            ", ".join(each.products),
            str(each.items_at_bank),
        )
        for each in found
    ]
    output.listing(("Item", "Person", "Bank", "Used up", "Items at the bank"), rows)
    click.echo(f"All is there again on {again}.")


def _in_json(each: UsedUp) -> dict[str, object]:
    return {
        "itemId": each.item_id,
        "clientUserId": each.client_user_id,
        "connectorId": each.connector_id,
        "bank": each.bank,
        "products": list(each.products),
        "itemsAtBank": each.items_at_bank,
    }
