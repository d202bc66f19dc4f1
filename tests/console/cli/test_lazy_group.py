"""The frame of the commands: each is loaded when it is called, and ends with a sentence and an exit status."""

import json
import subprocess
import sys

import click
import psycopg
import pytest
from click.testing import CliRunner
from redis.exceptions import ConnectionError as RedisGoneError
from sqlalchemy.exc import OperationalError, ProgrammingError

from console.cli import commands, exits, main
from console.cli.lazy_group import Entry, LazyGroup
from pluggy_sync.pluggy.errors import PluggyRefusedError, PluggyUnavailableError

# What takes long to load, and what only some commands need.
HEAVY = ("celery", "alembic", "httpx", "flask")


@pytest.mark.parametrize("name", commands.NAMES)
def test_each_command_is_where_its_entry_says_with_the_help_that_the_list_shows(name):
    entry = main.entries[name]

    command = main.get_command(click.Context(main), name)

    assert command is not None
    assert command.get_short_help_str(limit=200).rstrip(".") == entry.help.rstrip(".")


def loaded_after(*arguments: str) -> set[str]:
    """Return what a process has loaded that called the command, whatever came of it."""
    script = (
        "import sys, json; from console.cli import main\n"
        f"try: main({list(arguments)!r})\nexcept SystemExit: pass\n"
        "print('\\n' + json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_help_version_and_completion_load_no_command():
    for arguments in (["--help"], ["--version"], ["completion", "bash"]):
        assert loaded_after(*arguments).isdisjoint({*HEAVY, "sqlalchemy", "marshmallow"}), arguments


def test_a_command_that_reads_loads_nothing_that_asks_pluggy_or_makes_tables():
    environ = ["events", "--limit", "1"]

    assert loaded_after(*environ).isdisjoint(HEAVY)


def raising(error: Exception) -> LazyGroup:
    """Return a group whose one command raises *error*."""

    @click.command()
    def fails() -> None:
        raise error

    group = LazyGroup(entries={"fails": Entry("none:none", "Fail.")})
    # So that no module has to be there.
    group.get_command = lambda ctx, cmd_name: fails  # type: ignore[method-assign]
    return group


@pytest.mark.parametrize(
    "error, status, said",
    [
        (OperationalError("s", {}, psycopg.OperationalError("secret")), exits.UNAVAILABLE, "Postgres does not answer"),
        (OperationalError("s", {}, psycopg.errors.DiskFull("secret")), exits.FAILED, "disk of Postgres is full"),
        (psycopg.errors.ReadOnlySqlTransaction("secret"), exits.UNAVAILABLE, "read-only"),
        (ProgrammingError("s", {}, psycopg.errors.UndefinedTable("secret")), exits.FAILED, "pluggy-sync migrate"),
        (RedisGoneError("secret"), exits.UNAVAILABLE, "Redis does not answer"),
        (PluggyUnavailableError("503 for GET /items/{id}"), exits.UNAVAILABLE, "503 for GET /items/{id}"),
        (PluggyRefusedError("400 X for POST /webhooks", status=400), exits.FAILED, "400 X for POST /webhooks"),
        (KeyError("secret"), exits.FAILED, "A fault of ours: KeyError at test_lazy_group.py"),
    ],
)
def test_a_failure_is_one_sentence_and_a_status_and_no_traceback(error, status, said):
    result = CliRunner().invoke(raising(error), ["fails"])

    assert (result.exit_code, said in result.output) == (status, True), result.output
    assert "Traceback" not in result.output
    assert "secret" not in result.output


def test_what_click_says_itself_stays_as_it_is():
    assert CliRunner().invoke(main, ["none"]).exit_code == exits.WRONG
    assert CliRunner().invoke(raising(click.Abort()), ["fails"]).output.strip() == "Aborted!"


def test_version_is_that_of_the_package():
    result = CliRunner().invoke(main, ["--version"])

    assert result.exit_code == 0
    assert result.output.startswith("pluggy-sync 0.")


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_is_a_script_of_the_shell_that_offers_the_commands(shell):
    script = CliRunner().invoke(main, ["completion", shell])

    assert script.exit_code == 0
    assert "_PLUGGY_SYNC_COMPLETE" in script.output
    asked = {"_PLUGGY_SYNC_COMPLETE": f"{shell}_complete", "COMP_WORDS": "pluggy-sync not", "COMP_CWORD": "1"}
    offered = CliRunner().invoke(main, [], env=asked, prog_name="pluggy-sync").output
    assert "notifications" in offered
    assert "events" not in offered.split("notifications")[0]
