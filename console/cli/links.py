"""`pluggy-sync links`: Items that took the place of others: what is believed and why, and deciding otherwise."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from console.cli import connections, options, output
from console.cli.item_argument import ITEM
from console.cli.reading import reading
from pluggy_sync.engine import succession
from pluggy_sync.engine.succession import CannotLinkError, Preview
from pluggy_sync.resources import Resources
from pluggy_sync.store import item_links
from pluggy_sync.store.item_links import Link, State

OLD = click.argument("old_item_id", metavar="OLD", type=ITEM)
NEW = click.argument("new_item_id", metavar="NEW", type=ITEM)


@contextmanager
def _resources() -> Iterator[Resources]:
    """Yield the connections; what cannot be done ends the command with its reason."""
    try:
        with connections.resources() as res:
            yield res
    except CannotLinkError as exc:
        raise click.ClickException(str(exc)) from None


@click.group()
def links() -> None:
    """
    Show, preview, confirm and undo links of Items for the same accounts.

    A person who connects a bank anew has two Items for the same accounts. The newer one takes the place of the older
    one, which is then no longer synced. What the rule is sure of is linked, what it doubts is suggested here.
    """


@links.command("list")
@click.option(
    "--state", type=click.Choice([each.value for each in State]), help="Only those; suggested ones wait for you."
)
@options.limit
@options.as_json
def list_(*, state: str | None, limit: int, as_json: bool) -> None:
    """List the links that changed last."""
    with reading() as read:
        found = item_links.newest(read.conn, state=None if state is None else State(state), limit=limit)
    _print(found, as_json=as_json)


@links.command()
@click.argument("item_id", metavar="ITEM", type=ITEM)
@options.as_json
def show(item_id: str, *, as_json: bool) -> None:
    """Show the links of ITEM, as the older or the newer one."""
    with reading() as read:
        found = item_links.of_item(read.conn, item_id)
    _print(found, as_json=as_json)


@links.command()
@OLD
@NEW
@options.as_json
def preview(old_item_id: str, new_item_id: str, *, as_json: bool) -> None:
    """Show what a link of OLD and NEW does, and what speaks for it; change nothing."""
    with _resources() as res:
        found = succession.preview(res, old_item_id, new_item_id)
    if as_json:
        output.as_json(_preview(found))
        return
    comparison = found.comparison
    rows = [(each.old.id, each.new.id, each.reason) for each in comparison.accounts]
    output.listing(("Account of OLD", "Account of NEW", "Why"), rows)
    click.echo(f"The rule says {comparison.verdict}: score {comparison.score}, {', '.join(comparison.reasons)}.")
    click.echo(f"{found.paired} rows of OLD are in NEW too; {found.kept} are in OLD alone and stay readable.")


@links.command()
@OLD
@NEW
@click.confirmation_option(prompt="OLD is no longer synced or asked about, and the product is told. Link them?")
def confirm(old_item_id: str, new_item_id: str) -> None:
    """Link OLD and NEW: the product gets `item.replaced`."""
    with _resources() as res:
        succession.confirm(res, old_item_id, new_item_id)
    click.echo(f"{old_item_id}: replaced by {new_item_id}")


@links.command()
@OLD
@NEW
def undo(old_item_id: str, new_item_id: str) -> None:
    """Undo the link of OLD and NEW, or turn the suggestion down. OLD is synced again; the rule links them no more."""
    with _resources() as res:
        succession.undo(res, old_item_id, new_item_id)
    click.echo(f"{old_item_id}: in its own place again")


def _print(found: Sequence[Link], *, as_json: bool) -> None:
    if as_json:
        output.as_json([_shown(each) for each in found])
        return
    rows = [
        (
            each.old_item_id,
            each.new_item_id,
            each.state,
            each.made_by,
            str(each.score),
            output.moment(each.changed_at),
            ", ".join(each.reasons),
        )
        for each in found
    ]
    output.listing(("Old", "New", "State", "By", "Score", "Changed", "Reasons"), rows)


def _shown(link: Link) -> dict[str, Any]:
    return {
        "old": link.old_item_id,
        "new": link.new_item_id,
        "state": link.state,
        "by": link.made_by,
        "score": link.score,
        "reasons": list(link.reasons),
        "createdAt": link.created_at,
        "changedAt": link.changed_at,
    }


def _preview(found: Preview) -> dict[str, Any]:
    comparison = found.comparison
    return {
        "verdict": comparison.verdict,
        "score": comparison.score,
        "reasons": list(comparison.reasons),
        "accounts": [{"old": each.old.id, "new": each.new.id, "why": each.reason} for each in comparison.accounts],
        "rowsInBoth": found.paired,
        "rowsInOldAlone": found.kept,
    }
