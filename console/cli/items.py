"""`pluggy-sync items`: what is known of one Item, for whoever is paged. No bank data."""

from collections.abc import Sequence
from datetime import timedelta

import click

from console.cli import output
from console.cli.exits import UnknownError
from console.cli.item_argument import ITEM
from console.cli.output import Cell, age
from console.cli.reading import Reading, reading
from pluggy_sync.rules.freshness import freshness_of
from pluggy_sync.store import item_progress, item_views, sync_runs, user_actions
from pluggy_sync.store.item_views import ItemView
from pluggy_sync.store.sync_runs import SyncRun
from pluggy_sync.store.user_actions import Action

RUNS_SHOWN = 10


@click.command("items")
@click.argument("item_id", metavar="ITEM", type=ITEM)
def show_item(item_id: str) -> None:
    """Show the state, freshness, open actions and last runs of ITEM."""
    with reading() as read:
        row = item_views.get(read.conn, item_id)
        if row is None:
            raise UnknownError("This Item is not known here.")
        actions = user_actions.unsettled_of(read.conn, [item_id]).get(item_id, [])
        progress = item_progress.get(read.conn, item_id)
        runs = sync_runs.before(read.conn, item_id, None, limit=RUNS_SHOWN)
    click.echo(f"Item {row.id}")
    output.facts(_facts(read, row, actions, progress))
    click.echo("Runs")
    _list_runs(read, runs)


def _facts(
    read: Reading, row: ItemView, actions: Sequence[Action], progress: item_progress.ItemProgress
) -> list[tuple[str, Cell]]:
    grace = timedelta(hours=read.settings.stale_after_hours)
    fresh = freshness_of(item_views.known(row, actions), now=read.now, grace=grace)
    because = f" ({fresh.reason})" if fresh.reason else ""
    return [
        ("status", f"{row.status or '-'} / {row.execution_status or '-'}"),
        ("freshness", output.state(fresh.state, f" since {age(fresh.since, read.now)}{because}")),
        ("connector", f"{row.connector_id or '-'} {row.connector_status or ''}"),
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
        *((f"action {each.id}", output.state(each.state, f" {each.kind} ({each.reason})")) for each in actions),
    ]


def _list_runs(read: Reading, runs: Sequence[SyncRun]) -> None:
    rows: list[list[Cell]] = [
        [
            age(run.started_at, read.now),
            run.trigger,
            output.state(run.outcome),
            *map(str, (run.requests, run.added, run.modified, run.removed)),
            run.error or "-",
        ]
        for run in runs
    ]
    output.listing(("Started", "Trigger", "Outcome", "Requests", "Added", "Modified", "Removed", "Error"), rows)
