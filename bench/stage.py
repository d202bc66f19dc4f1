"""What a benchmark runs on: Postgres and Valkey of its own, a Pluggy in another process, real workers."""

import itertools
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from pluggy_sandbox.testing import CLIENT_ID, CLIENT_SECRET
from pluggy_sync import queue
from pluggy_sync.resources import Resources, create_resources
from pluggy_sync.settings import read_settings
from pluggy_sync.store.database import create_engine
from pluggy_sync.store.migrate import migrate
from standalone import procfile
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


class Pluggy:
    """The sandbox in its own process: it does not share a core with what is measured."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._control = httpx.Client(base_url=f"{url}/_sandbox", timeout=120, trust_env=False)
        self._api = httpx.Client(base_url=url, timeout=120, trust_env=False)
        pair = {"clientId": CLIENT_ID, "clientSecret": CLIENT_SECRET}
        self._api.headers["X-API-KEY"] = self._api.post("/auth", json=pair).raise_for_status().json()["apiKey"]
        self._seen_requests = 0

    def close(self) -> None:
        """Close its connections."""
        self._control.close()
        self._api.close()

    def connect(self, user: str) -> str:
        """Connect a person; return the Item's id when its first run has ended."""
        body = {"connectorId": 2, "parameters": {"user": user, "password": "password-ok"}, "clientUserId": "user-1"}
        item_id: str = self._api.post("/items", json=body).raise_for_status().json()["id"]
        self.settle()
        return item_id

    def next_day(self, item_id: str, *changes: str) -> None:
        """Let a day pass at the bank, with *changes*, and Pluggy collect it."""
        self.control("/clock", {"advanceDays": 1})
        if changes:
            self.control(f"/items/{item_id}/evolve", {"changes": [{"kind": each} for each in changes]})
        self.control(f"/items/{item_id}/run", {"triggeredBy": "SYNC"})
        self.settle()

    def settle(self) -> None:
        """Wait until nothing runs."""
        self.control("/settle", {"timeoutSeconds": 100})

    def control(self, path: str, body: dict[str, Any]) -> Any:
        """Call the sandbox's controls."""
        return self._control.post(path, json=body).raise_for_status().json()

    def get(self, path: str, **query: str) -> Any:
        """Ask Pluggy's API."""
        return self._api.get(path, params=query).raise_for_status().json()

    def truth(self, item_id: str) -> Any:
        """Return what a perfect mirror would hold."""
        return self._control.get(f"/items/{item_id}/truth").raise_for_status().json()

    def take_reads(self) -> list[dict[str, Any]]:
        """Return the reads that the API answered since the last call, oldest first."""
        found = self._control.get("/requests", params={"since": self._seen_requests}).raise_for_status().json()
        self._seen_requests = max([self._seen_requests, *(each["n"] for each in found)])
        return [each for each in found if each["method"] == "GET"]


@contextmanager
def running_sandbox_process() -> Iterator[Pluggy]:
    """Run the sandbox, without limits of requests."""
    command = [sys.executable, "-m", "pluggy_sandbox", "serve", "--port", "0", "--no-limits", "--run-seconds", "0.05"]
    with _running(command, dict(os.environ)) as process:
        pluggy = Pluggy(_address(process, r"sandbox on (http://\S+)"))
        try:
            yield pluggy
        finally:
            pluggy.close()


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


def wait_for(condition: Callable[[], bool], *, within_s: float, what: str) -> None:
    """Return when *condition* holds; a TimeoutError after *within_s* seconds."""
    end = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {within_s:.0f} s: {what}")
        time.sleep(0.05)
