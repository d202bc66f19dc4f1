"""Workers see what `queue.Sender` sent and nothing else; what strangers put into a queue ends no worker."""

import base64
import copy
import json
from contextlib import closing

import celery
import pytest
import redis

from pluggy_sync import queue
from standalone.polling import eventually
from standalone.servers import running_valkey
from tests.kit.factories import an_environ
from tests.kit.worker_processes import running_worker
from workers import transport
from workers.transport import NotOursError

pytestmark = pytest.mark.slow

SECRET = "Maria 529.982.247-25"


def as_sent(valkey, task, **options):
    """Return the message as it lies in Redis."""
    with redis.Redis.from_url(valkey.url) as client, celery.Celery(broker=valkey.url, set_as_current=False) as app:
        app.send_task(task, queue="a-queue", **options)
        return json.loads(client.rpop("a-queue"))


@pytest.fixture
def message(shared_valkey):
    return as_sent(shared_valkey, queue.HANDLE_EVENT, args=["event-1"])


def args_of(message):
    return json.loads(base64.b64decode(message["body"]))[:2]


def with_body(message, body):
    return {**message, "body": base64.b64encode(body).decode()}


def test_a_task_of_ours_is_passed_on_with_its_id(message):
    ours = transport.read(message)

    assert ours["headers"]["task"] == queue.HANDLE_EVENT
    assert ours["headers"]["id"] == message["headers"]["id"]
    assert ours["properties"]["delivery_tag"] == message["properties"]["delivery_tag"]
    assert args_of(ours) == [["event-1"], {}]


def test_a_task_without_an_id_and_with_an_end_is_passed_on(shared_valkey):
    message = as_sent(shared_valkey, queue.SWEEP, expires=10)

    ours = transport.read(message)

    assert args_of(ours) == [[], {}]
    assert ours["headers"]["expires"] == message["headers"]["expires"] is not None


def test_what_a_stranger_wrote_beside_the_id_is_not_passed_on(message):
    message["headers"].update(shadow=SECRET, argsrepr=SECRET, kwargsrepr=SECRET, origin=SECRET, timelimit=[1, 1])
    message["headers"]["stamps"] = {SECRET: SECRET}
    message["properties"]["reply_to"] = SECRET

    assert SECRET not in json.dumps(transport.read(message))


def test_the_trace_of_a_message_is_passed_on_and_one_that_is_wrong_costs_no_work(message):
    trace = f"00-{'a' * 32}-{'b' * 16}-01"

    assert (
        transport.read(message | {"headers": {**message["headers"], "traceparent": trace}})["headers"]["traceparent"]
        == trace
    )
    for wrong in (SECRET, trace + SECRET, trace + "\n", 7, None, [trace]):
        ours = transport.read(message | {"headers": {**message["headers"], "traceparent": wrong}})
        assert "traceparent" not in ours["headers"], wrong
        assert args_of(ours) == [["event-1"], {}]


def test_an_argument_that_looks_like_no_id_is_passed_on_and_not_shown(shared_valkey):
    ours = transport.read(as_sent(shared_valkey, queue.HANDLE_EVENT, args=[SECRET]))

    assert args_of(ours) == [[SECRET], {}]
    assert SECRET not in json.dumps(ours["headers"])


CHANGES = {
    "unknown task": lambda message: message["headers"].update(task="rm"),
    "no task": lambda message: message["headers"].pop("task"),
    "no id": lambda message: message["headers"].pop("id"),
    "an id with spaces": lambda message: message["headers"].update(id=SECRET),
    "no headers": lambda message: message.pop("headers"),
    "no properties": lambda message: message.pop("properties"),
    "no delivery tag": lambda message: message["properties"].pop("delivery_tag"),
    "a pickle": lambda message: message.update({"content-type": "application/x-python-serialize"}),
    "an end that is no date": lambda message: message["headers"].update(expires="soon"),
    "a body that is not base64": lambda message: message.update(body="%%%"),
    "a body that is no text": lambda message: message.update(body=5),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_an_envelope_that_is_not_ours_is_refused(message, change):
    changed = copy.deepcopy(message)
    change(changed)

    with pytest.raises(NotOursError):
        transport.read(changed)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"\xff",
        b"5",
        b"[]",
        b"{}",
        b'[["a", "b"], {}, {}]',
        b"[[1], {}, {}]",
        b'[[{"name": "Maria"}], {}, {}]',
        b'[["a"], {"b": 1}, {}]',
        b'[["a"], [], {}]',
        b'[["a"], {}]',
        b"[" * 100_000,
    ],
)
def test_a_body_that_is_not_one_id_is_refused(message, body):
    with pytest.raises(NotOursError) as caught:
        transport.read(with_body(message, body))

    assert "Maria" not in str(caught.value)


@pytest.mark.parametrize("message", [None, 5, "text", [], {}, [{}], {"body": {}}])
def test_what_is_no_envelope_at_all_is_refused(message):
    with pytest.raises(NotOursError):
        transport.read(message)


def test_a_worker_outlives_whatever_lies_in_its_queues_and_prints_nothing_of_it(database_url, tmp_path):
    with (
        running_valkey() as valkey,
        redis.Redis.from_url(valkey.url) as client,
        closing(queue.celery_app(valkey.url)) as app,
        running_worker(an_environ(DATABASE_URL=database_url, REDIS_URL=valkey.url), tmp_path) as worker,
    ):
        for junk in (SECRET.encode(), b"\xff\xfe", b"5", b"null", json.dumps([SECRET]).encode(), b"[" * 100_000):
            client.lpush(queue.EVENTS, junk)
        app.send_task(SECRET, args=[SECRET], queue=queue.EVENTS)
        app.send_task(queue.HANDLE_EVENT, args=[SECRET, SECRET])
        app.send_task(queue.HANDLE_EVENT, kwargs={SECRET: SECRET})
        sent = app.send_task(queue.HANDLE_EVENT, args=["event-1"])

        eventually(lambda: f"{sent.id}] succeeded" in worker.log.read_text(), what="the last is handled")

        eventually(lambda: client.hlen("unacked") == 0, what="all are acknowledged")
        assert worker.process.poll() is None
    text = worker.log.read_text()
    assert text.count("message.unreadable") + text.count("message.refused") == 9
    assert SECRET not in text
