"""`python -m standalone up`, all of it, as a person runs it: started, stopped, started again."""

import os
import signal
import socket
import stat
import subprocess
import sys
import uuid
from contextlib import contextmanager

import httpx
import psutil
import psycopg
import pytest

from standalone.keys import read_env_file
from standalone.plan import INSTEAD_OF
from standalone.waiting import wait_for
from tests.standalone.liveness import is_running

UP_WITHIN_S = 90.0


@contextmanager
def listening_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


class Run:
    """One run of `up`. Its output is in a file."""

    def __init__(self, data, port, output):
        self.data = data
        self.output = output
        (data / "up.env").unlink(missing_ok=True)
        environment = {name: value for name, value in os.environ.items() if name not in INSTEAD_OF.values()}
        with output.open("w") as out:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "standalone", "up", "--data", data],
                env={**environment, "PORT": str(port)},
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def wait_until_up(self):
        def look():
            assert self.popen.poll() is None, self.printed
            return "pluggy-sync is up" in self.printed

        wait_for("the service to be up", look, timeout_s=UP_WITHIN_S)
        return read_env_file(self.data / "up.env")

    @property
    def printed(self):
        return self.output.read_text()

    def processes(self):
        """Return the ids of every process of the run: ours, and Postgres, which is nobody's child."""
        ours = [self.popen.pid, *(child.pid for child in psutil.Process(self.popen.pid).children(recursive=True))]
        return [*ours, int((self.data / "postgres/postmaster.pid").read_text().split()[0])]

    def stop(self, how):
        self.popen.send_signal(how)
        return self.popen.wait(60)


@pytest.fixture
def start(data_dir, tmp_path):
    runs = []

    def start(port):
        runs.append(Run(data_dir, port, tmp_path / f"output-{len(runs)}"))
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


def stored_events(env):
    with psycopg.connect(env["DATABASE_URL"]) as conn:
        return [event_id for (event_id,) in conn.execute("SELECT event_id FROM inbox")]


def test_up_steps_aside_for_taken_ports_leaves_no_process_and_keeps_its_data(start):
    with listening_port() as port:
        first = start(port)
        env = first.wait_until_up()
        processes = first.processes()

        assert f"port {port} is taken: web uses " in first.printed
        assert env["PORT"] != str(port)
        assert stat.S_IMODE((first.data / "up.env").stat().st_mode) == 0o600
        assert len(processes) > 8
        event_id = send_event(env)
        item_id = connect_item(env)
        assert first.stop(signal.SIGINT) == 0

    assert [pid for pid in processes if is_running(pid)] == []
    assert "Traceback" not in first.printed

    second = start(env["PORT"])
    again = second.wait_until_up()
    processes = second.processes()

    assert event_id in stored_events(again)
    assert [item["id"] for item in items_at_the_bank(again)] == [item_id]
    assert {name for name in env if env[name] != again.get(name)} <= {
        *(name for name in env if name.endswith(("_URL", "PORT"))),
    }
    assert second.stop(signal.SIGTERM) == 0
    assert [pid for pid in processes if is_running(pid)] == []
