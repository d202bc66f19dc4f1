"""Every process of the service on this machine, started in order and stopped together."""

import fcntl
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from standalone import keys, leftovers, procfile
from standalone.plan import Plan, Say, make_plan
from standalone.sandbox import Sandbox
from standalone.servers import running_postgres, running_valkey
from standalone.supervisor import Show, Supervisor

# Long enough for a cold disk and a busy machine.
READY_WITHIN_S = 60.0
# What was started, for the case that we are killed.
LEDGER = "processes.jsonl"


class AlreadyRunningError(Exception):
    """Another run uses the same data."""


@dataclass(frozen=True)
class Service:
    """The running service. *sandbox* is None when PLUGGY_API_URL names the Pluggy to talk to."""

    plan: Plan
    supervisor: Supervisor
    sandbox: Sandbox | None


@contextmanager
def running_service(
    data_dir: Path, given: Mapping[str, str], *, sandbox_seed: int, say: Say, show: Show
) -> Iterator[Service]:
    """
    Run the service with the settings in *given* on the data in *data_dir*; *show* gets every line it prints.

    The sandbox keeps its state in *data_dir* too. *sandbox_seed* is for one that has none yet.

    Raises:
        AlreadyRunningError: another run uses *data_dir*.
        ProcessEndedError: a process ended instead of becoming ready.
        WaitedInVainError: a process did not become ready.
    """
    ledger = data_dir / LEDGER
    with locked(data_dir), ExitStack() as stack:
        if ended := leftovers.end(ledger):
            say(f"ended {ended} processes that a killed run had left behind")
        plan = make_plan(data_dir, given, say=say)
        _start_stores(plan, stack, ledger, say)
        supervisor = stack.enter_context(Supervisor(show=show, ledger=ledger))
        sandbox = _start_surroundings(plan, supervisor, sandbox_seed, say)
        if sandbox:
            stack.enter_context(closing(sandbox))
        _start_processes(plan, supervisor, say)
        if sandbox:
            sandbox.register_webhook(
                f"{plan.addresses['web']}/webhooks/pluggy",
                secret_header=plan.webhook_secret_header,
                secret=plan.webhook_secret,
            )
        keys.write_env_file(data_dir / "up.env", plan.worth_knowing())
        yield Service(plan, supervisor, sandbox)


def _start_stores(plan: Plan, stack: ExitStack, ledger: Path, say: Say) -> None:
    if plan.starts("postgres"):
        say("starting Postgres")
        plan.env["DATABASE_URL"] = stack.enter_context(running_postgres(plan.data_dir / "postgres")).url
    if plan.starts("valkey"):
        say("starting Valkey")
        folder, port = plan.data_dir / "valkey", plan.port["valkey"]
        valkey = stack.enter_context(running_valkey(folder, port=port))
        leftovers.note(ledger, valkey.pid)
        plan.env["REDIS_URL"] = valkey.url


def _start_surroundings(plan: Plan, supervisor: Supervisor, seed: int, say: Say) -> Sandbox | None:
    """Start what stands for the product and for Pluggy."""
    if plan.starts("receiver"):
        options = [f"--port={plan.port['receiver']}", f"--keep={plan.data_dir / 'notifications.jsonl'}"]
        supervisor.start("receiver", [sys.executable, "-m", "standalone.receiver", *options], plan.env)
    if not plan.starts("sandbox"):
        return None
    say("starting the sandbox")
    client_id, client_secret = plan.env["PLUGGY_CLIENT_ID"], plan.env["PLUGGY_CLIENT_SECRET"]
    supervisor.start(
        "sandbox",
        [
            "pluggy-sandbox",
            "serve",
            f"--port={plan.port['sandbox']}",
            f"--seed={seed}",
            f"--state={plan.data_dir / 'sandbox'}",
        ],
        {**plan.env, "SANDBOX_CLIENT_ID": client_id, "SANDBOX_CLIENT_SECRET": client_secret},
    )
    sandbox = Sandbox(plan.addresses["sandbox"], client_id=client_id, client_secret=client_secret)
    supervisor.wait_until("the sandbox", sandbox.is_up, timeout_s=READY_WITHIN_S)
    return sandbox


def _start_processes(plan: Plan, supervisor: Supervisor, say: Say) -> None:
    say("bringing the database up to date")
    supervisor.run("migrate", procfile.argv("release"), plan.env)
    say("starting web, worker, beat and Flower")
    for name in ("web", "worker", "beat", "flower"):
        supervisor.start(name, procfile.argv(name), plan.env)
    with httpx.Client(timeout=5) as http:
        for what, path in (("web", "/ready"), ("flower", "/healthcheck")):
            supervisor.wait_until(what, _answers(http, plan.addresses[what] + path), timeout_s=READY_WITHIN_S)


def _answers(http: httpx.Client, url: str) -> Callable[[], bool]:
    def look() -> bool:
        try:
            return http.get(url).is_success
        except httpx.TransportError:
            return False

    return look


@contextmanager
def locked(data_dir: Path) -> Iterator[None]:
    """
    Keep *data_dir*, which is made if it is not there, to ourselves.

    Raises:
        AlreadyRunningError: another run has it.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "lock").open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunningError(f"another run is using {data_dir}: stop that one first") from None
        yield
