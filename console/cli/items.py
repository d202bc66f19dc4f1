"""`pluggy-sync items`: what is known of one Item, for whoever is paged. No bank data."""

from collections.abc import Sequence
from datetime import timedelta

import click
from rich.table import Table

from console.cli import connections, output
from console.cli.item_argument import ITEM
from console.cli.output import moment
from pluggy_sync.resources import Resources
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
    with connections.resources() as res:
        with res.database.begin() as conn:
            row = item_views.get(conn, item_id)
            if row is None:
                raise click.ClickException("This Item is not known here.")
            actions = user_actions.unsettled_of(conn, [item_id]).get(item_id, [])
            progress = item_progress.get(conn, item_id)
            runs = sync_runs.before(conn, item_id, None, limit=RUNS_SHOWN)
        console = output.console()
        console.print(_facts(res, row, actions, progress))
        console.print(_runs(runs))


def _facts(res: Resources, row: ItemView, actions: Sequence[Action], progress: item_progress.ItemProgress) -> Table:
    fresh = freshness_of(
        item_views.known(row, actions), now=res.now(), grace=timedelta(hours=res.settings.stale_after_hours)
    )
    table = Table(title=f"Item {row.id}", show_header=False)
    for name, value in (
        ("status", f"{row.status or '-'} / {row.execution_status or '-'}"),
        ("freshness", f"{fresh.state} since {moment(fresh.since)}" + (f" ({fresh.reason})" if fresh.reason else "")),
        ("connector", f"{row.connector_id or '-'} {row.connector_status or ''}"),
        ("collected by Pluggy", moment(row.last_updated_at)),
        ("next auto-sync", moment(row.next_auto_sync_at)),
        ("stored through", moment(row.synced_through)),
        ("consent ends", moment(row.consent_expires_at)),
        ("leased to a sync run until", moment(row.lease_until)),
        (
            "events",
            (
                f"last {progress.last_event_seq}, fetched {progress.fetched_seq}, "
                f"sync requested {progress.sync_requested_seq}, synced {progress.synced_seq}"
            ),
        ),
        ("failed syncs in a row", str(progress.sync_attempts)),
        ("changes in the feed", str(row.change_seq)),
        ("reconciled", moment(row.reconciled_at)),
        ("deleted", moment(row.deleted_at)),
        *((f"action {action.id}", f"{action.kind} {action.state} ({action.reason})") for action in actions),
    ):
        table.add_row(name, value)
    return table


def _runs(runs: Sequence[SyncRun]) -> Table:
    table = Table("Started", "Trigger", "Outcome", "Requests", "Added", "Modified", "Removed", "Error", title="Runs")
    for run in runs:
        counts = (run.requests, run.added, run.modified, run.removed)
        table.add_row(moment(run.started_at), run.trigger, run.outcome, *map(str, counts), run.error or "")
    return table
