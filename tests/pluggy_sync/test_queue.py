"""Sending a task is quick, and allowed to fail."""

import time

from pluggy_sync import queue
from tests.driving import take_messages
from tests.silence import silent_port


def test_a_sent_task_waits_in_its_queue_with_nothing_but_an_id(resources):
    assert queue.send(resources.celery, queue.SYNC_ITEM, "an-item")

    assert take_messages(resources, queue.SYNCS) == [(queue.SYNC_ITEM, "an-item")]


def test_without_redis_sending_says_so_instead_of_raising():
    assert not queue.send(queue.celery_app("redis://127.0.0.1:1/0"), queue.SYNC_ITEM, "an-item")


def test_a_redis_that_takes_connections_and_says_nothing_is_given_up_soon():
    with silent_port() as port:
        app = queue.celery_app(f"redis://127.0.0.1:{port}/0")
        began = time.monotonic()

        assert not queue.send(app, queue.SYNC_ITEM, "an-item")

        # Without the limits in `celery_app` this hangs past 20 s; Pluggy gives up after 5.
        assert time.monotonic() - began < 5
