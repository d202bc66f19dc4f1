"""The command line and the scenarios that come with it."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from pluggy_sandbox.cli import main
from pluggy_sandbox.scenarios import playing
from pluggy_sandbox.scenarios.language import ScenarioError
from tests.pluggy_sandbox.driver import Driver


@pytest.mark.parametrize("name", playing.names())
def test_every_scenario_that_comes_along_plays_to_its_end(driver: Driver, name: str) -> None:
    lines = list(playing.play(playing.read(name), driver.sandbox.url, seed=1))

    spoken = [line for line in playing.read(name).splitlines() if line and not line.startswith("#")]
    assert len(lines) == len(spoken)


@pytest.mark.parametrize(
    "text,problem",
    [
        ("dance", "unknown verb"),
        ("run", "nothing is connected"),
        ("connect user-bad to 2\nexpect UPDATED", "line 2: .*it is LOGIN_ERROR"),
        ("connect user-ok to 2\nchange nonsense", "kind must be one of"),
    ],
)
def test_a_scenario_that_cannot_go_on_names_its_line(driver: Driver, text: str, problem: str) -> None:
    with pytest.raises(ScenarioError, match=problem):
        list(playing.play(text, driver.sandbox.url, seed=1))


def test_a_scenario_plays_on_a_sandbox_of_its_own(tmp_path: Path) -> None:
    story = tmp_path / "story.scenario"
    story.write_text("connect user-ok to 2\nexpect UPDATED SUCCESS\n")

    done = CliRunner().invoke(main, ["scenario", "run", str(story)])

    assert done.exit_code == 0, done.output
    assert "as expected" in done.output


def test_scenarios_are_listed_and_shown() -> None:
    listed = CliRunner().invoke(main, ["scenario", "list"]).output
    shown = CliRunner().invoke(main, ["scenario", "show", "consent"]).output

    assert all(name in listed for name in playing.names())
    assert shown == playing.read("consent")
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
