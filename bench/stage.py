"""What a benchmark runs on: Postgres and Valkey of its own, a Pluggy in another process, real workers."""

import itertools
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pluggy_sandbox.testing import CLIENT_ID, CLIENT_SECRET
from pluggy_sync import queue
from pluggy_sync.resources import Resources, create_resources
from pluggy_sync.settings import read_settings
from pluggy_sync.store.database import create_engine
from pluggy_sync.store.migrate import migrate
from standalone import procfile
from standalone.sandbox import Sandbox
from standalone.servers import Postgres, Valkey, running_postgres, running_valkey

WEBHOOK_SECRET = "a-webhook-secret-of-the-bench"
_TEMPLATE = "migrated"
_numbers = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The two servers."""

    postgres: Postgres
    valkey: Valkey

    @contextmanager
    def environ(self, pluggy_url: str, **changes: str) -> Iterator[dict[str, str]]:
        """Yield settings that lead to an empty database of their own and to an empty Valkey."""
        name = f"bench_{next(_numbers)}"
        environ = {
            "DATABASE_URL": self.postgres.create_database(name, template=_TEMPLATE),
            "REDIS_URL": self.valkey.url,
            "PLUGGY_API_URL": pluggy_url,
            "PLUGGY_CLIENT_ID": CLIENT_ID,
            "PLUGGY_CLIENT_SECRET": CLIENT_SECRET,
            # Only the drain is about the budget.
            "PLUGGY_REQUESTS_PER_MINUTE": "100000",
            "WEBHOOK_SECRETS": WEBHOOK_SECRET,
            "API_TOKENS": "an-api-token-of-the-bench",
            "PUBLIC_URL": "http://127.0.0.1:8000",
            "SECRET_KEY": "a-secret-key-of-the-bench-that-is-long-enough",
            "LOG_LEVEL": "ERROR",
            **changes,
        }
        try:
            yield environ
        finally:
            self.postgres.drop_database(name)


@contextmanager
def running_stage() -> Iterator[Stage]:
    """Run Postgres, with a migrated database to copy from, and Valkey."""
    with running_postgres() as postgres, running_valkey() as valkey:
        engine = create_engine(postgres.create_database(_TEMPLATE))
        migrate(engine)
        engine.dispose()
        yield Stage(postgres=postgres, valkey=valkey)


@contextmanager
def resources_of(environ: dict[str, str]) -> Iterator[Resources]:
    """Yield the connections of one process, on an empty Valkey."""
    resources = create_resources(read_settings(environ))
    resources.redis.flushall()
    try:
        yield resources
    finally:
        resources.close()


def next_day(pluggy: Sandbox, item_id: str, *changes: str) -> None:
    """Let a day pass at the bank, with *changes*, and Pluggy collect it."""
    pluggy.advance(days=1)
    if changes:
        pluggy.evolve(item_id, *changes)
    pluggy.run(item_id)
    pluggy.settle()


def connect(pluggy: Sandbox, user: str) -> str:
    """Connect a person; return the Item's id when its first execution has ended."""
    item_id = pluggy.connect(user, clientUserId="user-1")
    pluggy.settle()
    return item_id


@contextmanager
def running_sandbox_process() -> Iterator[Sandbox]:
    """Run the sandbox in a process of its own, so that it shares no core with what is measured, without limits."""
    command = [sys.executable, "-m", "pluggy_sandbox", "serve", "--port", "0", "--no-limits", "--run-seconds", "0.05"]
    with _running(command, dict(os.environ)) as process:
        url = _address(process, r"sandbox on (http://\S+)")
        with closing(Sandbox(url, client_id=CLIENT_ID, client_secret=CLIENT_SECRET)) as sandbox:
            yield sandbox


@contextmanager
def running_fixed_pluggy() -> Iterator[str]:
    """Run the stand-in that always answers the same (`bench.fixed_pluggy`); yield its address."""
    with _running([sys.executable, "-m", "bench.fixed_pluggy"], dict(os.environ)) as process:
        yield _address(process, r"(http://\S+)")


@contextmanager
def running_workers(environ: dict[str, str], *, processes: int) -> Iterator[None]:
    """Run Celery workers for events and syncs, and beat, as in production."""
    with tempfile.TemporaryDirectory(prefix="pluggy-sync-bench-") as folder:
        env = {**os.environ, **environ, "SWEEP_INTERVAL_S": "2", "WORKER_CONCURRENCY": str(processes)}
        queues = ",".join(sorted(set(queue.QUEUE_OF_TASK.values())))
        more = ["--queues", queues, "--beat", "--schedule", str(Path(folder) / "beat")]
        program = procfile.program("worker", env, *more, "--without-gossip", "--without-mingle")
        with _running(list(program.argv), dict(program.env), stdout=subprocess.DEVNULL):
            yield


@contextmanager
def _running(
    command: list[str], environ: dict[str, str], stdout: int = subprocess.PIPE
) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(command, env=environ, stdout=stdout, stderr=subprocess.DEVNULL, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)
        if process.stdout is not None:
            process.stdout.close()


def _address(process: "subprocess.Popen[str]", pattern: str) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        found = re.search(pattern, line)
        if found:
            return found[1]
    raise RuntimeError(f"it did not start: exit status {process.wait()}")
