"""Processes are started, watched and stopped, whatever they do."""

import os
import signal
import subprocess
import sys
import threading
from collections import defaultdict

import psutil
import pytest

from standalone import orphans
from standalone.polling import WaitedInVainError, eventually
from standalone.programs import Program
from standalone.supervisor import ProcessEndedError, Supervisor
from tests.standalone.liveness import is_running

FOREVER = "import signal; signal.pause()"
KILLS_ITSELF = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
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
    """What processes printed, by name, and what the supervisor said."""

    def __init__(self):
        self.lines = defaultdict(list)
        self.said = []

    def show(self, name, line):
        self.lines[name].append(line)

    def first_line(self, name):
        return eventually(lambda: self.lines[name], what=f"a line of {name}")[0]


@pytest.fixture
def printed():
    return Printed()


@pytest.fixture
def ledger(tmp_path):
    return tmp_path / "ledger"


@pytest.fixture
def supervisor(printed, ledger):
    with Supervisor(show=printed.show, say=printed.said.append, ledger=ledger) as supervisor:
        yield supervisor


class EnoughError(Exception):
    """Ends `keep_running`, which has no end of its own."""


def enough():
    raise EnoughError


def python(name, code, **more):
    return Program(name=name, argv=[sys.executable, "-c", code], env=os.environ, **more)


def test_what_a_process_prints_is_shown_under_its_name(supervisor, printed):
    supervisor.run(python("a", "print('one'); print('two')"))
    supervisor.run(python("b", "import sys; print('three', file=sys.stderr)"))

    assert printed.lines == {"a": ["one", "two"], "b": ["three"]}


def test_a_process_that_fails_is_reported_with_its_code(supervisor):
    with pytest.raises(ProcessEndedError, match="migrate ended with code 3"):
        supervisor.run(python("migrate", "raise SystemExit(3)"))


def test_a_process_that_ended_is_started_again_and_that_is_said_in_one_line(supervisor, printed):
    supervisor.start(python("steady", FOREVER), restarted=enough)
    supervisor.run(python("passing", ""))
    supervisor.start(python("frail", "print('here', flush=True);" + KILLS_ITSELF), restarted=enough)

    with pytest.raises(EnoughError):
        supervisor.keep_running()

    assert printed.said == ["frail was ended by SIGKILL; starting it again"]
    eventually(lambda: printed.lines["frail"] == ["here", "here"], what="its second life")


def test_what_a_dead_process_had_started_is_ended_before_it_is_started_again(supervisor, printed):
    parent = supervisor.start(python("p", STUBBORN_PARENT.format(own_session=False)), restarted=enough)
    grandchild = int(printed.first_line("p"))
    os.kill(parent.pid, signal.SIGKILL)

    with pytest.raises(EnoughError):
        supervisor.keep_running()

    assert not is_running(grandchild)


def test_a_crash_loop_is_given_up_and_named(supervisor, printed, monkeypatch):
    monkeypatch.setattr("standalone.restarts.DELAYS_S", (0.0, 0.1))
    supervisor.start(python("steady", FOREVER))
    supervisor.start(python("frail", "raise SystemExit(3)"))

    with pytest.raises(ProcessEndedError, match="frail ended with code 3, 3 times in a row"):
        supervisor.keep_running()

    assert printed.said == ["frail ended with code 3; starting it again" + after for after in ("", " in 0.1 s")]


def test_a_process_that_waits_for_its_next_start_keeps_no_other_one_waiting(supervisor, monkeypatch):
    monkeypatch.setattr("standalone.restarts.DELAYS_S", (0.0, 3600.0))
    steady = supervisor.start(python("steady", FOREVER), restarted=enough)
    kill_steady = f"import os, signal; os.kill({steady.pid}, signal.SIGKILL)"
    supervisor.start(python("frail", "raise SystemExit(1)"), restarted=lambda: supervisor.run(python("k", kill_steady)))

    with pytest.raises(EnoughError):
        supervisor.keep_running()


def test_what_others_need_is_stopped_after_them(supervisor, tmp_path):
    log = tmp_path / "log"
    slow = """
import pathlib, signal, sys, time
def end(*_):
    time.sleep(0.3 if sys.argv[1] == "user" else 0)
    with open({log!r}, "a") as lines: lines.write(sys.argv[1] + "\\n")
    sys.exit()
signal.signal(signal.SIGINT, end); signal.signal(signal.SIGTERM, end)
pathlib.Path({log!r} + sys.argv[1]).touch()
signal.pause()
"""
    for name, stops_last in (("store", True), ("user", False)):
        argv = [sys.executable, "-c", slow.format(log=str(log)), name]
        supervisor.start(Program(name=name, argv=argv, env=os.environ, stops_last=stops_last))
    eventually(lambda: len(list(tmp_path.glob("log?*"))) == 2, what="both")

    supervisor.stop()

    assert log.read_text().split() == ["user", "store"]


def test_waiting_for_a_process_ends_when_another_one_dies(supervisor):
    supervisor.start(python("frail", "raise SystemExit(1)"))

    with pytest.raises(ProcessEndedError, match="frail ended with code 1"):
        supervisor.wait_until("what never comes", lambda: False, timeout_s=10)


def test_waiting_ends_at_its_bound(supervisor):
    with pytest.raises(WaitedInVainError, match="what never comes"):
        supervisor.wait_until("what never comes", lambda: False, timeout_s=0.1)


@pytest.mark.parametrize("own_session", [False, True])
def test_stopping_leaves_no_grandchild_behind(supervisor, printed, own_session):
    parent = supervisor.start(python("p", STUBBORN_PARENT.format(own_session=own_session)))
    grandchild = int(printed.first_line("p"))
    assert is_running(grandchild)

    supervisor.stop()

    assert not is_running(parent.pid)
    assert not is_running(grandchild)


def test_a_grandchild_is_stopped_though_its_parent_died_before(supervisor, printed):
    parent = supervisor.start(python("p", STUBBORN_PARENT.format(own_session=False)))
    grandchild = int(printed.first_line("p"))
    os.kill(parent.pid, signal.SIGKILL)
    eventually(lambda: not is_running(parent.pid), what="its end")

    supervisor.stop()

    assert not is_running(grandchild)


def test_a_process_that_does_not_mind_being_asked_is_killed(supervisor, printed, monkeypatch):
    monkeypatch.setattr("standalone.supervisor.PATIENCE_S", 0.2)
    deaf = "import signal; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"
    child = supervisor.start(python("deaf", deaf))
    printed.first_line("deaf")

    supervisor.stop()

    assert not is_running(child.pid)


def test_stopping_twice_is_the_same_as_once(supervisor):
    supervisor.start(python("p", FOREVER))

    supervisor.stop()
    supervisor.stop()


def test_what_a_killed_run_left_behind_is_ended_by_the_next(supervisor, printed, ledger):
    child = supervisor.start(python("p", STUBBORN_PARENT.format(own_session=False)))
    grandchild = int(printed.first_line("p"))

    assert orphans.end(ledger) == 1

    assert not is_running(child.pid)
    assert not is_running(grandchild)
    assert orphans.end(ledger) == 0


def test_a_process_that_only_got_the_id_of_an_old_one_is_left_alone(tmp_path):
    ledger = tmp_path / "ledger"
    stranger = subprocess.Popen([sys.executable, "-c", FOREVER])
    try:
        orphans.note(ledger, "stranger", stranger.pid)
        born = psutil.Process(stranger.pid).create_time()
        ledger.write_text(ledger.read_text().replace(str(born), str(born - 60)))

        assert orphans.end(ledger) == 0

        assert is_running(stranger.pid)
    finally:
        stranger.kill()
        stranger.wait()


def test_no_thread_outlives_the_supervisor(printed, ledger):
    before = set(threading.enumerate())

    with Supervisor(show=printed.show, say=printed.said.append, ledger=ledger) as supervisor:
        supervisor.start(python("p", FOREVER))

    assert set(threading.enumerate()) == before
