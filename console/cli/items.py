"""`pluggy-sync items`: which Items there are, and what is known of one, for whoever is paged. No bank data."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

import click

from console.cli import options, output
from console.cli.exits import UnknownError
from console.cli.output import Cell, age
from console.cli.reading import Reading, reading
from pluggy_sync import item_ids
from pluggy_sync.rules.freshness import State
from pluggy_sync.store import explanations, item_lists, item_progress, sync_runs
from pluggy_sync.store.explanations import Explained
from pluggy_sync.store.item_lists import Filter, Listed
from pluggy_sync.store.sync_runs import SyncRun

RUNS_SHOWN = 10
_BEGINNING = re.compile(r"[0-9a-f][0-9a-f-]{3,35}")


@click.command("items")
@click.argument("what", metavar="[ITEM]", required=False)
@click.option("--freshness", type=click.Choice([each.value for each in State]), help="Only in this state.")
@click.option("--user", "client_user_id", metavar="ID", help="Only of the person with this clientUserId.")
@click.option("--bank", "connector_id", metavar="NUMBER", type=click.IntRange(min=0), help="Only of this connector.")
@click.option("--status", metavar="STATUS", help="Only with this status of Pluggy's, such as LOGIN_ERROR.")
@options.limit
@options.as_json
def items(
    *,
    what: str | None,
    freshness: str | None,
    client_user_id: str | None,
    connector_id: int | None,
    status: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """
    List Items, search them, or show one.

    ITEM is an Item's id; or, for a search, the beginning of one, or the product's id of a person. Deleted Items are
    listed only with `--freshness deleted`.
    """
    with reading() as read:
        item_id = _whole_id(what)
        if item_id is not None:
            _show(read, item_id, as_json=as_json)
            return
        wanted = Filter(
            client_user_id=client_user_id,
            connector_id=connector_id,
            freshness=None if freshness is None else State(freshness),
            status=status,
        )
        found = _listed(read, wanted, limit) if what is None else _found(read, what, limit)
    if as_json:
        output.as_json([_in_json(each) for each in found])
        return
    _print(found, read.now)
    if len(found) == limit:
        click.echo(f"The first {limit}: --limit shows more, the other options narrow it.")


def _print(found: Sequence[Listed], now: datetime) -> None:
    rows = [
        (
            each.item.id,
            output.shown(each.item.client_user_id),
            output.shown(each.item.connector_id),
            output.state(each.freshness.state, f" ({each.freshness.reason})" if each.freshness.reason else ""),
            age(each.freshness.since, now),
            age(each.item.last_updated_at, now),
            str(len(each.actions)),
        )
        for each in found
    ]
    output.listing(("Item", "Person", "Bank", "Freshness", "Since", "Collected", "Actions"), rows)
    if not found:
        click.echo("No such Items.")


def _whole_id(what: str | None) -> str | None:
    try:
        return None if what is None else item_ids.read(what)
    except item_ids.NotAnItemIdError:
        return None


def _listed(read: Reading, wanted: Filter, limit: int) -> list[Listed]:
    found: list[Listed] = []
    for page in _pages(read, None, wanted, limit):
        found += page
        if len(found) >= limit:
            break
    return found[:limit]


def _pages(read: Reading, after: str | None, wanted: Filter, limit: int) -> Iterator[Sequence[Listed]]:
    while True:
        page = item_lists.page(read.conn, after, wanted, now=read.now, grace=read.settings.stale_after, limit=limit)
        yield page.items
        if page.next is None:
            return
        after = page.next


def _found(read: Reading, what: str, limit: int) -> list[Listed]:
    """Return the Items whose ids begin with *what*, and those of the person of that id."""
    found = _listed(read, Filter(client_user_id=what), limit)
    beginning = what.lower()
    if _BEGINNING.fullmatch(beginning):
        # Behind its own beginning in the order of the ids.
        page = next(_pages(read, beginning, Filter(), limit))
        known = {each.item.id for each in found}
        found += [each for each in page if each.item.id.startswith(beginning) and each.item.id not in known]
    return found[:limit]


def _in_json(listed: Listed) -> dict[str, object]:
    item = listed.item
    return {
        "id": item.id,
        "clientUserId": item.client_user_id,
        "connectorId": item.connector_id,
        "status": item.status,
        "executionStatus": item.execution_status,
        "freshness": {
            "state": listed.freshness.state.value,
            "since": listed.freshness.since,
            "reason": listed.freshness.reason,
        },
        "lastUpdatedAt": item.last_updated_at,
        "nextAutoSyncAt": item.next_auto_sync_at,
        "syncedThrough": item.synced_through,
        "openActions": [each.id for each in listed.actions],
    }


def _show(read: Reading, item_id: str, *, as_json: bool) -> None:
    """Show the state, freshness, open actions and last sync runs of one Item."""
    explained = explanations.read(read.conn, item_id, now=read.now, grace=read.settings.stale_after)
    if explained is None:
        raise UnknownError("This Item is not known here.")
    progress = item_progress.get(read.conn, item_id)
    runs = sync_runs.before(read.conn, item_id, None, limit=RUNS_SHOWN)
    if as_json:
        listed = Listed(item=explained.item, actions=explained.actions, freshness=explained.freshness)
        output.as_json({**_in_json(listed), "explanation": explained.sentence, "syncRuns": [_run(run) for run in runs]})
        return
    click.echo(f"Item {item_id}\n{explained.sentence}")
    output.facts(_facts(read, explained, progress))
    _list_runs(read, runs)
    click.echo(f"Why it is so: pluggy-sync explain {item_id}")


def _facts(read: Reading, of: Explained, progress: item_progress.ItemProgress) -> list[tuple[str, Cell]]:
    row = of.item
    because = f" ({of.freshness.reason})" if of.freshness.reason else ""
    because += ", as last fetched" if of.may_have_changed else ""
    return [
        ("person", output.shown(row.client_user_id)),
        ("bank", f"{output.shown(of.bank)} ({output.shown(row.connector_id)}) {row.connector_status or ''}"),
        ("status", f"{output.shown(row.status)} / {output.shown(row.execution_status)}"),
        ("freshness", output.state(of.freshness.state, f" since {age(of.freshness.since, read.now)}{because}")),
        ("collected by Pluggy", age(row.last_updated_at, read.now)),
        ("next auto-sync", age(row.next_auto_sync_at, read.now)),
        ("stored through", age(row.synced_through, read.now)),
        ("consent ends", age(row.consent_expires_at, read.now)),
        ("leased to a sync run until", age(row.lease_until, read.now)),
        (
            "events",
            (
                f"last {progress.last_event_seq}, fetched {progress.fetched_seq}, "
                f"sync requested {progress.sync_requested_seq}, synced {progress.synced_seq}"
            ),
        ),
        ("failed syncs in a row", str(progress.sync_attempts)),
        ("changes in the feed", str(row.change_seq)),
        ("reconciled", age(row.reconciled_at, read.now)),
        ("deleted", age(row.deleted_at, read.now)),
        *((f"action {each.id}", output.state(each.state, f" {each.kind} ({each.reason})")) for each in of.actions),
    ]


def _run(run: SyncRun) -> dict[str, object]:
    return {
        "id": run.id,
        "trigger": run.trigger,
        "outcome": run.outcome,
        "startedAt": run.started_at,
        "finishedAt": run.finished_at,
        "requests": run.requests,
        "added": run.added,
        "modified": run.modified,
        "removed": run.removed,
        "error": run.error,
    }


def _list_runs(read: Reading, runs: Sequence[SyncRun]) -> None:
    rows: list[list[Cell]] = [
        [
            age(run.started_at, read.now),
            run.trigger,
            output.state(run.outcome),
            *map(str, (run.requests, run.added, run.modified, run.removed)),
            output.shown(run.error),
        ]
        for run in runs
    ]
    columns = ("Started", "Trigger", "Outcome", "Requests", "Added", "Modified", "Removed", "Error")
    output.listing(columns, rows, title="Sync runs, the newest first")
