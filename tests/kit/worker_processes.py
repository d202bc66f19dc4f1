"""Real Celery workers, as processes of their own, as the Procfile starts them."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from pluggy_sync import queue
from standalone import orphans, procfile, programs
from standalone.polling import eventually


@dataclass(frozen=True)
class Worker:
    """A running worker: its main process, with the log file that it writes."""

    process: subprocess.Popen[bytes]
    log: Path

    def kill(self) -> None:
        """End the worker and its children as a loss of power would."""
        orphans.end_family(self.process.pid)
        self.process.wait(timeout=60)
        # Also what it left behind if it had ended by itself.
        orphans.end_group(self.process.pid)

    def stop(self) -> None:
        """Stop it and its children where they are, as a machine does that runs out of memory."""
        self._send(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let them go on where they were stopped."""
        self._send(signal.SIGCONT)

    def _send(self, number: signal.Signals) -> None:
        main = psutil.Process(self.process.pid)
        for each in [main, *main.children(recursive=True)]:
            each.send_signal(number)

    def count(self, what: str) -> int:
        """Return how often its log holds *what*."""
        return self.log.read_text().count(what)

    def is_ready(self) -> bool:
        """Whether it takes tasks."""
        if self.process.poll() is not None:
            raise AssertionError(f"the worker ended:\n{self.log.read_text()}")
        return " ready." in self.log.read_text()


@contextmanager
def running_worker(environ: dict[str, str], folder: Path, *, beat: bool = False) -> Iterator[Worker]:
    """Run one worker that does the work of all of the Procfile, and beat inside it if wanted, until the block ends."""
    more = ["--queues", ",".join(sorted(set(queue.QUEUE_OF_TASK.values()))), "--without-mingle", "--without-gossip"]
    if beat:
        more += ["--beat", "--schedule", str(folder / "beat")]
    with running_process("worker", {"WORKER_CONCURRENCY": "2", **environ}, folder, *more) as worker:
        yield worker


@contextmanager
def running_process(name: str, environ: dict[str, str], folder: Path, *more: str) -> Iterator[Worker]:
    """Run the worker *name* of the Procfile with *environ* and *more* arguments, until the block ends."""
    log = folder / f"{name}-{len(list(folder.iterdir()))}.log"
    env = {**os.environ, **environ, "PYTHONUNBUFFERED": "1"}
    with log.open("wb") as output:
        process = programs.start(procfile.program(name, env, *more), output)
    worker = Worker(process, log)
    try:
        eventually(worker.is_ready, what=f"{name} is ready")
        yield worker
    finally:
        # A worker that is asked to end takes two seconds for it, and no test but its own needs that.
        worker.kill()
