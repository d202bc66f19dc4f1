"""`python -m bench`: one table. `--only` runs some of the subjects."""

import sys
import time
from collections.abc import Callable, Sequence

import click
from rich.console import Console
from rich.table import Table

from bench import (
    burst,
    database_path,
    drain,
    end_to_end,
    intake,
    notifications,
    pace,
    person,
    requests_made,
)
from bench.outcome import Outcome
from bench.stage import Stage, running_sandbox_process, running_stage
from pluggy_sync.logs import configure_logs
from standalone.sandbox import Sandbox

SUBJECTS: dict[str, Callable[[Stage, Sandbox], list[Outcome]]] = {
    "database": lambda stage, _: database_path.measure(stage),
    "end-to-end": end_to_end.measure,
    "requests": requests_made.measure,
    "burst": burst.measure,
    "intake": lambda stage, _: intake.measure(stage),
    "notifications": lambda stage, _: notifications.measure(stage),
    "drain": lambda stage, _: drain.measure(stage),
    "person": lambda stage, _: person.measure(stage),
    "pace": lambda stage, _: pace.measure(stage),
}
# Minutes; only when asked for.
LONG_SUBJECTS: dict[str, Callable[[Stage, Sandbox], list[Outcome]]] = {
    "pace-of-a-million": lambda stage, _: pace.measure(stage, pace.MILLION),
}


@click.command()
@click.option(
    "--only", multiple=True, type=click.Choice([*SUBJECTS, *LONG_SUBJECTS]), help="May be given several times."
)
def main(only: Sequence[str]) -> None:
    """Measure the service against references in the same run. Exits 1 if a target is missed."""
    configure_logs("ERROR")
    console = Console()
    outcomes: list[Outcome] = []
    with running_stage() as stage, running_sandbox_process() as pluggy:
        for name in only or SUBJECTS:
            began = time.monotonic()
            with console.status(f"measuring: {name}"):
                outcomes += (SUBJECTS | LONG_SUBJECTS)[name](stage, pluggy)
            console.print(f"{name}: {time.monotonic() - began:.0f} s", style="dim")
    console.print(_table(outcomes))
    sys.exit(any(each.met is False for each in outcomes))


def _table(outcomes: Sequence[Outcome]) -> Table:
    table = Table("What", "Measured", "Reference, same run", "Ratio", "Target", "Met")
    for each in outcomes:
        met = "-" if each.met is None else "[green]yes[/]" if each.met else "[red]NO[/]"
        table.add_row(each.what, each.measured, each.reference, each.ratio, each.target, met)
    return table


main()
