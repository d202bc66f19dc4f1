"""Redis that is full, read-only, hung or gone: once it is back, every kind of process works again by itself."""

import os
import signal
import sys
import time
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx
import pytest
import redis

from pluggy_sync import queue
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
        process.wait(timeout=20)


@pytest.mark.parametrize("trouble", [full, read_only, hung, gone])
def test_after_redis_was_in_trouble_worker_beat_and_flower_work_again(database_url, tmp_path, trouble):
    port = any_free()
    with ExitStack() as stack:
        valkey, other = stack.enter_context(running_valkey()), stack.enter_context(running_valkey())
        environ = an_environ(
            DATABASE_URL=database_url,
            REDIS_URL=valkey.url,
            SWEEP_INTERVAL_S="2",
            BEAT_SCHEDULE=str(tmp_path / "schedule"),
            FLOWER_PORT=str(port),
            FLOWER_BASIC_AUTH=":".join(LOGIN),
        )
        worker = stack.enter_context(running_worker(environ, tmp_path))
        beat = stack.enter_context(running("beat", environ, tmp_path))
        flower = stack.enter_context(running("flower", environ, tmp_path))
        http = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", auth=LOGIN, trust_env=False))
        app = queue.celery_app(valkey.url)
        stack.callback(app.close)
        sender = stack.enter_context(closing(queue.Sender(valkey.url)))

        def sweeps():
            return worker.log.read_text().count('"event": "Task sweep[')

        def under_way():
            text = worker.log.read_text()
            return text.count("] received") > text.count("] succeeded")

        def newest_task():
            try:
                tasks = http.get("/api/tasks", params={"limit": 1, "sort_by": "-received"}).json()
            except (httpx.TransportError, ValueError):
                return 0.0
            return max((task["received"] or 0.0 for task in tasks.values()), default=0.0)

        eventually(lambda: sweeps() and newest_task(), within_s=120, what="all three are at work")
        with psql(database_url) as somebody:
            # A task is under way when the trouble comes.
            somebody.execute("LOCK TABLE inbox")
            app.send_task(queue.HANDLE_EVENT, args=["event-1"])
            eventually(under_way, within_s=30, what="a task is under way")
            with trouble(valkey, other):
                for _ in range(5):
                    assert sender.send([queue.Message(queue.HANDLE_EVENT, "event-2")]) is False
                    # The trouble lasts five seconds.
                    time.sleep(1)
        swept_before, seen_before = sweeps(), time.time()

        eventually(lambda: sweeps() > swept_before + 2, within_s=45, what="beat sends and the worker handles")
        eventually(lambda: newest_task() > seen_before, within_s=45, what="Flower sees it")
        assert [each.poll() for each in (worker.process, beat, flower)] == [None, None, None]
