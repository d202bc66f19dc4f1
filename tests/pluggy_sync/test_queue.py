"""Sending tasks: by name, to the right queue, and never for long when Redis is away."""

import time
from contextlib import closing

import pytest

from pluggy_sync import queue
from standalone.servers import running_valkey
from tests.kit.quiet_logs import silent_port
from tests.kit.workers import take_messages


def test_a_task_goes_to_its_queue_with_its_one_argument(resources):
    resources.send(queue.HANDLE_EVENT, "event-1")

    assert resources.redis.llen(queue.EVENTS) == 1
    assert take_messages(resources) == [("handle_event", "event-1")]


@pytest.mark.parametrize(
    "name, task",
    [
        ("item/waiting_user_input", queue.HANDLE_URGENT_EVENT),
        ("item/waiting_user_action", queue.HANDLE_URGENT_EVENT),
        ("item/error", queue.HANDLE_URGENT_EVENT),
        ("item/updated", queue.HANDLE_EVENT),
        ("transactions/created", queue.HANDLE_EVENT),
        ("never/heard_of", queue.HANDLE_EVENT),
    ],
)
def test_what_a_person_waits_for_is_told_by_the_name_of_the_event(name, task):
    assert queue.task_of_event(name) == task


@pytest.mark.parametrize("redis", ["down", "silent"])
def test_without_redis_sending_says_so_within_about_a_second(redis):
    with running_valkey() as valkey, silent_port() as silent:
        valkey.stop()
        port = valkey.port if redis == "down" else silent
        with closing(queue.celery_app(f"redis://127.0.0.1:{port}/0")) as app:
            started = time.monotonic()

            assert queue.send(app, queue.HANDLE_EVENT, "event-1") is False

            assert time.monotonic() - started < 1.8


def test_redis_that_comes_back_is_used_again():
    with running_valkey() as valkey, closing(queue.celery_app(valkey.url)) as app:
        assert queue.send(app, queue.HANDLE_EVENT, "event-1")
        valkey.stop()
        assert not queue.send(app, queue.HANDLE_EVENT, "event-2")
        valkey.start()

        assert queue.send(app, queue.HANDLE_EVENT, "event-3")
