"""Sending tasks: by name, to the right queue, and never for long when Redis is away."""

import base64
import json
import time
from contextlib import closing

import pytest
import redis

from pluggy_sync import queue
from pluggy_sync.breaker import Breaker
from pluggy_sync.queue import Message, Publisher, Sender
from standalone.servers import running_valkey
from tests.kit.pluggy import PLUGGY_WAITS_S
from tests.kit.silent_proxy import silent_proxy
from tests.kit.silent_server import silent_port
from tests.kit.workers import take_messages
from workers import transport

EVENT = Message(queue.HANDLE_EVENT, "event-1")


def test_a_task_goes_to_its_queue_with_its_one_argument(resources):
    resources.send([Message(queue.HANDLE_EVENT, "event-1")])

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


def test_many_tasks_keep_their_order_in_each_queue_and_take_one_round_trip_for_a_thousand(resources):
    events = [Message(queue.HANDLE_EVENT, f"event-{number}") for number in range(700)]
    syncs = [Message(queue.SYNC_ITEM, f"item-{number}") for number in range(700)]
    before = pushes(resources)
    resources.send([*events, *syncs])

    # 700 of the one and 300 of the other in one round trip, and the rest.
    assert pushes(resources) - before == 3
    assert [Message(*each) for each in take_messages(resources, queue.EVENTS)] == events
    assert [Message(*each) for each in take_messages(resources, queue.SYNCS)] == syncs


def pushes(resources):
    return resources.redis.info("commandstats").get("cmdstat_lpush", {"calls": 0})["calls"]


@pytest.mark.parametrize("message", [Message(queue.HANDLE_EVENT, "event-1"), Message(queue.SWEEP)], ids=str)
def test_a_message_is_what_celery_would_send(shared_valkey, message):
    args = [] if message.argument is None else [message.argument]
    with redis.Redis.from_url(shared_valkey.url) as client, closing(queue.celery_app(shared_valkey.url)) as app:
        client.flushall()
        app.send_task(message.task, args=args, retry=False)
        theirs = json.loads(client.rpop(message.queue))
    ours = json.loads(queue.encoded(message))

    assert json.loads(base64.b64decode(ours["body"])) == json.loads(base64.b64decode(theirs["body"]))
    assert without_ids(transport.read(ours)) == without_ids(transport.read(theirs))
    for each in ("content-type", "content-encoding"):
        assert ours[each] == theirs[each]
    for part in ("headers", "properties"):
        mine = without_ids(ours)[part]
        assert mine == {name: without_ids(theirs)[part][name] for name in mine}


def without_ids(message):
    headers = {**message["headers"], "id": "", "root_id": ""}
    properties = {name: value for name, value in message["properties"].items() if name != "correlation_id"}
    return {**message, "headers": headers, "properties": {**properties, "delivery_tag": ""}}


def test_two_messages_have_ids_of_their_own():
    first, second = (json.loads(queue.encoded(Message(queue.SWEEP))) for _ in range(2))

    assert first["headers"]["id"] != second["headers"]["id"]
    assert first["properties"]["delivery_tag"] != second["properties"]["delivery_tag"]


@pytest.mark.parametrize("redis", ["down", "silent"])
def test_without_redis_sending_says_so_sooner_than_pluggy_gives_up(redis):
    with running_valkey() as valkey, silent_port() as silent:
        valkey.stop()
        port = valkey.port if redis == "down" else silent
        with closing(Sender(f"redis://127.0.0.1:{port}/0")) as sender:
            started = time.monotonic()

            assert sender.send([EVENT]) is False

            assert time.monotonic() - started < PLUGGY_WAITS_S


def test_redis_that_comes_back_is_used_again():
    with running_valkey() as valkey, closing(Sender(valkey.url)) as sender:
        assert sender.send([EVENT])
        valkey.stop()
        assert not sender.send([EVENT])
        valkey.start()

        assert sender.send([EVENT])


def test_whoever_publishes_waits_for_no_redis_and_what_it_takes_later_is_sent():
    with running_valkey() as valkey, silent_proxy(port=valkey.port) as proxy:
        sender = Sender(f"redis://127.0.0.1:{proxy.port}/0")
        publisher = Publisher(sender, Breaker(rest_s=0.0))
        proxy.be_silent()

        began = time.monotonic()
        for _ in range(100):
            publisher.publish([EVENT])
        took = time.monotonic() - began
        assert not publisher.wait(within_s=0.2)
        proxy.speak()
        assert publisher.wait(within_s=30)
        publisher.publish([Message(queue.SYNC_ITEM, "item-1")])
        assert publisher.wait(within_s=30)
        publisher.close()
        sender.close()

        with redis.Redis.from_url(valkey.url) as client:
            assert client.llen(queue.SYNCS) == 1
    assert took < 0.5


def test_what_waits_for_a_slow_redis_is_bounded(monkeypatch):
    monkeypatch.setattr(queue, "MOST_WAITING", 10)
    with silent_port() as silent:
        sender = Sender(f"redis://127.0.0.1:{silent}/0")
        publisher = Publisher(sender, Breaker())
        for _ in range(1000):
            publisher.publish([EVENT])

        assert len(publisher._waiting) <= 10
        publisher.close()
        sender.close()
