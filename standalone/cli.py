"""The commands `up` and `demo`."""

import os
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from standalone import keys
from standalone.interruptions import interrupt_on_signals
from standalone.prefixed import PrefixedLog
from standalone.service import AlreadyRunningError, Service, running_service
from standalone.supervisor import ProcessEndedError
from standalone.waiting import WaitedInVainError

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
        with running_service(data.resolve(), given_settings(), say=log.say, show=log.show) as service:
            console.print(_addresses(service, data))
            service.supervisor.wait()
    except KeyboardInterrupt:
        log.say("stopped")
    except (AlreadyRunningError, ProcessEndedError, WaitedInVainError) as exc:
        log.say(f"{exc}; everything is stopped")
        sys.exit(1)


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
