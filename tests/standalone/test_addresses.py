"""Where everything is can be seen again."""

import io
import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from standalone.addresses import box, show_on_enter
from standalone.cli import main
from standalone.data_folder import locked
from standalone.keys import write_env_file
from standalone.polling import eventually

RUN = {
    "WEB_URL": "http://127.0.0.1:8000",
    "CONSOLE_URL": "http://127.0.0.1:5556",
    "CONSOLE_PASSWORD": "open",
    "FLOWER_URL": "http://127.0.0.1:5555",
    "PLUGGY_API_URL": "https://api.pluggy.ai",
    "API_TOKENS": "new-token,old-token",
    "FLOWER_BASIC_AUTH": "operator:sesame",
}


def shown(run):
    console = Console(file=io.StringIO(), width=80)
    console.print(box(run, Path(".data/up.env")))
    return console.file.getvalue()


def test_the_box_has_what_a_newcomer_needs_and_fits_80_columns():
    text = shown({**RUN, "SANDBOX_URL": "http://127.0.0.1:8001", "WALLET_URL": "http://127.0.0.1:8002"})

    for each in (
        "8000/v1/docs",
        "new-token",
        "8001/",
        "8002/",
        "operator / sesame",
        "5556/",
        "operator / open",
        ".data/up.env",
    ):
        assert each in text
    assert "old-token" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_without_a_local_pluggy_the_box_names_the_real_one():
    assert "https://api.pluggy.ai" in shown(RUN)


def test_where_shows_the_box_while_the_service_is_up(tmp_path):
    with locked(tmp_path):
        write_env_file(tmp_path / "up.env", RUN)

        result = CliRunner().invoke(main, ["where", "--data", str(tmp_path)])

    assert result.exit_code == 0
    assert "http://127.0.0.1:8000/v1/docs" in result.output


def test_where_does_not_show_addresses_that_a_killed_run_left(tmp_path):
    write_env_file(tmp_path / "up.env", RUN)

    result = CliRunner().invoke(main, ["where", "--data", str(tmp_path)])

    assert result.exit_code == 1
    assert "nothing is up here" in result.output
    assert "8000" not in result.output


def test_enter_shows_it_again_in_a_terminal(monkeypatch):
    keyboard, terminal = os.openpty()
    presses = []
    with os.fdopen(terminal) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        show_on_enter(lambda: presses.append("shown"))

        os.write(keyboard, b"\n")

        eventually(lambda: presses, what="it is shown")
        # The end of the terminal ends the thread, before the file is closed under it.
        os.close(keyboard)


@pytest.mark.parametrize("given", [b"", b"\n\n"])
def test_without_a_terminal_nothing_is_read(monkeypatch, tmp_path, given):
    (tmp_path / "input").write_bytes(given)
    with (tmp_path / "input").open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        show_on_enter(lambda: pytest.fail("shown"))

        assert stdin.read().encode() == given
