"""`pluggy-sync erase`: erasing a person, and looking how far erasures are."""

import time
from datetime import UTC, datetime
from typing import Any

import click

from console.cli import connections, exits, options, output
from console.cli.output import age, moment
from pluggy_sync import wire
from pluggy_sync.engine import erasure as erasing
from pluggy_sync.engine import receipts
from pluggy_sync.resources import Resources
from pluggy_sync.store import erased, erasures
from pluggy_sync.store.erasures import Erasure

SHOWN = 50
_LOOKS_EVERY_S = 0.5


@click.command()
@click.argument("user", required=False)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--wait", "wait_s", type=click.IntRange(0, 3600), default=60, show_default=True, help="Seconds.")
@click.option("--allow-return", is_flag=True, help="Let an erased USER connect banks again. Nothing comes back by it.")
@click.option("--list", "lists", is_flag=True, help="List the newest erasures.")
@click.option("--rotate-key", is_flag=True, help="Sign receipts with a new key from now on.")
@options.as_json
def erase(
    user: str | None, *, yes: bool, wait_s: int, allow_return: bool, lists: bool, rotate_key: bool, as_json: bool
) -> None:
    """
    Erase the person whom the product calls USER: at Pluggy, and everything here.

    Shows what there is of them and asks first. Workers do it; this waits for the end. Exits 3 if it is not done by
    then: it goes on by itself. No late event brings the person back; a new connect token does.
    """
    with connections.resources() as res:
        if lists:
            _list(res, as_json=as_json)
        elif rotate_key:
            click.echo(receipts.replace_key(res))
        elif user is None:
            raise click.UsageError("Name a USER.")
        elif allow_return:
            _allow_return(res, user)
        else:
            _erase(res, user, yes=yes, wait_s=wait_s, as_json=as_json)


def _erase(res: Resources, user: str, *, yes: bool, wait_s: int, as_json: bool) -> None:
    with res.database.begin() as conn:
        ids = erasures.items_known_of(conn, user)
        counts = erasures.count_rows(conn, ids)
    click.echo(f"{len(ids)} Items, and these rows:" if ids else "No Item of this person is known here.", err=True)
    for table, number in sorted(counts.items()):
        click.echo(f"  {number:>9} {table}", err=True)
    if not yes:
        click.confirm("Erase all of it, at Pluggy too? This cannot be undone.", abort=True, err=True)
    requested = erasing.request(res, user)
    ended = _wait(res, requested.id, wait_s)
    if as_json:
        output.as_json(_shown(res, ended))
    else:
        click.echo(_in_words(res, ended))
    if ended.state != erasures.DONE:
        raise SystemExit(exits.GOES_ON)


def _wait(res: Resources, erasure_id: str, wait_s: int) -> Erasure:
    end = time.monotonic() + wait_s
    while True:
        with res.database.begin() as conn:
            found = erasures.get(conn, erasure_id)
        if found is None:
            raise click.ClickException("The erasure is not there any more.")
        if found.state == erasures.DONE or time.monotonic() >= end:
            return found
        time.sleep(_LOOKS_EVERY_S)


def _in_words(res: Resources, found: Erasure) -> str:
    if found.state == erasures.DONE:
        return f"{found.id}: done; {sum(found.removed.values())} rows removed\n{found.receipt}"
    waits = f"waits for {found.waits_for}" if found.waits_for else "goes on"
    troubles = ", ".join(_troubles(res, found))
    return f"{found.id}: not done; {waits}{f' ({troubles})' if troubles else ''}; next try {moment(found.due_at)}"


def _troubles(res: Resources, found: Erasure) -> list[str]:
    with res.database.begin() as conn:
        return sorted({each.trouble for each in erasures.items_of(conn, found.id) if each.trouble is not None})


def _allow_return(res: Resources, user: str) -> None:
    with res.database.begin() as conn:
        erasure_id = erased.erasure_of_user(conn, user)
        found = None if erasure_id is None else erasures.lock(conn, erasure_id)
        if found is None:
            raise click.ClickException("This person was not erased.")
        if found.state != erasures.DONE:
            raise click.ClickException(f"The erasure {found.id} still runs.")
        erased.lift(conn, user)
    click.echo("The person may connect banks again. Their erased Items stay erased.")


def _list(res: Resources, *, as_json: bool) -> None:
    with res.database.begin() as conn:
        found = erasures.newest(conn, limit=SHOWN)
    if as_json:
        output.as_json([_shown(res, each) for each in found])
        return
    now = datetime.now(UTC)
    rows = [
        (
            each.id,
            output.state(each.state),
            age(each.requested_at, now),
            age(each.completed_at, now),
            ", ".join([each.waits_for, *_troubles(res, each)]) if each.waits_for else "-",
            str(sum(each.removed.values())),
        )
        for each in found
    ]
    output.listing(("Erasure", "State", "Requested", "Done", "Waits for", "Rows removed"), rows)


def _shown(res: Resources, found: Erasure) -> dict[str, Any]:
    return {
        "id": found.id,
        "state": found.state,
        "requestedAt": wire.to_text(found.requested_at),
        "completedAt": wire.to_text(found.completed_at),
        "waitsFor": found.waits_for,
        "troubles": _troubles(res, found),
        "removed": found.removed,
        "signedReceipt": found.receipt,
    }
