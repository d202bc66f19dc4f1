"""The commands `up` and `demo`."""

import os
import secrets
import shutil
import sys
import time
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from standalone import keys, orphans
from standalone.demo.checks import Checks
from standalone.demo.play import play
from standalone.logs import LogFiles, PrefixedLog
from standalone.plan import INSTEAD_OF
from standalone.polling import WaitedInVainError
from standalone.service import LEDGER, AlreadyRunningError, Service, locked, running_service
from standalone.signals import interrupt_on_signals
from standalone.supervisor import ProcessEndedError

DATA_DIR = Path(".data")

_data_dir = click.option(
    "--data", type=click.Path(path_type=Path), default=DATA_DIR, show_default=True, help="Folder of the data."
)


@click.group()
def main() -> None:
    """The whole service on this machine. Settings come from the environment or .env; none is needed."""


@main.command()
@_data_dir
def up(data: Path) -> None:
    """Run everything until Ctrl-C. The data stay, and the next start continues with them."""
    console = Console(highlight=False)
    log = PrefixedLog(console)
    interrupt_on_signals()
    try:
        # A new seed each time: an item of an earlier run is not to come back as somebody else's.
        seed = secrets.randbelow(2**31)
        running = running_service(data.resolve(), given_settings(), sandbox_seed=seed, say=log.say, show=log.show)
        with running as service:
            console.print(_addresses(service, data))
            service.supervisor.keep_running()
    except KeyboardInterrupt:
        log.say("stopped")
    # OSError: a port was free when it was chosen and is taken now.
    except (AlreadyRunningError, ProcessEndedError, WaitedInVainError, OSError) as exc:
        log.say(f"{exc}; everything is stopped")
        sys.exit(1)


@main.command()
@_data_dir
def demo(data: Path) -> None:
    """Run everything once on data of its own, check each promise, and stop. Exits 0 only if all were kept."""
    console = Console(highlight=False)
    interrupt_on_signals()
    data = data.resolve() / "demo"
    began = time.monotonic()
    try:
        _clear(data)
        with LogFiles(data / "logs") as logs:
            # Nothing outside is touched, whatever the environment names.
            given = {name: value for name, value in os.environ.items() if name not in INSTEAD_OF.values()}
            running = running_service(data, given, sandbox_seed=1, say=console.print, show=logs.show)
            with running as service:
                console.print(f"up after {time.monotonic() - began:.1f} s; logs are in {data / 'logs'}")
                checks = play(service, console)
        console.print()
        console.print(checks.table())
    except KeyboardInterrupt:
        console.print("stopped")
        sys.exit(130)
    except (AlreadyRunningError, ProcessEndedError, WaitedInVainError, OSError) as exc:
        console.print(f"{exc}; everything is stopped, logs are in {data / 'logs'}", soft_wrap=True)
        sys.exit(1)
    console.print(_verdict(checks, time.monotonic() - began))
    sys.exit(not checks.all_kept)


def _clear(data: Path) -> None:
    """Remove what the last demo left, processes included."""
    with locked(data):
        orphans.end(data / LEDGER)
        for folder in filter(Path.is_dir, data.iterdir()):
            shutil.rmtree(folder)
        (data / "notifications.jsonl").unlink(missing_ok=True)


def _verdict(checks: Checks, took_s: float) -> str:
    kept = sum(check.kept for check in checks.made)
    colour = "green" if checks.all_kept else "bold red"
    return f"[{colour}]{kept} of {len(checks.made)} promises kept[/], in {took_s:.0f} s"


def given_settings() -> dict[str, str]:
    """Return the variables that are set to something in `.env` or, before that, in the environment."""
    return {
        **keys.read_env_file(Path(".env")),
        **{name: value for name, value in os.environ.items() if value},
    }


def _addresses(service: Service, data: Path) -> Table:
    plan = service.plan
    table = Table(show_header=False, box=None, title="pluggy-sync is up; Ctrl-C stops it", title_justify="left")
    table.add_row("API docs", f"{plan.addresses['web']}/v1/docs")
    table.add_row("API token", plan.api_token)
    table.add_row("Webhooks", f"{plan.addresses['web']}/webhooks/pluggy")
    table.add_row("Flower", f"{plan.addresses['flower']}  ({' / '.join(plan.flower_login)})")
    table.add_row("Sandbox" if plan.starts("sandbox") else "Pluggy", plan.env["PLUGGY_API_URL"])
    if plan.starts("receiver"):
        table.add_row("Notifications", f"{plan.addresses['receiver']}/notifications")
    table.add_row("All of it", f"{data}/up.env")
    return table
