"""The command line."""

import re
import signal
import subprocess
import sys

import httpx
from click.testing import CliRunner

from pluggy_sandbox.cli import main
from pluggy_sandbox.scenarios import player


def test_scenarios_are_listed_and_shown() -> None:
    listed = CliRunner().invoke(main, ["scenario", "list"]).output
    shown = CliRunner().invoke(main, ["scenario", "show", "consent"]).output

    assert all(name in listed for name in player.names())
    assert shown == player.read("consent")
    assert CliRunner().invoke(main, ["scenario", "run", "no-such-story"]).exit_code == 1


def test_the_server_starts_on_a_free_port_and_ends_when_told() -> None:
    command = [
        sys.executable,
        "-m",
        "pluggy_sandbox",
        "serve",
        "--port",
        "0",
        "--client-id",
        "me",
        "--client-secret",
        "s",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        first = server.stdout.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+", first)
        assert address, first
        answer = httpx.post(f"{address[0]}/auth", json={"clientId": "me", "clientSecret": "s"}, trust_env=False)
        server.send_signal(signal.SIGTERM)
        rest, errors = server.communicate(timeout=20)

    assert answer.status_code == 200
    assert server.returncode == 0
    assert "Traceback" not in errors
    assert "secret" not in rest
