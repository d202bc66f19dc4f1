"""What other processes see of the service that `make up` runs."""

from console import local_run
from standalone.data_folder import locked


def test_its_settings_are_found_while_it_is_up_and_not_after(tmp_path):
    with locked(tmp_path):
        assert local_run.settings(tmp_path) == {}  # it is starting
        (tmp_path / "up.env").write_text("SECRET_KEY='a $b'\nEMPTY=\n")

        assert local_run.settings(tmp_path) == {"SECRET_KEY": "a $b"}

    # As when it was killed: the file is still there.
    assert local_run.settings(tmp_path) == {}


def test_looking_at_a_run_does_not_take_its_folder(tmp_path):
    with locked(tmp_path):
        assert local_run.is_up(tmp_path)
        assert local_run.is_up(tmp_path)

    assert not local_run.is_up(tmp_path)
    with locked(tmp_path):
        assert local_run.is_up(tmp_path)
