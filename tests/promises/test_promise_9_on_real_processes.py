"""
Promise 9 on real processes: a worker, whoever listens to its events, and Flower show nothing that is somebody's.

Pluggy marks each text that is somebody's, and Postgres, Redis, Pluggy and the product fail one after the other, each
quoting what it was given. Everything logs at DEBUG.
"""

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace

import celery
import httpx
import pytest
import redis

from pluggy_sync import queue, tls
from pluggy_sync.resources import create_resources
from pluggy_sync.settings import read_settings
from standalone import procfile
from standalone.polling import eventually
from standalone.ports import any_free
from standalone.servers import running_valkey
from tests.kit.factories import PRODUCT_SECRET, WEBHOOK_SECRET, an_environ
from tests.kit.planted_pluggy import AMOUNT, MARK, planted_pluggy
from tests.kit.product import running_product, status
from tests.kit.psql import psql
from tests.kit.scripted_server import Reply
from tests.kit.worker_processes import running_worker
from webhook_app.app import create_app

# A trigger that quotes the row, as a failed constraint does.
QUOTING = """
    CREATE OR REPLACE FUNCTION quote_the_row() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'Failing row contains %', NEW USING ERRCODE = 'check_violation', DETAIL = NEW::text; END $$
"""
LOGIN = ("operator", "sesame")
MIRRORED = ("items", "sync_runs", "accounts", "transactions", "bills", "investments", "identities")


@contextmanager
def rows_refused(database_url, *tables):
    """Let Postgres refuse every row of *tables*, quoting it."""
    with psql(database_url, autocommit=True) as conn:
        conn.execute(QUOTING)
        for table in tables:
            when = f"BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW"
            conn.execute(f"CREATE TRIGGER refused {when} EXECUTE FUNCTION quote_the_row()")
        yield
        for table in tables:
            conn.execute(f"DROP TRIGGER refused ON {table}")
        conn.execute("DROP FUNCTION quote_the_row()")


class Listener(threading.Thread):
    """Whoever listens to the events of the workers: keeps every one as text."""

    def __init__(self, url):
        super().__init__(daemon=True)
        self.app = celery.Celery(broker=url)
        self.heard = []
        self.ending = False

    def run(self):
        with self.app.connection_for_read() as connection:
            while not self.ending:
                receiver = self.app.events.Receiver(connection, handlers={"*": self.heard.append})
                try:
                    receiver.capture(limit=None, timeout=1, wakeup=True)
                except TimeoutError:
                    continue
                except (OSError, redis.RedisError):
                    # Redis is away: try again.
                    time.sleep(0.2)

    def end(self):
        self.ending = True
        self.join(timeout=60)
        self.app.close()


@contextmanager
def running_flower(environ, folder):
    port = any_free()
    url = f"http://127.0.0.1:{port}"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    env = {
        **os.environ,
        **environ,
        "PATH": path,
        "HOST": "127.0.0.1",
        "FLOWER_PORT": str(port),
        "FLOWER_DEBUG": "true",
        "FLOWER_BASIC_AUTH": ":".join(LOGIN),
    }
    log = folder / "flower.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            procfile.program("flower", env).argv,
            env=procfile.program("flower", env).env,
            cwd=procfile.PROCFILE.parent,
            stdout=output,
            stderr=subprocess.STDOUT,
        )

    def answers():
        assert process.poll() is None, log.read_text()
        try:
            return httpx.get(f"{url}/healthcheck", trust_env=False, verify=tls.context()).is_success
        except httpx.TransportError:
            return False

    try:
        eventually(answers, what="Flower answers")
        yield url, log
    finally:
        process.terminate()
        process.wait(timeout=60)


@pytest.fixture
def stage(database_url, sandbox, upstream, tmp_path):
    """A worker with beat, a listener, Flower, and in front of them Pluggy and a product that may be made to fail."""
    with ExitStack() as stack:
        valkey = stack.enter_context(running_valkey())
        pluggy = stack.enter_context(planted_pluggy(sandbox.url))
        product = stack.enter_context(running_product())
        environ = an_environ(
            DATABASE_URL=database_url,
            REDIS_URL=valkey.url,
            PLUGGY_API_URL=pluggy.url,
            PLUGGY_CLIENT_ID=sandbox.client_id,
            PLUGGY_CLIENT_SECRET=sandbox.client_secret,
            PRODUCT_WEBHOOK_URL=product.url + "?token=" + MARK,
            PRODUCT_WEBHOOK_SECRET=PRODUCT_SECRET,
            LOG_LEVEL="DEBUG",
            SWEEP_INTERVAL_S="1",
        )
        res = create_resources(read_settings(environ))
        stack.callback(res.close)
        listener = Listener(valkey.url)
        listener.start()
        stack.callback(listener.end)
        flower, flower_log = stack.enter_context(running_flower(environ, tmp_path))
        worker = stack.enter_context(running_worker(environ, tmp_path, beat=True))
        web = create_app(read_settings(environ), res).test_client()
        yield SimpleNamespace(**locals())


class Life:
    """What happens on the stage: people connect, and peers fail meanwhile."""

    def __init__(self, stage):
        self.stage = stage
        self.upstream = stage.upstream

    def connect(self, user="user-ok", **more):
        """Let somebody connect; their Item is in nobody's way, whatever became of those before."""
        self.upstream.connect(user, clientUserId=f"user {MARK}", products=None, **more)
        for payload in self.upstream.take_events():
            headers = {"X-Webhook-Secret": WEBHOOK_SECRET}
            marked = self.stage.pluggy.mark(payload)
            assert self.stage.web.post("/webhooks/pluggy", json=marked, headers=headers).status_code == 202

    def be_refused(self):
        """Let somebody connect with a password that the bank refuses: they are asked for another one."""
        self.connect("user-bad", parameters={"password": f"{MARK}-password"})

    def be_asked(self):
        """Let somebody connect to a bank that asks for a code."""
        self.connect(connector=5)

    def log(self):
        return self.stage.worker.log.read_text()

    def until(self, event, do):
        """Do something, and wait until the worker logs *event* once more than before."""
        text = f'"event": "{event}"'
        before = self.log().count(text)
        do()
        eventually(lambda: self.log().count(text) > before, what=f"the worker logs {event}")


def postgres_refuses_rows(life):
    for table in MIRRORED:
        with rows_refused(life.stage.database_url, table):
            life.until("task.failed", life.connect)
    for table in ("user_actions", "outbox"):
        with rows_refused(life.stage.database_url, table):
            life.until("task.failed", life.be_refused)


def pluggy_fails(life):
    quoting = {"message": f"no {MARK}", "code": 400, "codeDescription": f"of {MARK}", "details": [{"value": MARK}]}
    for reply in (
        Reply(quoting, 400),
        Reply(quoting, 500),
        Reply(f"<html>{MARK}</html>".encode(), 200),
        Reply({"results": [{"id": MARK, "description": MARK}], "next": f"?after={MARK}"}, 200),
        Reply([MARK], 200),
        Reply(b"", 200, {f"X-{MARK}": MARK, "Content-Length": MARK}),
    ):
        life.stage.pluggy.before = lambda asked, reply=reply: None if asked.path == "/auth" else reply
        life.until("event.rescheduled", life.connect)
    life.stage.pluggy.before = lambda _asked: None


def misspeak(request):
    request.write(f"{MARK} is no status line\r\n\r\n".encode())


def redirect(request):
    request.respond(302, {"Location": f"http://127.0.0.1:1/{MARK}", "Set-Cookie": MARK}, MARK.encode())


def the_product_fails(life):
    for answer in (misspeak, redirect, status(500)):
        life.stage.product.answer = answer
        life.until("notification.tried", life.be_refused)
    life.stage.product.answer = status(200)
    life.until("endpoint.works_again", life.be_refused)


def redis_is_full_and_holds_what_is_not_ours(life):
    envelope = {"body": MARK, "headers": {"task": MARK, "id": MARK}, "properties": {"delivery_tag": MARK}}
    with redis.Redis.from_url(life.stage.valkey.url) as client:
        client.config_set("maxmemory", "1")
        for _ in range(3):
            life.connect()
        client.config_set("maxmemory", "0")
        for junk in (MARK.encode(), json.dumps(envelope).encode(), b"\xff"):
            client.lpush(queue.EVENTS, junk)
    with celery.Celery(broker=life.stage.valkey.url) as stranger:
        life.until("message.refused", lambda: stranger.send_task(MARK, args=[MARK], queue=queue.EVENTS))
        more = {"kwargs": {MARK: MARK}, "shadow": MARK, "queue": queue.EVENTS}
        stranger.send_task(queue.HANDLE_EVENT, args=[MARK, MARK], **more)
        stranger.send_task(queue.HANDLE_EVENT, args=[f"no id: {MARK}"], queue=queue.EVENTS, shadow=MARK)


def shown_by_flower(url):
    """Return all that Flower shows, and the tasks that failed."""
    with httpx.Client(base_url=url, auth=LOGIN, trust_env=False, verify=tls.context()) as flower:
        eventually(lambda: "FAILURE" in flower.get("/api/tasks").text, what="Flower knows of a failure")
        tasks = flower.get("/api/tasks").json()
        failed = [task_id for task_id, task in tasks.items() if task["state"] == "FAILURE"]
        paths = ["/", "/tasks", "/api/tasks", "/api/workers", "/metrics", "/broker"]
        paths += [f"/task/{task_id}" for task_id in failed[:50]]
        return "".join(flower.get(path).text for path in paths)


def test_nothing_of_a_person_leaves_the_workers_whatever_fails(stage):
    life = Life(stage)
    life.until("sync.done", life.connect)
    life.until("notification.tried", life.be_refused)
    life.until("notification.tried", life.be_asked)

    postgres_refuses_rows(life)
    pluggy_fails(life)
    the_product_fails(life)
    redis_is_full_and_holds_what_is_not_ours(life)
    life.until("sync.done", life.connect)

    assert {"description", "number", "fullName", "clientUserId"} <= stage.pluggy.marked_keys
    assert any(event["type"] == "task-failed" for event in stage.listener.heard)
    assert stage.worker.process.poll() is None
    for what, text in {
        "log": life.log(),
        "events": json.dumps(stage.listener.heard, default=repr),
        "Flower": shown_by_flower(stage.flower),
        "Flower's log": stage.flower_log.read_text(),
    }.items():
        assert_private(what, text, stage.environ)


def assert_private(what, text, environ):
    secrets = [environ[name] for name in ("PLUGGY_CLIENT_SECRET", "SECRET_KEY", "WEBHOOK_SECRETS", "API_TOKENS")]
    # A JSON Web Token begins with "eyJ".
    for value in (MARK, str(AMOUNT), PRODUCT_SECRET, "eyJ", *secrets):
        at = text.find(value)
        assert at < 0, f"{what}: ...{text[max(0, at - 400) : at + 200]}..."
