"""`pluggy-sync sync` and `reconcile`: one Item, now, in the foreground."""

import threading
from collections.abc import Callable
from contextvars import copy_context

import click
import structlog
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from console.cli import connections
from console.cli.catch_up import End, Result, catch_up, is_leased, newest_run
from console.cli.exits import FAILED, GOES_ON, UNKNOWN
from console.cli.item_argument import ITEM
from pluggy_sync.engine.sync import item as item_sync
from pluggy_sync.resources import Resources

log = structlog.get_logger(__name__)

_EXITS = {End.LEASED: GOES_ON, End.UNKNOWN: UNKNOWN}
_POLL_S = 0.2


@click.command()
@click.argument("item_id", metavar="ITEM", type=ITEM)
@click.option("--deep", is_flag=True, help="Compare everything stored with Pluggy's, not only what is new.")
def sync(item_id: str, *, deep: bool) -> None:
    """
    Sync ITEM now, and wait for it.

    Safe to stop and to repeat: what was written stays, and the next sync run continues from the last good one. Exits 3
    if another sync run has the Item, 4 if nobody knows the Item, and 1 if it could not be synced.
    """
    with connections.resources() as res:
        _refuse_leased(res, item_id)
        result = _with_progress(res, item_id, lambda: _deeply(res, item_id) if deep else catch_up(res, item_id))
    _say(item_id, result)


@click.command()
@click.argument("item_id", metavar="ITEM", type=ITEM)
@click.pass_context
def reconcile(ctx: click.Context, item_id: str) -> None:
    """
    Compare everything that is stored of ITEM with Pluggy and repair it.

    The same as `sync --deep`.
    """
    ctx.invoke(sync, item_id=item_id, deep=True)


def _refuse_leased(res: Resources, item_id: str) -> None:
    if is_leased(res, item_id):
        click.echo(f"{item_id}: another sync run has the Item; it will sync what is new.", err=True)
        raise SystemExit(GOES_ON)


def _deeply(res: Resources, item_id: str) -> Result:
    """Sync what is new first: then all that the deep run changes are repairs."""
    first = catch_up(res, item_id)
    if first.end not in (End.SYNCED, End.UP_TO_DATE):
        return first
    if not item_sync.sync_deeply(res, item_id):
        return Result(end=End.LEASED, detail="another sync run has the Item")
    run = newest_run(res, item_id)
    if run is None or run.outcome != "done":
        return Result(end=End.FAILED, detail="" if run is None else run.error or run.outcome, run=run)
    return Result(end=End.SYNCED, run=run)


def _with_progress(res: Resources, item_id: str, work: Callable[[], Result]) -> Result:
    """Do *work* in a thread, and show what its run has done so far."""
    results: list[Result] = []
    thread = threading.Thread(target=copy_context().run, args=(lambda: results.append(work()),), daemon=True)
    began_with = res.pluggy.requests
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=12), TimeElapsedColumn())
    with Progress(*columns, transient=True) as progress:
        task = progress.add_task("asking Pluggy", total=None)
        thread.start()
        while thread.is_alive():
            thread.join(_POLL_S)
            progress.update(task, description=_so_far(res, item_id, res.pluggy.requests - began_with))
    if not results:
        raise click.ClickException("The sync ended with an error of ours; the log has it.")
    return results[0]


def _so_far(res: Resources, item_id: str, requests: int) -> str:
    run = newest_run(res, item_id)
    if run is None or run.outcome != "running":
        return f"{requests} requests"
    return f"{requests} requests (pages)  +{run.added:,}  ~{run.modified:,}  -{run.removed:,} rows"


def _say(item_id: str, result: Result) -> None:
    run = result.run
    if result.end is End.SYNCED and run is not None:
        click.echo(
            f"{item_id}: synced; {run.added} rows added, {run.modified} modified, {run.removed} removed, "
            f"{run.requests} requests" + (f"; incomplete: {result.detail}" if result.detail else "")
        )
        return
    click.echo(f"{item_id}: {result.end}" + (f" ({result.detail})" if result.detail else ""))
    if result.end is not End.UP_TO_DATE:
        raise SystemExit(_EXITS.get(result.end, FAILED))
