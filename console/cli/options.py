"""
Options that several commands have: each means the same everywhere.

Tests: `console/cli/test_commands.py`.
"""

import click

from console.cli.item_argument import ITEM
from console.cli.moments import MOMENT

SHOWN = 50
MOST_SHOWN = 10_000

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
limit = click.option(
    "--limit", type=click.IntRange(1, MOST_SHOWN), default=SHOWN, show_default=True, help="At most so many."
)
item = click.option("--item", "item_id", metavar="ITEM", type=ITEM, help="Only of this Item.")
since = click.option(
    "--since", metavar="TIME", type=MOMENT, help="Only from then on: 2026-03-10, 2026-03-10T15:00:00Z, or 2h (ago)."
)
yes = click.option("--yes", is_flag=True, help="Do not ask first.")
until = click.option("--until", metavar="TIME", type=MOMENT, help="Only before then.")


# What is counted before a command asks. More takes long, and says no more.
COUNTED = 100_000


def number(counted: int, one: str, several: str) -> str:
    """Return how many there are, in words for one and for several; of `COUNTED`, that there may be more."""
    return f"1 {one}" if counted == 1 else f"{counted:,}{' or more' if counted >= COUNTED else ''} {several}"
