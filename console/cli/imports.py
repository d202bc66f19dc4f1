"""
`pluggy-sync import`: Items that exist at Pluggy already, an adopter's first day.

Each is registered, fetched and synced, in the lane of reconciliation: people and events go first. An Item that is
synced already is skipped: a second call continues where the first one stopped.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TextIO

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from console.cli import connections
from console.cli.catch_up import BUDGET_PATIENCE_S, PATIENCE_S, End, Result, catch_up, refuse_unknown
from pluggy_sync import item_ids
from pluggy_sync.engine import item_list
from pluggy_sync.engine.sync.due import plan_of
from pluggy_sync.pluggy import rate_budget
from pluggy_sync.pluggy.errors import PluggyRefusedError
from pluggy_sync.resources import Resources
from pluggy_sync.store import erased, items, sync_state

_GOOD = frozenset({End.SYNCED, End.UP_TO_DATE})
_BAD = (End.FAILED, End.LEASED, End.UNKNOWN)


@dataclass(frozen=True, kw_only=True)
class NamedItem:
    """An Item that a line names, and the product's id of its person; None: the line does not say."""

    item_id: str
    client_user_id: str | None


@dataclass(frozen=True, kw_only=True)
class BadLine:
    """A line that names no Item. Its number is kept and not its text, which may be anything."""

    number: int
    why: str


def read_lines(lines: Iterable[str]) -> Iterator[NamedItem | BadLine]:
    """Yield what each line asks for: `itemId` or `itemId,clientUserId`. Empty lines, `#` and a heading are skipped."""
    seen: set[str] = set()
    for number, line in enumerate(lines, start=1):
        fields = [field.strip().strip('"') for field in line.lstrip("\ufeff").split(",")]
        if not line.strip() or line.startswith("#") or (not seen and fields[0].lower() in ("itemid", "item_id", "id")):
            continue
        try:
            item_id = item_ids.read(fields[0])
        except item_ids.NotAnItemIdError:
            yield BadLine(number=number, why="does not begin with an Item's id")
            continue
        if len(fields) > 2:
            yield BadLine(number=number, why="has more than two values")
        elif item_id not in seen:
            seen.add(item_id)
            yield NamedItem(item_id=item_id, client_user_id=(fields[1] if len(fields) > 1 else "") or None)


@click.command("import")
@click.argument("file", type=click.File(encoding="utf-8"), required=False)
@click.option("--all", "lists_all", is_flag=True, help="All Items at Pluggy, where it lists them for your application.")
@click.option("--jobs", default=4, show_default=True, type=click.IntRange(1, 16), help="Items at a time.")
def import_items(file: TextIO | None, *, lists_all: bool, jobs: int) -> None:
    """
    Take over the Items that FILE names (- for standard input), and sync each.

    One on each line: itemId, or itemId,clientUserId. Call it again to go on: Items that are synced are skipped. Exits 1
    if a line or an Item failed. An Item that waits for its person is registered, which is no failure.
    """
    if lists_all == (file is not None):
        raise click.UsageError("Name a FILE, or give --all.")
    found = [] if file is None else list(read_lines(file))
    bad = [each for each in found if isinstance(each, BadLine)]
    named = [each for each in found if isinstance(each, NamedItem)]
    for each in bad:
        click.echo(f"line {each.number}: {each.why}", err=True)
    with connections.resources(pool_size=4 * jobs) as res:
        if lists_all:
            named = list(_all_at_pluggy(res))
            click.echo(f"Pluggy lists {len(named)} Items.")
        ends = _import_all(res, named, jobs)
    click.echo(_summary(ends, bad))
    if bad or any(ends[end] for end in _BAD):
        raise SystemExit(1)


def _all_at_pluggy(res: Resources) -> Iterator[NamedItem]:
    try:
        with rate_budget.waiting(BUDGET_PATIENCE_S):
            for page in item_list.all_items(res):
                for each in page:
                    yield NamedItem(item_id=item_ids.read(each.id), client_user_id=each.client_user_id)
    except PluggyRefusedError as exc:
        if exc.status != item_list.FORBIDDEN:
            raise
        raise click.ClickException(
            "Pluggy does not list Items for this application (GET /v2/items is opt-in and paid). Name them in a FILE."
        ) from None


def _import_all(res: Resources, named: Sequence[NamedItem], jobs: int) -> "Counter[End]":
    ends: Counter[End] = Counter()
    columns = (TextColumn("importing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[now]}")) as progress, ThreadPoolExecutor(jobs) as threads:
        task = progress.add_task("", total=len(named), now="")
        futures = {threads.submit(_import_one, res, each): each for each in named}
        try:
            for future in as_completed(futures):
                result = future.result()
                ends[result.end] += 1
                progress.update(task, advance=1, now=f"{sum(ends[end] for end in _BAD)} failed")
                if result.end not in _GOOD:
                    progress.console.print(f"{futures[future].item_id}: {result.end} ({result.detail})", soft_wrap=True)
        except BaseException:
            # The Items that have begun are finished. The next call does the others.
            threads.shutdown(wait=False, cancel_futures=True)
            raise
    return ends


def _import_one(res: Resources, named: NamedItem) -> Result:
    with rate_budget.lane(rate_budget.Lane.RECONCILIATION):
        refusal = refuse_unknown(res, named.item_id) or _register(res, named)
        if refusal is not None:
            return refusal
        return catch_up(res, named.item_id, wait_s=PATIENCE_S)


def _register(res: Resources, named: NamedItem) -> Result | None:
    """Make the Item known; return how it ended if there is nothing to do."""
    with res.database.begin() as conn:
        if named.client_user_id is not None and erased.erasure_of_user(conn, named.client_user_id) is not None:
            return Result(end=End.GONE, detail="its person was erased; `pluggy-sync erase --allow-return` lets them in")
        row = items.lock(conn, named.item_id, now=res.now())
        if row.deleted_at is not None:
            return Result(end=End.GONE, detail="deleted before; its data is purged")
        if named.client_user_id is not None:
            if row.client_user_id not in (None, named.client_user_id):
                return Result(end=End.FAILED, detail="known as another clientUserId's")
            items.name_user(conn, named.item_id, named.client_user_id)
        state = sync_state.read(conn, named.item_id)
        synced = state is not None and state.first_synced_at is not None
        if state is not None and synced and plan_of(res, state, now=res.now()) is None:
            return Result(end=End.UP_TO_DATE)
    return None


def _summary(ends: "Counter[End]", bad: Sequence[BadLine]) -> str:
    parts = [f"{ends[end]} {end}" for end in End if ends[end]] + ([f"{len(bad)} bad lines"] if bad else [])
    return "; ".join(parts) or "nothing to import"
