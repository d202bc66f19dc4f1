"""
Starts processes, passes on what they print, starts again what ends by itself, and stops every one of them.

While the service starts, and in the demo, a process that ends is an error: `check` and `wait_until` raise it. Once all
are up, `keep_running` starts it again.
"""

import queue
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, Self

from standalone import orphans, ports, programs
from standalone.polling import eventually
from standalone.programs import Program
from standalone.restarts import Restarts
from standalone.signals import ignore_interruptions, interruptions_deferred, interruptions_ignored

# A worker may finish the task it is in.
PATIENCE_S = 10.0

Show = Callable[[str, str], None]
Say = Callable[[str], None]


class ProcessEndedError(Exception):
    """A process ended though it should have stayed; the text says which and how."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


@dataclass(eq=False)
class Child:
    """A process that was started, the leader of its own process group."""

    program: Program
    popen: subprocess.Popen[bytes]
    # Called after it was started again.
    restarted: Callable[[], None] | None = None
    started_at: float = field(default_factory=time.monotonic)
    threads: list[threading.Thread] = field(default_factory=list)

    @property
    def pid(self) -> int:
        """Its id, which is also that of its group."""
        return self.popen.pid

    def ended(self) -> str | None:
        """Return how it ended, or None while it runs."""
        code = self.popen.poll()
        return None if code is None else programs.ending(self.program.name, code)

    def close(self) -> None:
        """Close the pipe once everything in it was read. Only after the process has ended."""
        for thread in self.threads:
            thread.join(PATIENCE_S)
        # Closing would wait forever for a reader, if somebody that we do not know of still holds the other end.
        if self.popen.stdout and not any(thread.is_alive() for thread in self.threads):
            self.popen.stdout.close()


class Supervisor:
    """Runs processes until it is left, then stops them. *show* gets a name and a line that it printed."""

    def __init__(self, *, show: Show, say: Say, ledger: Path) -> None:
        self._show = show
        self._say = say
        self._ledger = ledger
        self._children: list[Child] = []
        self._ends: queue.SimpleQueue[Child] = queue.SimpleQueue()
        self._restarts: defaultdict[str, Restarts] = defaultdict(Restarts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is KeyboardInterrupt:
            # A second one, a moment later, must not turn a good end into a failure.
            ignore_interruptions()
            self.stop()
        else:
            with interruptions_ignored():
                self.stop()

    def start(self, program: Program, *, restarted: Callable[[], None] | None = None) -> Child:
        """Start *program*. *restarted* is called each time after it was started again."""
        with interruptions_deferred():
            child = Child(program, programs.start(program, subprocess.PIPE), restarted)
            self._children.append(child)
            orphans.note(self._ledger, program.name, child.pid)
        for work in (self._pass_on, self._await_end):
            thread = threading.Thread(target=work, args=[child], daemon=True)
            thread.start()
            child.threads.append(thread)
        return child

    def run(self, program: Program) -> None:
        """
        Run *program* to its end.

        Raises:
            ProcessEndedError: it did not end with code 0.
        """
        child = self.start(program)
        child.popen.wait()
        child.close()
        self._children.remove(child)
        if child.popen.returncode != 0:
            raise ProcessEndedError(program.name, str(child.ended()))

    def wait_until(self, what: str, condition: Callable[[], bool], *, timeout_s: float) -> None:
        """
        Wait until *condition* is true.

        Raises:
            ProcessEndedError: one of the processes ended meanwhile.
            WaitedInVainError: it took longer than *timeout_s* seconds.
        """

        def while_all_run() -> bool:
            self.check()
            return condition()

        eventually(while_all_run, within_s=timeout_s, what=what)

    def check(self) -> None:
        """Raise ProcessEndedError if a process has ended."""
        for child in self._children:
            if how := child.ended():
                raise ProcessEndedError(child.program.name, how)

    def holds(self, name: str, port: int) -> bool:
        """Return whether the process *name*, or one that it started, listens on *port*."""
        leaders = [child.pid for child in self._children if child.program.name == name and child.ended() is None]
        return any(ports.is_held_by(port, orphans.family(pid)) for pid in leaders)

    def keep_running(self) -> NoReturn:
        """
        Start again whatever ends, until Ctrl-C.

        Raises:
            ProcessEndedError: a process ended again and again.
        """
        due: dict[Child, float] = {}
        while True:
            if ended := self._next_end(min(due.values(), default=None)):
                due[ended] = time.monotonic() + self._delay(ended)
            for child in [child for child, at in due.items() if at <= time.monotonic()]:
                del due[child]
                self.start(child.program, restarted=child.restarted)
                if child.restarted:
                    child.restarted()

    def stop(self) -> None:
        """Stop all processes and everything they started: first by asking, after PATIENCE_S by force."""
        children, self._children = self._children, []
        families = [member for child in children for member in orphans.descendants(child.pid)]
        for stops_last in (False, True):
            _stop([child for child in children if child.program.stops_last is stops_last])
        orphans.end_families(families)
        for child in children:
            child.close()
        self._ledger.unlink(missing_ok=True)

    def _next_end(self, until: float | None) -> Child | None:
        """Return the next child that ended by itself; None at *until*, a time of the monotonic clock."""
        with suppress(queue.Empty):
            child = self._ends.get(timeout=None if until is None else max(0.0, until - time.monotonic()))
            # What `run` ran to its end is no longer among the children.
            return child if child in self._children else None
        return None

    def _delay(self, ended: Child) -> float:
        """Clear up after a child that ended by itself; return the seconds until it is to be started again."""
        self._children.remove(ended)
        # What it started would hold its port or do its work twice.
        orphans.end_group(ended.pid)
        ended.close()
        name, how = ended.program.name, ended.ended()
        delay = self._restarts[name].next_delay(time.monotonic() - ended.started_at)
        if delay is None:
            raise ProcessEndedError(name, f"{how}, {self._restarts[name].in_a_row + 1} times in a row")
        self._say(f"{how}; starting it again" + (f" in {delay:g} s" if delay else ""))
        return delay

    def _pass_on(self, child: Child) -> None:
        for line in child.popen.stdout:  # type: ignore[union-attr]  # we asked for a pipe
            self._show(child.program.name, line.decode(errors="replace").rstrip("\r\n"))

    def _await_end(self, child: Child) -> None:
        child.popen.wait()
        self._ends.put(child)


def _stop(children: list[Child]) -> None:
    # Only the leaders are asked: they know how to stop their own children without losing work.
    for child in reversed(children):
        child.popen.send_signal(child.program.stop_signal)
    for child in children:
        try:
            child.popen.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            child.popen.kill()
            child.popen.wait()
        orphans.end_group(child.pid)
