"""
One run of `up`, as a person has it: started beside others, stopped, and started again on its data.

In between, promise 10: whichever process is killed, the service works again within 45 seconds, by itself. Any of these
tests starts the run if it is not up.
"""

import signal
import socket
import stat
import tempfile
import uuid
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from pluggy_sync import tls
from standalone import ports, procfile
from standalone.first_persons import PERSONS
from standalone.polling import eventually
from standalone.sandbox import Sandbox
from tests.kit.psql import psql
from tests.standalone.liveness import is_running
from tests.standalone.up_running import Run

pytestmark = pytest.mark.slow

BESIDE_THE_PROCFILE = ["sandbox", "wallet", "postgres", "valkey"]
WITH_CHILDREN = ["web", "worker", "notifications"]
# Many Items are connected, and none needs more.
FIRST_RUN_DAYS = 10


class Up:
    """The running service, as Pluggy, the product and the operator meet it."""

    def __init__(self, run, env, taken_port):
        self.run = run
        self.env = env
        self.taken_port = taken_port
        self.sent = []
        with closing(self.sandbox()) as sandbox:
            sandbox.control("PUT", "/settings", {"firstRunDays": FIRST_RUN_DAYS})

    def event_is_handled(self):
        """Send an event, as often as Pluggy would; return whether it was taken and handled."""
        event = {"event": "item/unheard_of", "eventId": str(uuid.uuid4())}
        headers = {"X-Webhook-Secret": self.env["WEBHOOK_SECRETS"]}
        try:
            answer = httpx.post(
                f"{self.env['WEB_URL']}/webhooks/pluggy", json=event, headers=headers, timeout=5, verify=tls.context()
            )
        except httpx.TransportError:
            return False
        if answer.status_code != 202:
            return False
        self.sent.append(event["eventId"])
        eventually(lambda: self.state_of(event["eventId"]) == "handled", what="the event is handled")
        return True

    def state_of(self, event_id):
        try:
            with psql(self.env["DATABASE_URL"]) as conn:
                row = conn.execute("SELECT state FROM inbox WHERE event_id = %s", [event_id]).fetchone()
        except psycopg.OperationalError:
            # Webhooks are taken while Postgres is away.
            return None
        return row and row[0]

    def connected_item_reaches_the_product(self):
        """Connect a bank at the sandbox, and wait until the product was told that it is synced."""
        body = {"connectorId": 2, "parameters": {"user": "user-ok", "password": "password-ok"}}
        with closing(self.sandbox()) as sandbox:
            item_id = sandbox.api("POST", "/items", body)["id"]
        eventually(lambda: item_id in self.told(), what="the product is told")

    def sandbox(self):
        credentials = {"client_id": self.env["PLUGGY_CLIENT_ID"], "client_secret": self.env["PLUGGY_CLIENT_SECRET"]}
        return Sandbox(self.env["SANDBOX_URL"], **credentials)

    def wait_until_the_sandbox_sends_events(self):
        with closing(self.sandbox()) as sandbox:
            eventually(sandbox.is_up, what="the sandbox answers")
            eventually(lambda: sandbox.api("GET", "/webhooks")["results"], what="it knows our address")

    def items_at_the_bank(self):
        with closing(self.sandbox()) as sandbox:
            return {item["id"] for item in sandbox.control("GET", "/items")["results"]}

    def told(self):
        """Return the Items of which the product was told that they are synced."""
        try:
            answer = httpx.get(f"{self.env['WALLET_URL']}/notifications", timeout=5, verify=tls.context())
        except httpx.TransportError:
            return set()
        return {each["data"]["itemId"] for each in answer.json()["results"] if each["type"] == "item.synced"}

    def event_without_a_message_is_handled(self):
        """Make an event due that has no message: only the sweep, which beat sends, finds it."""
        with psql(self.env["DATABASE_URL"]) as conn:
            conn.execute("UPDATE inbox SET state = 'stored', due_at = now() WHERE event_id = %s", [self.sent[-1]])
        eventually(lambda: self.state_of(self.sent[-1]) == "handled", what="the sweep finds it")

    def flower_answers(self):
        try:
            return httpx.get(f"{self.env['FLOWER_URL']}/healthcheck", timeout=5, verify=tls.context()).is_success
        except httpx.TransportError:
            return False


@contextmanager
def listening_port():
    with socket.socket() as taken:
        taken.bind((ports.LOOPBACK, 0))
        taken.listen()
        yield taken.getsockname()[1]


@contextmanager
def running(folder, port):
    run = Run(folder, port, folder / "output", persons=True)
    try:
        yield run, run.wait_until_up()
    finally:
        if run.popen.poll() is None:
            run.stop(signal.SIGTERM)


@contextmanager
def running_beside_others():
    with (
        tempfile.TemporaryDirectory(prefix="pluggy-sync-test-") as folder,
        listening_port() as port,
        running(Path(folder), port) as (run, env),
    ):
        up = Up(run, env, port)
        # The last of the workers is ready then. One that still starts ends when its child is killed.
        up.connected_item_reaches_the_product()
        yield up


@pytest.fixture(scope="module")
def running_up():
    """Return the service that runs, in whatever order the tests do; it is started for the first, and once stopped."""
    with ExitStack() as stack:
        started = []

        def running_up():
            if not started or started[-1].run.popen.poll() is not None:
                started.append(stack.enter_context(running_beside_others()))
            return started[-1]

        yield running_up


@pytest.fixture
def up(running_up):
    return running_up()


def wait_until_another_runs(up, name, before):
    eventually(lambda: up.run.pid(name) != before, what=f"{name} is started again")


def works_again(up, name):
    """Wait until what *name* does is done again."""
    eventually(up.event_is_handled, what="the service takes and handles events")
    if name == "beat":
        up.event_without_a_message_is_handled()
    if name == "flower":
        eventually(up.flower_answers, what="Flower answers")
    if name == "sandbox":
        up.wait_until_the_sandbox_sends_events()
    up.connected_item_reaches_the_product()


@pytest.mark.parametrize("name", [*procfile.lasting(), *BESIDE_THE_PROCFILE])
def test_a_killed_process_is_started_again_and_the_service_works(up, name):
    before = up.run.pid(name)

    psutil.Process(before).kill()

    wait_until_another_runs(up, name, before)
    works_again(up, name)
    assert f"{name} was ended by SIGKILL; starting it again" in up.run.printed
    assert not is_running(before)


@pytest.mark.parametrize("name", WITH_CHILDREN)
def test_a_process_whose_child_is_killed_goes_on(up, name):
    leader = up.run.pid(name)
    child = psutil.Process(leader).children()[0]

    child.kill()

    works_again(up, name)
    assert up.run.pid(name) == leader


def has_ended_by(up, number):
    up.run.popen.send_signal(number)
    return up.run.popen.poll() is not None


def test_it_steps_aside_for_a_port_that_is_taken(up):
    assert f"port {up.taken_port} is taken: web uses " in up.run.printed
    assert up.env["PORT"] != str(up.taken_port)
    assert stat.S_IMODE((up.run.data / "up.env").stat().st_mode) == 0o600


def test_after_kills_it_ends_well_however_often_ctrl_c_is_pressed_and_the_next_start_goes_on_with_its_data(up):
    for name in ("postgres", "web", "worker"):
        before = up.run.pid(name)
        psutil.Process(before).kill()
        wait_until_another_runs(up, name, before)
        eventually(up.event_is_handled, what="the service takes and handles events")
    up.connected_item_reaches_the_product()
    states = {event_id: up.state_of(event_id) for event_id in up.sent}
    at_the_bank, told = up.items_at_the_bank(), up.told()
    processes = up.run.processes()

    eventually(lambda: has_ended_by(up, signal.SIGINT), every_s=0.1, what="it ends, whatever is pressed meanwhile")
    up.run.stop(signal.SIGINT)

    assert {event_id for event_id, state in states.items() if state != "handled"} == set()
    assert len(at_the_bank) > len(PERSONS)
    assert len(processes) > len(procfile.lasting())
    assert [pid for pid in processes if is_running(pid)] == []
    assert "Traceback" not in up.run.printed

    with running(up.run.data, int(up.env["PORT"])) as (run, env):
        again = Up(run, env, up.taken_port)
        assert {event_id: again.state_of(event_id) for event_id in up.sent} == states
        # Who had connected a bank has; nobody else has done so, as the first persons would.
        assert again.items_at_the_bank() == at_the_bank
        assert again.told() >= told
        assert {name for name in up.env if up.env[name] != env.get(name)} <= {
            name for name in env if name.endswith(("_URL", "PORT"))
        }
        processes = run.processes()
        run.stop(signal.SIGTERM)

    assert [pid for pid in processes if is_running(pid)] == []
