"""
`python -m bench.capacity --items 1000000`: what so many Items need, from figures that were measured.

The figures are those of docs/performance.md. Every other number is an option; docs/capacity.md gives the reason of its
default.
"""

import math
from dataclasses import dataclass

import click
from rich.console import Console
from rich.table import Table

# Pluggy's limit for an endpoint and an address, less a share for persons who wait.
REQUESTS_PER_MINUTE = 350
ROWS_PER_PAGE = 500
# Of one core, Postgres and worker together, for an update that stores 20 rows.
UPDATE_MS = 60
# Busier than this, a queue grows as soon as anything goes wrong.
BUSY = 0.5
WEEK_MINUTES = 7 * 24 * 60

# Bytes of a row with its indexes, as Postgres had them in the large database of `bench.growth`.
BYTES = {
    "transactions": 1434,
    "changes": 269,
    "items, with progress and watermarks": 2186,
    "accounts": 674,
    "balances": 237,
    "events": 605,
    "runs": 375,
    "notifications, with attempts": 756,
}


@dataclass(frozen=True, kw_only=True)
class Use:
    """What the Items are like, and how long what they leave behind is kept."""

    items: int
    updates_per_day: float = 4
    accounts: int = 3
    rows_of_year: int = 600
    reads_of_update: int = 6
    events_of_update: float = 3
    keep_days: int = 90
    keep_changes_days: int = 365
    peak: float = 2

    @property
    def updates_per_second(self) -> float:
        """In the busiest hour."""
        return self.items * self.updates_per_day * self.peak / 86_400


@dataclass(frozen=True, kw_only=True)
class Need:
    """What a deployment needs. Cores are those of workers and Postgres together; disk is in bytes, by table."""

    addresses: int
    transactions_reads_per_minute: float
    events_per_second: float
    cores: int
    disk: dict[str, float]


def need_of(use: Use) -> Need:
    """Return what *use* needs."""
    pages = math.ceil(use.rows_of_year / use.accounts / ROWS_PER_PAGE)
    # Reconciliation reads each account once a week, evenly.
    reconciling = use.items * use.accounts * pages / WEEK_MINUTES
    reads = use.updates_per_second * 60 * use.reads_of_update + reconciling
    updates = use.items * use.updates_per_day
    kept = updates * use.keep_days
    rows = {
        "transactions": use.items * use.rows_of_year,
        # Each row once as it came, and once more for one in two that changes or is removed.
        "changes": use.items * use.rows_of_year * 1.5 * use.keep_changes_days / 365,
        "items, with progress and watermarks": use.items,
        "accounts": use.items * use.accounts,
        "balances": use.items * use.accounts * use.updates_per_day * use.keep_changes_days,
        "events": kept * use.events_of_update,
        "runs": kept,
        "notifications, with attempts": kept,
    }
    return Need(
        addresses=math.ceil(reads / REQUESTS_PER_MINUTE),
        transactions_reads_per_minute=reads,
        events_per_second=use.updates_per_second * use.events_of_update,
        cores=math.ceil(use.updates_per_second * UPDATE_MS / 1000 / BUSY),
        disk={name: number * BYTES[name] for name, number in rows.items()},
    )


@click.command()
@click.option(
    "--items", default=[10_000, 100_000, 1_000_000, 10_000_000], multiple=True, help="May be given several times."
)
@click.option("--updates-per-day", default=Use.updates_per_day, show_default=True, help="Of an Item, by Pluggy's plan.")
@click.option("--accounts", default=Use.accounts, show_default=True, help="Of an Item.")
@click.option("--rows-of-year", default=Use.rows_of_year, show_default=True, help="Transactions of an Item in a year.")
@click.option("--reads-of-update", default=Use.reads_of_update, show_default=True, help="Requests for transactions.")
@click.option("--events-of-update", default=Use.events_of_update, show_default=True, help="Webhooks of one update.")
@click.option("--keep-days", default=Use.keep_days, show_default=True, help="Events, runs and notifications.")
@click.option(
    "--keep-changes-days", default=Use.keep_changes_days, show_default=True, help="The change feed, balances."
)
@click.option("--peak", default=Use.peak, show_default=True, help="The busiest hour, of an average one.")
def main(items: tuple[int, ...], **others: float) -> None:
    """Compute what so many Items need."""
    table = Table(
        "Items", "Addresses at Pluggy", "Reads a minute", "Events a second", "Cores", "Disk", "The most of it"
    )
    for number in items:
        need = need_of(Use(items=number, **others))  # type: ignore[arg-type]  # click knows the types
        most = max(need.disk, key=lambda name: need.disk[name])
        table.add_row(
            f"{number:,}",
            f"{need.addresses:,}",
            f"{need.transactions_reads_per_minute:,.0f}",
            f"{need.events_per_second:,.1f}",
            f"{need.cores:,}",
            _bytes(sum(need.disk.values())),
            f"{most}: {_bytes(need.disk[most])}",
        )
    Console(width=140).print(table)


def _bytes(number: float) -> str:
    return f"{number / 1e9:,.0f} GB" if number < 1e12 else f"{number / 1e12:,.1f} TB"


if __name__ == "__main__":
    main()
