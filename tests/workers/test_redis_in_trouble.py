"""Redis that is full, read-only, hung or gone: once it is back, every kind of process works again by itself."""

import os
import re
import signal
import sys
import time
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx
import pytest
import redis

from pluggy_sync import queue, tls
from pluggy_sync.store.database import create_engine
from pluggy_sync.store.migrate import migrate
from standalone import procfile, programs
from standalone.polling import eventually
from standalone.ports import any_free
from standalone.servers import running_valkey
from tests.kit.factories import an_environ
from tests.kit.psql import psql
from tests.kit.worker_processes import running_worker

pytestmark = pytest.mark.slow

LOGIN = ("operator", "sesame")


@contextmanager
def full(valkey, _other):
    with redis.Redis.from_url(valkey.url) as client:
        client.config_set("maxmemory", "1")
        yield
        client.config_set("maxmemory", "0")


@contextmanager
def read_only(valkey, other):
    with redis.Redis.from_url(valkey.url) as client:
        client.replicaof("127.0.0.1", other.port)
        yield
        client.replicaof("NO", "ONE")


@contextmanager
def hung(valkey, _other):
    os.kill(valkey.pid, signal.SIGSTOP)
    yield
    os.kill(valkey.pid, signal.SIGCONT)


@contextmanager
def gone(valkey, _other):
    valkey.kill()
    yield
    valkey.start()


@contextmanager
def running(name, environ, folder):
    """Run a process of the Procfile."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    with (folder / f"{name}.log").open("wb") as output:
        process = programs.start(procfile.program(name, {**os.environ, **environ, "PATH": path}), output)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=60)


class Processes:
    """A worker, beat and Flower of one Valkey, and what is seen of their work."""

    def __init__(self, stack, database_url, folder):
        port = any_free()
        self.database_url = database_url
        self.valkey, self.other = stack.enter_context(running_valkey()), stack.enter_context(running_valkey())
        environ = an_environ(
            DATABASE_URL=database_url,
            REDIS_URL=self.valkey.url,
            SWEEP_INTERVAL_S="2",
            BEAT_SCHEDULE=str(folder / "schedule"),
            FLOWER_PORT=str(port),
            FLOWER_BASIC_AUTH=":".join(LOGIN),
        )
        self.worker = stack.enter_context(running_worker(environ, folder))
        self.beat = stack.enter_context(running("beat", environ, folder))
        self.flower = stack.enter_context(running("flower", environ, folder))
        self._http = stack.enter_context(
            httpx.Client(base_url=f"http://127.0.0.1:{port}", auth=LOGIN, trust_env=False, verify=tls.context())
        )
        self.app = queue.celery_app(self.valkey.url)
        stack.callback(self.app.close)

    def sweeps(self):
        return self.worker.count('"event": "Task sweep[')

    def taken(self):
        return len(re.findall(rf"Task {queue.HANDLE_EVENT}\[[^]]+\] received", self.worker.log.read_text()))

    def newest_task_seen(self):
        try:
            tasks = self._http.get("/api/tasks", params={"limit": 1, "sort_by": "-received"}).json()
        except (httpx.TransportError, ValueError):
            return 0.0
        return max((task["received"] or 0.0 for task in tasks.values()), default=0.0)

    def wait_until_all_work(self, *, since, swept):
        """Wait for a task that Flower saw after *since*, and for three more sweeps than *swept*."""
        eventually(lambda: self.sweeps() > swept + 2, what="beat sends and the worker handles")
        eventually(lambda: self.newest_task_seen() > since, what="Flower sees it")


@pytest.fixture(scope="module")
def processes(postgres, tmp_path_factory):
    """The same for all troubles: they take long to start, and have to live through one after the other anyway."""
    database_url = postgres.create_database("redis_in_trouble")
    engine = create_engine(database_url)
    migrate(engine)
    engine.dispose()
    with ExitStack() as stack:
        yield Processes(stack, database_url, tmp_path_factory.mktemp("redis_in_trouble"))
    postgres.drop_database("redis_in_trouble")


@pytest.mark.parametrize("trouble", [full, read_only, hung, gone])
def test_after_redis_was_in_trouble_worker_beat_and_flower_work_again(processes, trouble):
    eventually(lambda: processes.sweeps() and processes.newest_task_seen(), within_s=120, what="all are at work")
    with (
        closing(queue.Sender(processes.valkey.url)) as sender,
        psql(processes.database_url) as somebody,
    ):
        # A task is under way when the trouble comes.
        somebody.execute("LOCK TABLE inbox")
        taken_before = processes.taken()
        processes.app.send_task(queue.HANDLE_EVENT, args=["event-1"])
        eventually(lambda: processes.taken() > taken_before, what="a task is under way")
        with trouble(processes.valkey, processes.other):
            for _ in range(5):
                assert sender.send([queue.Message(queue.HANDLE_EVENT, "event-2")]) is False
                # The trouble lasts five seconds.
                time.sleep(1)

    processes.wait_until_all_work(since=time.time(), swept=processes.sweeps())

    lasting = (processes.worker.process, processes.beat, processes.flower)
    assert [each.poll() for each in lasting] == [None, None, None]
