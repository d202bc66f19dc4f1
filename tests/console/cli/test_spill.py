"""`pluggy-sync spill`: it shows what waits and nothing private, and brings in what dead processes left."""

import json
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner, Result

from console.cli import exits, main
from pluggy_sync import spill
from tests.kit.factories import an_environ, an_event

SECRET = "Maria 529.982.247-25"
NOON = datetime(2026, 3, 10, 15, 0, tzinfo=UTC)


@pytest.fixture
def environ(settings, tmp_path) -> dict[str, str]:
    return an_environ(
        DATABASE_URL=settings.database_url, REDIS_URL=settings.redis_url, SPILL_FOLDER=str(tmp_path / "spill")
    )


@pytest.fixture
def call(environ, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["spill", *arguments], env=environ)

    return run


@pytest.fixture
def file(environ, tmp_path):
    """The file of a process, whose death is that it is closed."""
    box = spill.box_of(environ["SECRET_KEY"])
    file = spill.create(tmp_path / "spill", box, most_bytes=2**20)
    yield file
    file.close()


def spilled(file, count):
    events = [an_event(itemId=f"item-{number}", note=SECRET) for number in range(count)]
    file.append([(json.dumps(each).encode(), NOON, None) for each in events])
    return [each["eventId"] for each in events]


def test_it_lists_the_files_and_the_events_without_what_they_say(call, file):
    event_ids = spilled(file, 3)

    files, events = call(), call("--events")

    assert (files.exit_code, events.exit_code) == (0, 0)
    assert "lives" in files.output
    assert "3 wait, the oldest came " in files.output
    assert all(each in events.output for each in (*event_ids, "item-0", "item/updated"))
    assert SECRET not in files.output + events.output


def test_draining_leaves_the_file_of_a_living_process_and_brings_in_that_of_a_dead_one(call, file, service):
    event_ids = spilled(file, 3)

    living = call("drain")
    assert (living.exit_code, service.events()) == (0, [])
    assert "0 files emptied; 3 events wait" in living.output
    file.close()
    dead = call("drain")

    assert dead.exit_code == 0, dead.output
    assert "1 files emptied; 0 events wait" in dead.output
    assert [row.event_id for row in service.events()] == event_ids
    assert {row.received_at for row in service.events()} == {NOON}


def test_both_lists_are_there_as_json(call, file):
    event_ids = spilled(file, 3)

    files, events = json.loads(call("--json").output), json.loads(call("--events", "--json", "--limit", "2").output)

    assert (files["waiting"], files["results"][0]["events"], files["results"][0]["processLives"]) == (3, 3, True)
    assert [each["id"] for each in events["results"]] == event_ids[:2]


def test_without_postgres_draining_says_so_and_loses_nothing(call, file, environ):
    spilled(file, 3)
    file.close()
    environ["DATABASE_URL"] = "postgresql://127.0.0.1:1/none"

    result = call("drain")

    assert result.exit_code == exits.UNAVAILABLE
    assert "Nothing is lost" in result.output
    assert "3 wait" in call().output


def test_without_a_folder_it_says_that_there_is_no_spill(call, environ):
    del environ["SPILL_FOLDER"]

    assert "SPILL_FOLDER is not set" in call().output
    assert call().exit_code == exits.WRONG
