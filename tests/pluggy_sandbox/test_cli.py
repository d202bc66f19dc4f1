"""The command line."""

from datetime import UTC, datetime, timedelta

import httpx
from click.testing import CliRunner

from pluggy_sandbox.cli import main
from pluggy_sandbox.scenarios import player
from tests.pluggy_sandbox.process import served_process


def test_scenarios_are_listed_and_shown() -> None:
    listed = CliRunner().invoke(main, ["scenario", "list"]).output
    shown = CliRunner().invoke(main, ["scenario", "show", "consent"]).output

    assert all(name in listed for name in player.names())
    assert shown == player.read("consent")
    assert CliRunner().invoke(main, ["scenario", "run", "no-such-story"]).exit_code == 1


def test_the_server_starts_on_a_free_port_and_ends_when_told() -> None:
    with served_process() as sandbox:
        answer = httpx.post(f"{sandbox.url}/auth", json={"clientId": "me", "clientSecret": "s"}, trust_env=False)
        code, rest, errors = sandbox.stop()

    assert answer.status_code == 200
    assert code == 0
    assert "Traceback" not in errors
    assert "secret" not in rest


def test_the_clock_of_a_server_runs_and_a_person_has_two_real_minutes() -> None:
    with served_process() as sandbox:
        sandbox.control.post("/clock", json={"advanceDays": 1})
        body = {"connectorId": 5, "parameters": {"user": "user-ok", "password": "password-ok"}}
        item_id = sandbox.control.post("/items", json=body).json()["id"]
        sandbox.control.post("/settle", json={})
        asked = sandbox.control.get(f"/items/{item_id}/truth").json()["item"]["parameter"]
        left = datetime.fromisoformat(asked["expiresAt"]) - datetime.now(UTC)

        assert sandbox.control.get("/clock").json()["speed"] == 1
        assert timedelta(0) < left <= timedelta(minutes=2)


def test_with_speed_0_all_time_is_virtual() -> None:
    with served_process("--speed=0", "--start=2026-01-31T12:00:00Z") as sandbox:
        assert sandbox.control.get("/clock").json() == {"now": "2026-01-31T12:00:00.000Z", "speed": 0}
        assert sandbox.control.get("/settings").json()["realDeadlines"] is False
