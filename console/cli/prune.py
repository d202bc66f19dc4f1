"""`pluggy-sync prune`: removing what is over its life, which beat does by itself, now and to the end."""

from collections.abc import Mapping

import click

from console.cli import connections, options, output
from pluggy_sync.engine import pruning
from pluggy_sync.resources import Resources
from pluggy_sync.rules.retention import Tier

# Counting more takes long, and says no more.
COUNTED = 1_000_000


@click.command()
@click.option("--dry-run", is_flag=True, help="Remove nothing; count what would go.")
@options.yes
@options.as_json
def prune(*, dry_run: bool, yes: bool, as_json: bool) -> None:
    """
    Remove what is older than the settings KEEP_... say.

    They are counted first, by the settings of this command: they have to be those of the workers. Safe to stop and to
    repeat, and while the service works. Workers do the same by themselves, a little every half minute.
    """
    with connections.resources() as res:
        found: Mapping[Tier, int] = {} if yes and not dry_run else pruning.overdue(res, at_most=COUNTED)
        if not dry_run:
            if any(found.values()):
                _confirm(found)
            found = _removed(res, quiet=as_json)
        lives = pruning.lives(res.settings)
    if as_json:
        output.as_json({tier.value: found.get(tier, 0) for tier in Tier})
        return
    rows = []
    for tier in Tier:
        life = lives[tier]
        number = found.get(tier, 0)
        shown = f"{COUNTED:,} or more" if dry_run and number >= COUNTED else f"{number:,}"
        rows.append((tier.value, "ever" if life is None else f"{life} days", shown))
    output.listing(("Tier", "Kept for", "Would go" if dry_run else "Removed"), rows)


def _confirm(found: Mapping[Tier, int]) -> None:
    counted = ", ".join(
        f"{number:,}{' or more' if number >= COUNTED else ''} of {tier.value}"
        for tier, number in found.items()
        if number
    )
    click.confirm(f"Rows that are over their life: {counted}. Remove them for ever?", abort=True, err=True)


def _removed(res: Resources, *, quiet: bool) -> Mapping[Tier, int]:
    total = 0

    def tell(_tier: Tier, removed: int) -> None:
        nonlocal total
        before, total = total, total + removed
        if not quiet and total // 10_000 > before // 10_000:
            click.echo(f"{total:,} rows", err=True)

    return pruning.prune(res, at_once=True, told=tell)
