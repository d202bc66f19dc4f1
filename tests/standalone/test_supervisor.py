"""Processes are started, watched and stopped, whatever they do."""

import os
import signal
import subprocess
import sys
import threading
from collections import defaultdict

import psutil
import pytest

from standalone import leftovers
from standalone.supervisor import ProcessEndedError, Supervisor
from standalone.waiting import WaitedInVainError, wait_for
from tests.standalone.liveness import is_running

# Prints the id of a child that does not mind SIGTERM, then stays.
STUBBORN_PARENT = """
import signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", '''
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
signal.pause()
'''], stdout=subprocess.PIPE, start_new_session={own_session})
child.stdout.readline()
print(child.pid, flush=True)
signal.pause()
"""


class Printed:
    """What processes printed, by name."""

    def __init__(self):
        self.lines = defaultdict(list)

    def show(self, name, line):
        self.lines[name].append(line)

    def first_line(self, name):
        return wait_for(f"a line of {name}", lambda: self.lines[name], timeout_s=10)[0]


@pytest.fixture
def printed():
    return Printed()


@pytest.fixture
def ledger(tmp_path):
    return tmp_path / "ledger"


@pytest.fixture
def supervisor(printed, ledger):
    with Supervisor(show=printed.show, ledger=ledger) as supervisor:
        yield supervisor


def python(code):
    return [sys.executable, "-c", code]


def test_what_a_process_prints_is_shown_under_its_name(supervisor, printed):
    supervisor.run("a", python("print('one'); print('two')"), os.environ)
    supervisor.run("b", python("import sys; print('three', file=sys.stderr)"), os.environ)

    assert printed.lines == {"a": ["one", "two"], "b": ["three"]}


def test_a_process_that_fails_is_reported_with_its_code(supervisor):
    with pytest.raises(ProcessEndedError, match="migrate ended with code 3"):
        supervisor.run("migrate", python("raise SystemExit(3)"), os.environ)


def test_a_process_that_ends_by_itself_ends_the_wait_and_is_named(supervisor):
    supervisor.start("steady", python("import signal; signal.pause()"), os.environ)
    supervisor.run("passing", python(""), os.environ)
    supervisor.start("frail", python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"), os.environ)

    with pytest.raises(ProcessEndedError, match="frail was ended by SIGKILL"):
        supervisor.wait()


def test_waiting_for_a_process_ends_when_another_one_dies(supervisor):
    supervisor.start("frail", python("raise SystemExit(1)"), os.environ)

    with pytest.raises(ProcessEndedError, match="frail ended with code 1"):
        supervisor.wait_until("what never comes", lambda: False, timeout_s=10)


def test_waiting_ends_at_its_bound(supervisor):
    with pytest.raises(WaitedInVainError, match="what never comes"):
        supervisor.wait_until("what never comes", lambda: False, timeout_s=0.1)


@pytest.mark.parametrize("own_session", [False, True])
def test_stopping_leaves_no_grandchild_behind(supervisor, printed, own_session):
    parent = supervisor.start("p", python(STUBBORN_PARENT.format(own_session=own_session)), os.environ)
    grandchild = int(printed.first_line("p"))
    assert is_running(grandchild)

    supervisor.stop()

    assert not is_running(parent.pid)
    assert not is_running(grandchild)


def test_a_grandchild_is_stopped_though_its_parent_died_before(supervisor, printed):
    parent = supervisor.start("p", python(STUBBORN_PARENT.format(own_session=False)), os.environ)
    grandchild = int(printed.first_line("p"))
    os.kill(parent.pid, signal.SIGKILL)
    wait_for("its end", lambda: not is_running(parent.pid), timeout_s=10)

    supervisor.stop()

    assert not is_running(grandchild)


def test_a_process_that_does_not_mind_being_asked_is_killed(supervisor, printed, monkeypatch):
    monkeypatch.setattr("standalone.supervisor.PATIENCE_S", 0.2)
    deaf = "import signal; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"
    child = supervisor.start("deaf", python(deaf), os.environ)
    printed.first_line("deaf")

    supervisor.stop()

    assert not is_running(child.pid)


def test_stopping_twice_is_the_same_as_once(supervisor):
    supervisor.start("p", python("import signal; signal.pause()"), os.environ)

    supervisor.stop()
    supervisor.stop()


def test_what_a_killed_run_left_behind_is_ended_by_the_next(supervisor, printed, ledger):
    child = supervisor.start("p", python(STUBBORN_PARENT.format(own_session=False)), os.environ)
    grandchild = int(printed.first_line("p"))

    assert leftovers.end(ledger) == 1

    assert not is_running(child.pid)
    assert not is_running(grandchild)
    assert leftovers.end(ledger) == 0


def test_a_process_that_only_got_the_id_of_an_old_one_is_left_alone(tmp_path):
    ledger = tmp_path / "ledger"
    stranger = subprocess.Popen(python("import signal; signal.pause()"))
    try:
        leftovers.note(ledger, stranger.pid)
        born = psutil.Process(stranger.pid).create_time()
        ledger.write_text(ledger.read_text().replace(str(born), str(born - 60)))

        assert leftovers.end(ledger) == 0

        assert is_running(stranger.pid)
    finally:
        stranger.kill()
        stranger.wait()


def test_no_thread_outlives_the_supervisor(printed, ledger):
    before = set(threading.enumerate())

    with Supervisor(show=printed.show, ledger=ledger) as supervisor:
        supervisor.start("p", python("import signal; signal.pause()"), os.environ)

    assert set(threading.enumerate()) == before
