"""`pluggy-sync doctor`: all checks on one screen, with an exit status for scripts."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from console.checkup import processes
from console.checkup.results import passed, results_of
from console.cli import doctor, exits, main
from standalone.polling import PATIENCE_S
from tests.kit.factories import WEBHOOK_SECRET, an_environ
from tests.kit.silent_server import silent_port

ROOT = Path(__file__).parents[3]


@pytest.fixture
def environ(service, monkeypatch):
    monkeypatch.setattr(processes, "INSPECT_S", 0.1)
    settings = service.res.settings
    return an_environ(
        DATABASE_URL=settings.database_url,
        REDIS_URL=settings.redis_url,
        PLUGGY_API_URL=settings.pluggy_api_url,
        PLUGGY_CLIENT_ID=settings.pluggy_client_id,
        PLUGGY_CLIENT_SECRET=settings.pluggy_client_secret,
        PUBLIC_URL="https://127.0.0.1:1",
    )


@pytest.fixture
def call(environ, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(main, ["doctor", *arguments], env=environ)


@pytest.fixture
def patient(monkeypatch):
    """A busy machine may take long to look; what is late would be told as not seen."""
    monkeypatch.setattr(doctor, "BOUND_S", PATIENCE_S)


def test_a_service_without_processes_has_problems_each_with_a_remedy(environ, tmp_path):
    # As an operator runs it, in a process that nothing else has used.
    code = "from console.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "doctor"],
        env={**os.environ, **environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == exits.FAILED, done.stdout + done.stderr
    for words in ("Workers", "none for events", "Start the processes of the Procfile", "pluggy-sync webhooks register"):
        assert words in done.stdout
    assert "Pluggy's go-live list" in done.stdout
    assert "problems" in done.stdout.splitlines()[-1]
    assert WEBHOOK_SECRET not in done.stdout


@pytest.mark.usefixtures("patient")
def test_the_same_as_json(call):
    found = json.loads(call("--json").output)

    assert {each["verdict"] for each in found["service"]} >= {"pass", "problem"}
    assert len(found["goLive"]) == 10
    assert all(each["remedy"] for each in found["service"] if each["verdict"] in ("problem", "heads-up"))
    assert json.loads(call("--json", "--no-go-live").output)["goLive"] == []


def test_everything_away_is_said_in_one_go(call, environ):
    environ |= {
        "DATABASE_URL": "postgresql://127.0.0.1:1/none",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "PLUGGY_API_URL": "http://127.0.0.1:1",
    }

    result = call("--json")

    found = {each["about"]: each["verdict"] for each in json.loads(result.output)["service"]}
    assert result.exit_code == exits.FAILED
    assert (found["Postgres"], found["Redis"], found["Pluggy sign-in"]) == ("problem", "problem", "problem")
    assert found["Schema"] == found["Workers"] == "not seen"


@pytest.mark.parametrize(
    "setting, url, looked_at",
    [
        ("DATABASE_URL", "postgresql://127.0.0.1:{port}/x", {"Redis writes", "Redis memory", "Redis eviction"}),
        (
            "REDIS_URL",
            "redis://127.0.0.1:{port}/0",
            {"Postgres writes", "Schema", "Autovacuum", "Last sweep", "Endpoints"},
        ),
    ],
)
def test_a_server_that_is_frozen_is_a_problem_and_hides_no_other(call, environ, tmp_path, setting, url, looked_at):
    spill = tmp_path / "spill"
    spill.mkdir()
    with silent_port() as port:
        environ |= {setting: url.format(port=port), "SPILL_FOLDER": str(spill)}
        before = time.monotonic()
        result = call("--json")
        took_s = time.monotonic() - before

    found = {each["about"]: each for each in json.loads(result.output)["service"]}
    away = "Postgres" if setting == "DATABASE_URL" else "Redis"
    assert found[away]["verdict"] == "problem"
    assert not any(found[each]["verdict"] == "not seen" for each in looked_at)
    assert found["Spill"]["verdict"] == "pass"
    assert found["Pluggy sign-in"]["verdict"] == "pass"
    assert found["Webhook exists"]["verdict"] == "problem"
    assert all(away in each["detail"] for each in found.values() if each["verdict"] == "not seen")
    # A dozen checks ask each server. Of one that waits for it by itself and after the other, no two fit in here.
    assert took_s < 3 * doctor.BOUND_S


def test_without_problems_it_exits_0(call, monkeypatch):
    monkeypatch.setattr(doctor, "_SERVICE", doctor._SERVICE[:2])

    result = call("--no-go-live")

    assert (result.exit_code, result.output.splitlines()[-1]) == (0, "5 pass")


def test_settings_that_are_wrong_are_said_first(call, environ):
    environ["PUBLIC_URL"] = "ftp://x"

    result = call()

    assert result.exit_code == exits.WRONG
    assert "PUBLIC_URL" in result.output


def test_a_check_that_breaks_stops_no_other_and_keeps_what_it_saw(resources):
    def breaks(_):
        yield passed("first", "seen")
        raise KeyError("secret")

    found = list(results_of(breaks, "about", resources))

    assert [(each.about, each.verdict.value) for each in found] == [("first", "pass"), ("about", "not seen")]
    assert "secret" not in repr(found)
