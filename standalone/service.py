"""Every process of the service on this machine, started in order and stopped together."""

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx

from console.local_run import UP_ENV
from standalone import keys, orphans, ports, procfile
from standalone.data_folder import LEDGER, locked
from standalone.plan import Plan, Say, make_plan
from standalone.polling import WaitedInVainError, eventually
from standalone.ports import LOOPBACK
from standalone.programs import Program
from standalone.sandbox import Sandbox, SandboxRefusedError
from standalone.servers import prepare_postgres, prepare_valkey
from standalone.supervisor import ProcessEndedError, Show, Supervisor

# Long enough for a cold disk and a busy machine.
READY_WITHIN_S = 60.0
# Whoever starts at the same moment chooses the same ports.
ATTEMPTS = 3
RECONNECT_WITHIN_S = 30.0
WALLET = Path(__file__).parents[1] / "examples" / "wallet" / "app.py"
# Of all processes that may run.
NAMES = ["postgres", "valkey", "sandbox", "wallet", procfile.RELEASE, *procfile.lasting()]


class PortTakenError(ProcessEndedError):
    """A port was free when it was chosen, and is not any more."""


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
    with locked(data_dir):
        (data_dir / UP_ENV).unlink(missing_ok=True)
        if ended := orphans.end(data_dir / LEDGER):
            say(f"ended {ended} processes that a killed run had left behind")
        with ExitStack() as stack:
            yield _start_on_free_ports(data_dir, given, stack, sandbox_seed=sandbox_seed, say=say, show=show)


def _start_on_free_ports(
    data_dir: Path, given: Mapping[str, str], stack: ExitStack, *, sandbox_seed: int, say: Say, show: Show
) -> Service:
    """Start everything, once more if somebody took one of its ports meanwhile; *stack* stops it."""
    for _ in range(ATTEMPTS - 1):
        try:
            return _start(data_dir, given, stack, sandbox_seed=sandbox_seed, say=say, show=show)
        except PortTakenError as exc:
            say(f"{exc}; starting once more")
            stack.close()
    return _start(data_dir, given, stack, sandbox_seed=sandbox_seed, say=say, show=show)


def _start(
    data_dir: Path, given: Mapping[str, str], stack: ExitStack, *, sandbox_seed: int, say: Say, show: Show
) -> Service:
    """Start everything; *stack* stops it."""
    plan = make_plan(data_dir, given, say=say)
    supervisor = stack.enter_context(Supervisor(show=show, say=say, ledger=data_dir / LEDGER))
    sandbox = stack.enter_context(closing(_sandbox(plan))) if plan.starts("sandbox") else None
    try:
        _start_stores(plan, supervisor, say)
        if plan.starts("wallet"):
            supervisor.start(_wallet(plan))
        if sandbox:
            say("starting the sandbox")
            # In a thread: whatever else ended must not wait for it.
            reconnect = partial(threading.Thread, target=_reconnect_sandbox, args=[plan, say], daemon=True)
            supervisor.start(_sandbox_program(plan, sandbox_seed), restarted=lambda: reconnect().start())
            supervisor.wait_until("the sandbox", sandbox.is_up, timeout_s=READY_WITHIN_S)
        _start_processes(plan, supervisor, say)
        _await_own_ports(plan, supervisor)
    except ProcessEndedError as exc:
        port = plan.port.get(exc.name)
        if port is None or ports.is_free(port):
            raise
        raise PortTakenError(exc.name, f"somebody took port {port} before {exc.name} could") from exc
    if sandbox:
        _register_webhook(sandbox, plan)
    keys.write_env_file(data_dir / UP_ENV, plan.worth_knowing())
    stack.callback((data_dir / UP_ENV).unlink, missing_ok=True)
    return Service(plan, supervisor, sandbox)


def _start_stores(plan: Plan, supervisor: Supervisor, say: Say) -> None:
    if plan.starts("postgres"):
        say("starting Postgres")
        postgres = prepare_postgres(plan.data_dir / "postgres")
        supervisor.start(postgres.program)
        supervisor.wait_until("Postgres", postgres.is_ready, timeout_s=READY_WITHIN_S)
        postgres.ensure_database()
        plan.env["DATABASE_URL"] = postgres.url
    if plan.starts("valkey"):
        say("starting Valkey")
        folder, password = plan.data_dir / "valkey", plan.env["VALKEY_PASSWORD"]
        valkey = prepare_valkey(folder, port=plan.port["valkey"], password=password)
        supervisor.start(valkey.program)
        supervisor.wait_until("Valkey", valkey.is_ready, timeout_s=READY_WITHIN_S)
        plan.env["REDIS_URL"] = valkey.url


def _wallet(plan: Plan) -> Program:
    """Return the example of a product, which stands for the company's own."""
    # Flask's own server says with each start that it is for development. That is so.
    argv = [sys.executable, "-m", "flask", "--app", str(WALLET), "run", f"--host={LOOPBACK}"]
    env = {
        **plan.env,
        "SYNC": plan.addresses["web"],
        "TOKEN": plan.api_token,
        "WALLET_FILE": str(plan.data_dir / "wallet.sqlite"),
    }
    return Program(name="wallet", argv=[*argv, f"--port={plan.port['wallet']}"], env=env)


def _sandbox(plan: Plan) -> Sandbox:
    client_id, client_secret = plan.env["PLUGGY_CLIENT_ID"], plan.env["PLUGGY_CLIENT_SECRET"]
    return Sandbox(plan.addresses["sandbox"], client_id=client_id, client_secret=client_secret)


def _sandbox_program(plan: Plan, seed: int) -> Program:
    options = [f"--port={plan.port['sandbox']}", f"--seed={seed}", f"--state={plan.data_dir / 'sandbox'}"]
    client_id, client_secret = plan.env["PLUGGY_CLIENT_ID"], plan.env["PLUGGY_CLIENT_SECRET"]
    env = {**plan.env, "SANDBOX_CLIENT_ID": client_id, "SANDBOX_CLIENT_SECRET": client_secret}
    command = str(Path(sys.executable).with_name("pluggy-sandbox"))
    return Program(name="sandbox", argv=[command, "serve", *options], env=env)


def _register_webhook(sandbox: Sandbox, plan: Plan) -> None:
    sandbox.register_webhook(
        f"{plan.addresses['web']}/webhooks/pluggy", secret_header=plan.webhook_secret_header, secret=plan.webhook_secret
    )


def _reconnect_sandbox(plan: Plan, say: Say) -> None:
    """Have a sandbox that was started again send its events to us."""
    with closing(_sandbox(plan)) as sandbox:
        try:
            eventually(sandbox.is_up, within_s=RECONNECT_WITHIN_S, what="the sandbox")
            _register_webhook(sandbox, plan)
        except (WaitedInVainError, SandboxRefusedError, httpx.HTTPError) as exc:
            say(f"the sandbox sends no events: {exc}")


def _start_processes(plan: Plan, supervisor: Supervisor, say: Say) -> None:
    say("bringing the database up to date")
    supervisor.run(procfile.program(procfile.RELEASE, plan.env))
    names = procfile.lasting()
    say(f"starting {', '.join(names)}")
    for name in names:
        supervisor.start(procfile.program(name, plan.env))
    with httpx.Client(timeout=5) as http:
        for what, path in (("web", "/ready"), ("flower", "/healthcheck"), ("console", "/health")):
            supervisor.wait_until(what, _answers(http, plan.addresses[what] + path), timeout_s=READY_WITHIN_S)


def _await_own_ports(plan: Plan, supervisor: Supervisor) -> None:
    """Wait until each port is held by its own process. What answered until now may be somebody else's server."""
    for name, port in plan.port.items():
        supervisor.wait_until(name, partial(supervisor.holds, name, port), timeout_s=READY_WITHIN_S)


def _answers(http: httpx.Client, url: str) -> Callable[[], bool]:
    def answers() -> bool:
        try:
            return http.get(url).is_success
        except httpx.TransportError:
            return False

    return answers
