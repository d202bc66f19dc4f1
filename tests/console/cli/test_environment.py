"""Where the settings of a command come from: the environment, else `.env`, else the run of `make up`."""

import pytest
from click.testing import CliRunner

from console.cli import environment, exits, main
from pluggy_sync.settings import setting_names
from standalone.data_folder import locked
from standalone.keys import write_env_file
from tests.kit.factories import an_environ


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The present folder, with no settings in it and none in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in setting_names():
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def write_run(folder, **settings):
    (folder / ".data").mkdir(exist_ok=True)
    write_env_file(folder / ".data/up.env", an_environ(**settings))


def test_a_run_of_make_up_in_this_folder_is_found_without_being_told(folder):
    with locked(folder / ".data"):
        write_run(folder, PUBLIC_URL="https://of-the-run")

        assert environment.settings().public_url == "https://of-the-run"


def test_the_environment_wins_over_dot_env_which_wins_over_the_run(folder, monkeypatch):
    with locked(folder / ".data"):
        write_run(folder, PUBLIC_URL="https://run", SYNC_OVERLAP_DAYS="4", STALE_AFTER_HOURS="5")
        (folder / ".env").write_text("PUBLIC_URL=https://file\nSYNC_OVERLAP_DAYS=6\nSTALE_AFTER_HOURS=\n")
        monkeypatch.setenv("PUBLIC_URL", "https://environment")
        monkeypatch.setenv("SYNC_OVERLAP_DAYS", " ")

        settings = environment.settings()

    assert settings.public_url == "https://environment"
    assert settings.sync_overlap_days == 6  # set to nothing counts as not set
    assert settings.stale_after_hours == 5


def test_what_a_killed_run_left_is_not_used_and_the_command_says_so(folder):
    with locked(folder / ".data"):
        write_run(folder)

    result = CliRunner().invoke(main, ["check"])

    assert result.exit_code == exits.WRONG
    assert "DATABASE_URL" in result.output
    assert ".data/up.env is not used" in result.output
    assert "nothing is up here" in result.output


@pytest.mark.parametrize("is_up", [True, False])
def test_a_command_without_settings_says_where_they_are_looked_for(folder, is_up):
    if is_up:
        with locked(folder / ".data"):
            result = CliRunner().invoke(main, ["check"])
    else:
        result = CliRunner().invoke(main, ["check"])

    assert result.exit_code == exits.WRONG
    assert "SECRET_KEY" in result.output
    assert ("looked for in the environment" if is_up else "While `make up` runs in this folder") in result.output


def test_dot_env_alone_is_enough(folder):
    (folder / ".env").write_text("".join(f"{name}='{value}'\n" for name, value in an_environ().items()))

    assert CliRunner().invoke(main, ["check"]).exit_code == 0


def test_postgres_that_does_not_answer_is_a_sentence(folder, monkeypatch):
    for name, value in an_environ(DATABASE_URL="postgresql://u@127.0.0.1:1/none").items():
        monkeypatch.setenv(name, value)

    for command in (["migrate"], ["events"]):
        result = CliRunner().invoke(main, command)

        assert result.exit_code == exits.UNAVAILABLE
        assert result.output == "Error: Postgres does not answer (OperationalError).\n"
