"""`python -m standalone up`, as a person runs it, where it does not come to run; `test_run_of_up` has a run."""

import signal

import pytest

from standalone.data_folder import locked
from standalone.ports import any_free
from tests.standalone.liveness import is_running
from tests.standalone.up_running import Run

pytestmark = pytest.mark.slow


@pytest.fixture
def start(data_dir, tmp_path):
    runs = []

    def start(port, **settings):
        runs.append(Run(data_dir, port, tmp_path / f"output-{len(runs)}", **settings))
        return runs[-1]

    yield start
    for run in runs:
        if run.popen.poll() is None:
            run.stop(signal.SIGTERM)


# Each signal is taken in the same way: one is tried at each moment, and each at one. (SIGTERM ends whole runs.)
@pytest.mark.parametrize(
    "moment, how",
    [("starting Postgres", signal.SIGINT), ("starting the sandbox", signal.SIGHUP), ("starting web", signal.SIGINT)],
)
def test_up_that_is_interrupted_while_it_starts_ends_well_and_leaves_no_process(start, moment, how):
    run = start(any_free())
    run.wait_until_printed(moment)
    processes = run.processes()

    run.stop(how)

    assert [pid for pid in processes if is_running(pid)] == []
    assert "Traceback" not in run.printed
    assert not (run.data / "processes.jsonl").exists()


def test_a_second_run_beside_the_first_says_that_it_started_nothing_and_stopped_nothing(start, data_dir):
    with locked(data_dir):
        run = start(any_free())

        assert run.popen.wait(60) == 1
    assert "nothing was started: another run is using" in run.printed
    assert "and goes on" in run.printed
    assert "stopped" not in run.printed


def test_up_explains_settings_that_are_wrong_and_stops(start, shared_valkey):
    # The settings are read before Postgres is asked for anything.
    elsewhere = {"DATABASE_URL": "postgresql://127.0.0.1:1/nobody", "REDIS_URL": shared_valkey.url}
    run = start(any_free(), **elsewhere, SYNC_OVERLAP_DAYS="many")

    assert run.popen.wait(60) == 1
    assert "SYNC_OVERLAP_DAYS" in run.printed
    assert "everything is stopped" in run.printed
    assert "Traceback" not in run.printed
    assert not (run.data / "up.env").exists()
