"""The commands `up`, `where` and `demo`."""

import os
import secrets
import shutil
import subprocess
import sys
import time
from pathlib import Path

import click
import httpx
import psycopg
from rich.console import Console
from rich.text import Text

from console import local_run
from standalone import first_persons, orphans
from standalone.addresses import box, show_on_enter
from standalone.data_folder import LEDGER, LOGS, AlreadyRunningError, locked, make_private
from standalone.logs import ConsoleLog, LogFiles
from standalone.plan import INSTEAD_OF, BadPlanError, Say
from standalone.polling import WaitedInVainError
from standalone.sandbox import Sandbox, SandboxRefusedError
from standalone.service import NAMES, running_service
from standalone.signals import interrupt_on_signals
from standalone.supervisor import ProcessEndedError

WIDTH = 80

# What can keep the service from starting, or end it, through no fault of the code.
FAILURES = (
    AlreadyRunningError,
    BadPlanError,
    ProcessEndedError,
    SandboxRefusedError,
    WaitedInVainError,
    httpx.HTTPError,
    psycopg.OperationalError,
    subprocess.SubprocessError,
    # A port was free when it was chosen and is taken now, the disk is full ...
    OSError,
)

# Those that come before anything was started.
NOT_BEGUN = (AlreadyRunningError, BadPlanError)

_data_dir = click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=local_run.DATA_FOLDER,
    show_default=True,
    help="Folder of the data.",
)


@click.group()
def main() -> None:
    """The whole service on this machine. Settings come from the environment or .env; none is needed."""


@main.command()
@_data_dir
@click.option("--persons/--no-persons", default=True, help="Let some persons connect a bank at the local Pluggy first.")
def up(data: Path, *, persons: bool) -> None:
    """Run everything until Ctrl-C. The data stay, and the next start continues with them."""
    console = Console(highlight=False)
    log, files = ConsoleLog(console, width=max(map(len, NAMES))), LogFiles(data / LOGS)

    def show(name: str, line: str) -> None:
        files.show(name, line)
        log.show(name, line)

    interrupt_on_signals()
    make_private(data)
    try:
        # A new seed each time: an item of an earlier run is not to come back as somebody else's.
        seed = secrets.randbelow(2**31)
        running = running_service(data.resolve(), given_settings(), sandbox_seed=seed, say=log.say, show=show)
        with files, running as service:
            addresses = box(service.plan.worth_knowing(), data / local_run.UP_ENV)
            if persons and service.sandbox is not None:
                _connect_first_persons(service.sandbox, log.say)
            console.print(addresses)
            show_on_enter(lambda: console.print(addresses))
            service.supervisor.keep_running()
    except KeyboardInterrupt:
        log.say("stopped")
    except FAILURES as exc:
        _explain(exc, files, log.say)
        sys.exit(1)


def _connect_first_persons(sandbox: Sandbox, say: Say) -> None:
    """Give the console something to show. Without it everything runs all the same."""
    try:
        if number := first_persons.connect(sandbox):
            say(f"{number} persons connect a bank at the local Pluggy, some of them in vain")
    except (SandboxRefusedError, httpx.HTTPError) as exc:
        say(f"nobody has connected a bank yet: {exc}")


@main.command()
@_data_dir
def where(data: Path) -> None:
    """Show the addresses and keys of the run that is up."""
    run = local_run.settings(data)
    if not run:
        raise click.ClickException("nothing is up here; `make up` starts it")
    Console(highlight=False).print(box(run, data / local_run.UP_ENV))


@main.command()
@_data_dir
def demo(data: Path) -> None:
    """Run everything once on data of its own, check each promise, and stop. Exits 0 only if all were kept."""
    from standalone.demo.play import play  # noqa: PLC0415 - half of what `up` would load, which does without

    terminal = Console(highlight=False)
    console = Console(highlight=False, width=min(WIDTH, terminal.width))
    files = LogFiles(data / "demo" / LOGS)
    began = time.monotonic()

    def say(line: str) -> None:
        console.print(Text(line), soft_wrap=True)

    interrupt_on_signals()
    make_private(data)
    try:
        folder = (data / "demo").resolve()
        _clear(folder)
        # Nothing outside is touched, whatever the environment names.
        given = {name: value for name, value in os.environ.items() if name not in INSTEAD_OF.values()}
        with files, running_service(folder, given, sandbox_seed=1, say=say, show=files.show) as service:
            say(f"up after {time.monotonic() - began:.0f} s; logs are in {files.folder}")
            checks = play(service, console)
    except KeyboardInterrupt:
        say("stopped")
        sys.exit(130)
    except FAILURES as exc:
        _explain(exc, files, say)
        sys.exit(1)
    console.print(checks.verdict(took_s=time.monotonic() - began))
    sys.exit(not checks.all_kept)


def _explain(exc: Exception, files: LogFiles, say: Say) -> None:
    """Say why everything was stopped, or not begun, with the last that the process printed whose end it was."""
    if isinstance(exc, NOT_BEGUN):
        say(f"nothing was started: {exc}")
        return
    if isinstance(exc, ProcessEndedError):
        for line in files.last_lines(exc.name, 10):
            say(f"  {exc.name}: {line}")
    say(f"{exc}; everything is stopped, logs are in {files.folder}")


def _clear(data: Path) -> None:
    """Remove what the last demo left, processes included."""
    with locked(data):
        orphans.end(data / LEDGER)
        for folder in filter(Path.is_dir, data.iterdir()):
            shutil.rmtree(folder)
        (data / "wallet.sqlite").unlink(missing_ok=True)


def given_settings() -> dict[str, str]:
    """Return the variables that are set to something in `.env` or, before that, in the environment."""
    return {
        **local_run.env_file(Path(".env")),
        **{name: value for name, value in os.environ.items() if value},
    }
