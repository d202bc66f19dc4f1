"""`python -m standalone up`, all of it, as a person runs it: started, stopped, started again."""

import signal
import socket
import stat
import uuid
from contextlib import contextmanager

import httpx
import pytest

from standalone.data_folder import locked
from standalone.first_persons import PERSONS
from standalone.ports import any_free
from tests.kit.psql import psql
from tests.standalone.liveness import is_running
from tests.standalone.up_running import Run

pytestmark = pytest.mark.slow


@contextmanager
def listening_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


@pytest.fixture
def start(data_dir, tmp_path):
    runs = []

    def start(port, **settings):
        runs.append(Run(data_dir, port, tmp_path / f"output-{len(runs)}", **settings))
        return runs[-1]

    yield start
    for run in runs:
        if run.popen.poll() is None:
            run.stop(signal.SIGTERM)


def send_event(env):
    event = {"event": "item/unheard_of", "eventId": str(uuid.uuid4())}
    secret = {"X-Webhook-Secret": env["WEBHOOK_SECRETS"]}
    answer = httpx.post(f"{env['WEB_URL']}/webhooks/pluggy", json=event, headers=secret)
    assert answer.status_code == 202
    return event["eventId"]


def connect_item(env):
    connection = {"connectorId": 2, "parameters": {"user": "user-ok", "password": "password-ok"}}
    return httpx.post(f"{env['PLUGGY_API_URL']}/_sandbox/items", json=connection).json()["id"]


def items_at_the_bank(env):
    return httpx.get(f"{env['PLUGGY_API_URL']}/_sandbox/items").json()["results"]


def ids_of(items):
    return {item["id"] for item in items}


def stored_events(env):
    with psql(env["DATABASE_URL"]) as conn:
        return [event_id for (event_id,) in conn.execute("SELECT event_id FROM inbox")]


def test_up_steps_aside_for_taken_ports_ends_well_however_often_ctrl_c_is_pressed_and_keeps_its_data(start):
    with listening_port() as port:
        first = start(port, persons=True)
        env = first.wait_until_up()
        processes = first.processes()

        assert f"port {port} is taken: web uses " in first.printed
        assert env["PORT"] != str(port)
        assert stat.S_IMODE((first.data / "up.env").stat().st_mode) == 0o600
        assert len(processes) > 8
        event_id = send_event(env)
        item_id = connect_item(env)
        at_the_bank = items_at_the_bank(env)
        first.stop(signal.SIGINT)

    assert [pid for pid in processes if is_running(pid)] == []
    assert "Traceback" not in first.printed

    second = start(env["PORT"], persons=True)
    again = second.wait_until_up()
    processes = second.processes()

    assert event_id in stored_events(again)
    assert ids_of(items_at_the_bank(again)) == ids_of(at_the_bank)
    assert item_id in ids_of(at_the_bank)
    assert len(at_the_bank) == 1 + len(PERSONS)
    assert {name for name in env if env[name] != again.get(name)} <= {
        *(name for name in env if name.endswith(("_URL", "PORT"))),
    }
    second.stop(signal.SIGTERM)
    assert [pid for pid in processes if is_running(pid)] == []


# Each signal is taken in the same way: one is tried at each moment, and each at one.
@pytest.mark.parametrize(
    "moment, how",
    [
        ("starting Postgres", signal.SIGINT),
        ("starting the sandbox", signal.SIGINT),
        ("starting the sandbox", signal.SIGHUP),
        ("starting web", signal.SIGINT),
    ],
)
def test_up_that_is_interrupted_while_it_starts_ends_well_and_leaves_no_process(start, moment, how):
    run = start(any_free())
    run.wait_until_printed(moment)
    processes = run.processes()

    run.stop(how)

    assert [pid for pid in processes if is_running(pid)] == []
    assert "Traceback" not in run.printed
    assert not (run.data / "processes.jsonl").exists()


def test_a_second_run_beside_the_first_says_that_it_started_nothing_and_stopped_nothing(start, data_dir):
    with locked(data_dir):
        run = start(any_free())

        assert run.popen.wait(60) == 1
    assert "nothing was started: another run is using" in run.printed
    assert "and goes on" in run.printed
    assert "stopped" not in run.printed


def test_up_explains_settings_that_are_wrong_and_stops(start, tmp_path):
    run = start(any_free(), SYNC_OVERLAP_DAYS="many")

    assert run.popen.wait(60) == 1
    assert "SYNC_OVERLAP_DAYS" in run.printed
    assert "everything is stopped" in run.printed
    assert "Traceback" not in run.printed
    assert not (run.data / "up.env").exists()
