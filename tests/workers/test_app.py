"""The workers' policy: what a killed worker leaves behind goes to another, and nothing is acknowledged early."""

import os
import subprocess
import sys

import pytest

from pluggy_sync import queue
from tests.kit.factories import a_settings, an_environ


@pytest.fixture(scope="module")
def app():
    before = dict(os.environ)
    os.environ.update(an_environ())
    try:
        from workers.app import create_celery  # noqa: PLC0415 - reads the environment
    finally:
        os.environ.clear()
        os.environ.update(before)
    with create_celery(a_settings(SWEEP_INTERVAL_S="7")) as app:
        yield app


def test_a_message_is_acknowledged_only_when_its_task_has_ended(app):
    assert app.conf.task_acks_late
    assert app.conf.task_reject_on_worker_lost
    assert app.conf.worker_prefetch_multiplier == 1


def test_redis_gives_no_message_to_another_worker_while_its_task_may_still_run(app):
    assert app.conf.task_soft_time_limit < app.conf.task_time_limit
    assert app.conf.task_time_limit < app.conf.broker_transport_options["visibility_timeout"]


def test_the_sweep_runs_as_often_as_the_settings_say(app):
    assert app.conf.beat_schedule["sweep"]["task"] == queue.SWEEP
    assert app.conf.beat_schedule["sweep"]["schedule"] == 7


def test_everything_that_beat_sends_is_a_task_with_a_queue(app):
    assert {each["task"] for each in app.conf.beat_schedule.values()} <= set(queue.QUEUE_OF_TASK)


IMPORTING = "import gc, sys, workers.app; from celery import signals; from pluggy_sync import queue\n"
# As Celery does it, with the options of its command line.
START = "signals.celeryd_init.send(sender='worker', options={})\n"
STARTING = IMPORTING + "from workers.app import app\n" + START


def run_python(code, environ):
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environ}, capture_output=True, text=True, check=False
    )


def test_every_task_that_can_be_sent_is_one_that_workers_know():
    code = STARTING + "print(sorted(set(queue.QUEUE_OF_TASK) - set(app.tasks)))"

    done = run_python(code, an_environ())

    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def test_only_a_worker_loads_the_tasks_and_its_children_share_their_memory():
    loaded = "print('workers.tasks' in sys.modules, gc.isenabled(), gc.get_freeze_count() > 0)\n"

    done = run_python(IMPORTING + loaded + START + loaded, an_environ())

    assert done.stdout.splitlines() == ["False True False", "True True True"], done.stderr


def test_a_worker_whose_tasks_cannot_be_loaded_ends_and_says_why():
    done = run_python(IMPORTING + "workers.app.OF_WORKERS = ['workers.nothing']\n" + START, an_environ())

    assert done.returncode == 1
    assert "No module named 'workers.nothing'" in done.stderr


def test_a_worker_does_not_start_with_wrong_settings_and_names_them_all():
    done = run_python("import workers.app", an_environ(SECRET_KEY="short", REDIS_URL="nothing"))

    assert done.returncode != 0
    assert "SECRET_KEY" in done.stderr
    assert "REDIS_URL" in done.stderr
    assert "Traceback" not in done.stderr
