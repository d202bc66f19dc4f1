"""`python -m chaos`: what `make chaos` runs. Exits 0 only if nothing was lost, disordered or late."""

import secrets
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import click

from chaos.life import Life
from chaos.product import running_product
from chaos.service import running_service
from chaos.troubles import Troubles, plan
from chaos.verdict import Verdict

# What is waiting when the trouble ends is done within this time.
QUIET_WITHIN_S = 45.0


@click.command()
@click.option("--seconds", default=600, show_default=True, help="How long there is trouble.")
@click.option("--seed", type=int, help="Repeats the troubles of an earlier run; made up if it is not given.")
@click.option("--keep", type=click.Path(path_type=Path), help="Folder for the data and logs; else they are removed.")
def main(seconds: int, seed: int | None, keep: Path | None) -> None:
    """Make trouble for the whole service under `make up`, and check that nothing of its work is lost."""
    chosen = secrets.randbelow(2**31) if seed is None else seed
    click.echo(f"seed {chosen}, {seconds} s of trouble")
    with ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pluggy-sync-chaos-")))
        product = stack.enter_context(running_product(chosen))
        service = stack.enter_context(running_service(folder.resolve(), product.url, product.secret))
        life = stack.enter_context(Life(service, chosen))
        troubles = Troubles(service, say=click.echo)
        ends_at = time.monotonic() + seconds
        for trouble in plan(chosen, seconds, service.names()):
            life.go_on_until(min(ends_at, ends_at - seconds + trouble.at_s))
            troubles.make(trouble, meanwhile=life)
        life.go_on_until(ends_at)
        troubles.end()
        product.behave()
        click.echo("trouble is over")
        verdict = Verdict(service, product, life.item_ids, say=click.echo)
        verdict.wait_until_quiet(QUIET_WITHIN_S)
        verdict.check()
        click.echo(f"{life.done} and {product.summary}")
    click.echo("all is well" if verdict.is_good else f"FAILED with seed {chosen}")
    sys.exit(not verdict.is_good)


if __name__ == "__main__":
    main()
