"""The folder of the data is for one run at a time, and for its owner's eyes only."""

import os
import stat

import pytest

from console.local_run import is_up
from standalone.data_folder import AlreadyRunningError, locked, make_private


@pytest.fixture(autouse=True)
def _same_umask_after():
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes(folder):
    return {
        str(path.relative_to(folder)): oct(stat.S_IMODE(path.stat().st_mode)) for path in [folder, *folder.rglob("*")]
    }


def test_what_others_could_read_and_what_is_made_later_is_private(tmp_path):
    folder = tmp_path / "data"
    (folder / "logs").mkdir(parents=True)
    (folder / "logs/web.log").touch()
    (folder / "keys.env").touch()

    make_private(folder)
    (folder / "later").mkdir()
    (folder / "later/file").touch()

    assert modes(folder) == {
        ".": "0o700",
        "logs": "0o700",
        "logs/web.log": "0o600",
        "keys.env": "0o600",
        "later": "0o700",
        "later/file": "0o600",
    }


def test_the_files_of_postgres_are_left_alone(tmp_path):
    (tmp_path / "data/postgres").mkdir(parents=True)
    (tmp_path / "data/postgres").chmod(0o750)

    make_private(tmp_path / "data")

    assert stat.S_IMODE((tmp_path / "data/postgres").stat().st_mode) == 0o750


def test_one_run_at_a_time_has_the_folder_and_others_see_that_it_does(tmp_path):
    assert not is_up(tmp_path / "data")

    with locked(tmp_path / "data"):
        assert is_up(tmp_path / "data")
        with (
            pytest.raises(AlreadyRunningError, match="goes on; to start anew, stop that one first"),
            locked(tmp_path / "data"),
        ):
            pytest.fail("two runs have it")

    assert not is_up(tmp_path / "data")
