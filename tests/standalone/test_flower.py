"""Flower, as the Procfile starts it, is for the operator alone."""

import re
import subprocess
import sys
import tempfile
from contextlib import closing, contextmanager

import httpx
import pytest

from pluggy_sync import queue, tls
from standalone import procfile, programs
from standalone.polling import eventually
from standalone.ports import any_free
from standalone.servers import prepare_valkey
from tests.kit.factories import an_environ

pytestmark = pytest.mark.slow

LOGIN = ("operator", "sesame")


def environment(valkey, **more):
    return an_environ(REDIS_URL=valkey.url, FLOWER_PORT=str(any_free()), **more)


@contextmanager
def running_flower(env):
    with tempfile.TemporaryFile() as output:
        popen = programs.start(procfile.program("flower", env), output)
        url = f"http://127.0.0.1:{env['FLOWER_PORT']}"

        def answers():
            output.seek(0)
            assert popen.poll() is None, output.read().decode()
            try:
                return httpx.get(f"{url}/healthcheck", verify=tls.context()).is_success
            except httpx.TransportError:
                return False

        try:
            eventually(answers, what="Flower answers")
            yield url
        finally:
            popen.terminate()
            popen.wait()


def test_it_does_not_start_where_others_could_reach_it_without_a_login(shared_valkey):
    program = procfile.program("flower", environment(shared_valkey, HOST="0.0.0.0"))

    with tempfile.TemporaryFile() as output:
        code = programs.start(program, output).wait(60)
        output.seek(0)
        printed = output.read().decode()

    assert code == 1
    assert "FLOWER_BASIC_AUTH" in printed
    assert "Traceback" not in printed


# One process tries many addresses: Flower itself takes a second for each.
TRY = """
import runpy, sys
from flower.options import options
for address in sys.argv[2:]:
    options.address = address
    try:
        runpy.run_path(sys.argv[1])
    except SystemExit:
        print(address, "refused")
    else:
        print(address, "taken")
"""
OPEN = ("0.0.0.0", "::", "10.0.0.1", "flower.example.com", "")
THIS_MACHINE = ("127.0.0.1", "::1", "localhost")


def test_only_addresses_of_this_machine_are_taken_without_a_login(shared_valkey):
    command = [sys.executable, "-c", TRY, procfile.PROCFILE.parent / "bin" / "flowerconfig.py", *OPEN, *THIS_MACHINE]

    done = subprocess.run(command, capture_output=True, text=True, check=True)

    expected = [f"{each} refused" for each in OPEN] + [f"{each} taken" for each in THIS_MACHINE]
    assert done.stdout.splitlines() == expected


def test_with_a_login_nothing_but_its_health_is_shown_without_it(shared_valkey):
    env = environment(shared_valkey, HOST="0.0.0.0", FLOWER_BASIC_AUTH=":".join(LOGIN))

    with running_flower(env) as url:
        for path in ("/", "/metrics", "/workers", "/tasks", "/broker", "/api/workers", "/api/tasks"):
            assert httpx.get(f"{url}{path}", verify=tls.context()).status_code == 401, path
        assert httpx.get(f"{url}/metrics", auth=(LOGIN[0], "guess"), verify=tls.context()).status_code == 401
        metrics = httpx.get(f"{url}/metrics", auth=LOGIN, verify=tls.context())

    assert metrics.status_code == 200
    assert "flower_" in metrics.text


def test_its_login_may_stand_in_a_file_and_what_it_saw_outlives_it(shared_valkey, tmp_path):
    (tmp_path / "login").write_text(":".join(LOGIN) + "\n")
    env = environment(
        shared_valkey,
        HOST="0.0.0.0",
        FLOWER_BASIC_AUTH_FILE=str(tmp_path / "login"),
        FLOWER_PERSISTENT="true",
        FLOWER_DB=str(tmp_path / "seen"),
    )

    with running_flower(env) as url:
        assert httpx.get(f"{url}/workers", verify=tls.context()).status_code == 401
        assert httpx.get(f"{url}/workers", auth=LOGIN, verify=tls.context()).status_code == 200

    assert list(tmp_path.glob("seen*"))


def test_on_this_machine_it_starts_without_a_login_and_shows_every_queue_and_no_password(tmp_path):
    valkey = prepare_valkey(tmp_path / "valkey", port=any_free(), password="let-me-in", persistent=False)
    valkey.start()
    try:
        with closing(queue.Sender(valkey.url)) as sender:
            assert sender.send([queue.Message(queue.SYNC_ITEM, "an-item")] * 3)

        with running_flower(environment(valkey, HOST="127.0.0.1")) as url:
            page = httpx.get(f"{url}/broker")
            metrics = httpx.get(f"{url}/metrics")
    finally:
        valkey.stop()

    assert metrics.status_code == 200
    assert page.status_code == 200, page.text
    assert "let-me-in" not in page.text
    assert set(re.findall(r'<tr id="(\w+)">', page.text)) == set(queue.QUEUE_OF_TASK.values())
    [shown] = re.findall(r'<tr id="syncs">(.*?)</tr>', page.text, re.DOTALL)
    assert "3" in re.findall(r"<td[^>]*>\s*(\S+?)\s*</td>", shown)
