"""`pluggy-sandbox`: the sandbox on the command line."""

import logging
import signal
import threading
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import FrameType

import click
from cheroot.wsgi import Server
from click.core import ParameterSource

from pluggy_sandbox.lifecycle import resumption
from pluggy_sandbox.scenarios import player
from pluggy_sandbox.scenarios.language import ScenarioError
from pluggy_sandbox.server.app import create_app
from pluggy_sandbox.server.http import make_server
from pluggy_sandbox.settings import Mode, Settings
from pluggy_sandbox.state.keeper import Keeper, UnreadableStateError
from pluggy_sandbox.state.sandbox import Sandbox
from pluggy_sandbox.state.world import Origin, World
from pluggy_sandbox.testing import CLIENT_ID, CLIENT_SECRET
from pluggy_sandbox.wire.instants import parse_instant

_AS_SETTINGS = {
    "mode": "mode",
    "run_seconds": "run_seconds",
    "min_update_hours": "min_update_frequency_hours",
    "limits": "limits",
    "local_webhooks": "allow_local_webhooks",
}


@click.group()
def main() -> None:
    """A local stand-in for Pluggy's API."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)


def _instant(_: click.Context, __: click.Parameter, text: str | None) -> datetime | None:
    try:
        return None if text is None else parse_instant(text)
    except ValueError:
        raise click.BadParameter("an ISO 8601 instant, such as 2026-01-31T12:00:00Z") from None


def _insist(world: World, settings: Settings, speed: float) -> None:
    """Let the options that the command names win over what was kept."""
    given = click.get_current_context().get_parameter_source
    named = [name for name in _AS_SETTINGS if given(name) is not ParameterSource.DEFAULT]
    changed = {_AS_SETTINGS[name]: getattr(settings, _AS_SETTINGS[name]) for name in named}
    with world.lock:
        if given("speed") is not ParameterSource.DEFAULT:
            world.run_clock(speed)
            changed["real_deadlines"] = settings.real_deadlines
        world.apply(replace(world.settings, **changed))


def _end(sandbox: Sandbox, server: Server) -> None:
    sandbox.world.release()
    server.stop()


@main.command()
@click.option("--port", type=int, default=8900, show_default=True, help="0 takes a free one.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--start", callback=_instant, help="Where the virtual clock begins (the real now).")
@click.option("--speed", type=float, default=1, show_default=True, help="Virtual seconds a second; 0 stands still.")
@click.option(
    "--state", type=click.Path(path_type=Path, file_okay=False), help="Folder in which everything outlives a restart."
)
@click.option("--client-id", envvar="SANDBOX_CLIENT_ID", default=CLIENT_ID)
@click.option("--client-secret", envvar="SANDBOX_CLIENT_SECRET", default=CLIENT_SECRET)
@click.option("--run-seconds", type=float, default=0.25, show_default=True, help="How long one execution takes.")
@click.option("--mode", type=click.Choice(["development", "production"]), default="development", show_default=True)
@click.option(
    "--min-update-hours",
    type=click.FloatRange(0, 10_000),
    default=1,
    show_default=True,
    help="Virtual time between API updates; 0 for none.",
)
@click.option("--limits/--no-limits", default=True, show_default=True, help="Requests per minute, as Pluggy counts.")
@click.option("--local-webhooks/--no-local-webhooks", default=True, show_default=True, help="Allow http and loopback.")
def serve(
    *,
    port: int,
    host: str,
    seed: int,
    start: datetime | None,
    speed: float,
    state: Path | None,
    client_id: str,
    client_secret: str,
    run_seconds: float,
    mode: Mode,
    min_update_hours: float,
    limits: bool,
    local_webhooks: bool,
) -> None:
    """
    Serve until stopped.

    While the clock runs, a person has two real minutes to answer, even if it is moved meanwhile. With --speed 0 all
    time is virtual: it stands still until it is moved.

    With --state a later start continues with what is kept in that folder, its seed and settings included; an option
    that is given again then wins over the kept setting. The kept clock goes on, also for the time between.
    """
    settings = Settings(
        mode=mode,
        run_seconds=run_seconds,
        min_update_frequency_hours=min_update_hours,
        limits=limits,
        allow_local_webhooks=local_webhooks,
        real_deadlines=speed > 0,
    )
    try:
        keeper = Keeper(state) if state else None
        sandbox = Sandbox(Origin(client_id, client_secret, seed, start, settings, speed=speed), keeper)
    except UnreadableStateError as exc:
        raise click.ClickException(str(exc)) from None
    server = make_server(create_app(sandbox), host, port)
    address = f"http://{host}:{server.bind_addr[1]}"
    sandbox.locate(address)
    if sandbox.is_continued:
        _insist(sandbox.world, settings, speed)
        click.echo(f"continues with {len(sandbox.world.items)} items from {state}", err=True)
    resumption.resume(sandbox.world)
    click.echo(f"sandbox on {address}\nclient id {client_id}")
    if client_secret == CLIENT_SECRET:
        click.echo(f"client secret {client_secret}")

    def stop(_: int, __: FrameType | None) -> None:
        # This joins the server's threads, which a signal handler must not wait for.
        threading.Thread(target=_end, args=(sandbox, server)).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    server.serve()
    sandbox.close()


@main.group()
def scenario() -> None:
    """Short stories, told line by line to a sandbox."""


@scenario.command("list")
def list_scenarios() -> None:
    """Name the scenarios that come with the sandbox."""
    for name in player.names():
        first = player.read(name).splitlines()[0].lstrip("# ")
        click.echo(f"{name:<26} {first}")


@scenario.command()
@click.argument("name_or_path")
def show(name_or_path: str) -> None:
    """Print a scenario."""
    click.echo(_read(name_or_path), nl=False)


@scenario.command()
@click.argument("name_or_path")
@click.option("--url", help="A running sandbox; one of its own if not given.")
@click.option("--seed", type=int, default=1, show_default=True)
def run(name_or_path: str, url: str | None, seed: int) -> None:
    """Play a scenario; fails at the first line that is not as expected."""
    try:
        for line in player.play(_read(name_or_path), url, seed):
            click.echo(line)
    except ScenarioError as exc:
        raise click.ClickException(str(exc)) from None


def _read(name_or_path: str) -> str:
    try:
        return player.read(name_or_path)
    except ScenarioError as exc:
        raise click.ClickException(str(exc)) from None
