"""
Starts processes, passes on what they print, and stops every one of them.

A process that ends by itself ends the whole run: here a crash should be seen, not papered over by a restart.
"""

import queue
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psutil

from standalone import leftovers
from standalone.interruptions import interruptions_ignored, interruptions_put_off
from standalone.waiting import wait_for

# A worker may finish the task it is in.
PATIENCE_S = 10.0

Show = Callable[[str, str], None]


class ProcessEndedError(Exception):
    """A process ended though it should have stayed; the text says which and how."""


@dataclass
class Child:
    """A process that was started, the leader of its own process group."""

    name: str
    popen: subprocess.Popen[bytes]
    threads: list[threading.Thread] = field(default_factory=list)

    @property
    def pid(self) -> int:
        """Its id, which is also that of its group."""
        return self.popen.pid

    def ended(self) -> str | None:
        """Return how it ended, or None while it runs."""
        code = self.popen.poll()
        if code is None:
            return None
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        return f"{self.name} {how}"

    def let_go(self) -> None:
        """Close the pipe once everything in it was read. Only after the process has ended."""
        for thread in self.threads:
            thread.join(PATIENCE_S)
        # Closing would wait forever for a reader, if somebody that we do not know of still holds the other end.
        if self.popen.stdout and not any(thread.is_alive() for thread in self.threads):
            self.popen.stdout.close()


class Supervisor:
    """Runs processes until it is left, then stops them. *show* gets a name and a line that it printed."""

    def __init__(self, *, show: Show, ledger: Path) -> None:
        self._show = show
        self._ledger = ledger
        self._children: list[Child] = []
        self._ends: queue.SimpleQueue[Child] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with interruptions_ignored():
            self.stop()

    def start(self, name: str, argv: Sequence[str], env: Mapping[str, str]) -> Child:
        """Start a process in a group of its own, so that a Ctrl-C in the terminal reaches only us."""
        with interruptions_put_off():
            popen = subprocess.Popen(
                argv,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            child = Child(name, popen)
            self._children.append(child)
            leftovers.note(self._ledger, popen.pid)
        for work in (self._pass_on, self._await_end):
            thread = threading.Thread(target=work, args=[child], daemon=True)
            thread.start()
            child.threads.append(thread)
        return child

    def run(self, name: str, argv: Sequence[str], env: Mapping[str, str]) -> None:
        """
        Run a process to its end.

        Raises:
            ProcessEndedError: it did not end with code 0.
        """
        child = self.start(name, argv, env)
        child.popen.wait()
        child.let_go()
        self._children.remove(child)
        if child.popen.returncode != 0:
            raise ProcessEndedError(child.ended())

    def wait_until(self, what: str, look: Callable[[], bool], *, timeout_s: float) -> None:
        """
        Wait until *look* is true.

        Raises:
            ProcessEndedError: one of the processes ended meanwhile.
            WaitedInVainError: it took longer than *timeout_s* seconds.
        """

        def look_around() -> bool:
            self.check()
            return look()

        wait_for(what, look_around, timeout_s=timeout_s)

    def check(self) -> None:
        """Raise ProcessEndedError if a process has ended."""
        for child in self._children:
            if how := child.ended():
                raise ProcessEndedError(how)

    def wait(self) -> None:
        """Wait until a process ends, then raise ProcessEndedError. Ctrl-C interrupts it."""
        while True:
            self._ends.get()
            self.check()  # what `run` ran to its end is no longer among the children

    def stop(self) -> None:
        """Stop all processes and everything they started: first by asking, after PATIENCE_S by force."""
        children, self._children = self._children, []
        families = [
            member
            for child in children
            if psutil.pid_exists(child.pid)
            for member in leftovers.descendants(psutil.Process(child.pid))
        ]
        # Only the leaders are asked: they know how to stop their own children without losing work.
        for child in reversed(children):
            child.popen.terminate()
        for child in children:
            try:
                child.popen.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                child.popen.kill()
                child.popen.wait()
            leftovers.end_group(child.pid)
        leftovers.end_families(families)
        for child in children:
            child.let_go()
        self._ledger.unlink(missing_ok=True)

    def _pass_on(self, child: Child) -> None:
        for line in child.popen.stdout:  # type: ignore[union-attr]  # we asked for a pipe
            self._show(child.name, line.decode(errors="replace").rstrip("\r\n"))

    def _await_end(self, child: Child) -> None:
        child.popen.wait()
        self._ends.put(child)
