"""
Promise 12: a person waits first. Whatever the load, a need of a person is told before the load is worked off.

Real workers, as the Procfile starts them, on real Postgres and Valkey.
"""

import json
import threading
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from pluggy_sync import queue
from pluggy_sync.events import of_payload
from pluggy_sync.pluggy.rate_budget import Budget, Lane, lane
from pluggy_sync.store import inbox, items
from pluggy_sync.store.tables import inbox as inbox_table
from pluggy_sync.store.tables import item_progress
from standalone.polling import eventually
from tests.kit.factories import a_raw_item, an_environ, an_event, an_id, an_item
from tests.kit.product import running_product
from tests.kit.scripted_server import Reply, scripted_server
from tests.kit.worker_processes import running_process

PERSON = an_id()
SECRET = "whsec_" + "A" * 32
KEY = {"apiKey": "a.b.c"}
PER_MINUTE = 20


class Pluggy:
    """Answers at once about the Item of the person, and about no other before `lets_go`."""

    def __init__(self):
        self.lets_go = threading.Event()
        self.held = threading.Semaphore(0)
        self.url = ""

    def answer(self, asked):
        if asked.path == "/auth":
            return Reply(KEY)
        if asked.path == f"/items/{PERSON}":
            return Reply(a_question(PERSON))
        self.held.release()
        self.lets_go.wait()
        return Reply({}, 404)


def a_question(item_id):
    parameter = {"name": "token", "type": "number", "label": "Token"}
    expires_at = (datetime.now(UTC) + timedelta(minutes=2)).isoformat()
    return a_raw_item(
        id=item_id,
        status="WAITING_USER_INPUT",
        executionStatus="WAITING_USER_INPUT",
        parameter={**parameter, "expiresAt": expires_at},
        updatedAt=datetime.now(UTC).isoformat(),
        lastUpdatedAt=None,
    )


@pytest.fixture
def pluggy():
    found = Pluggy()
    with scripted_server(found.answer) as server:
        found.url = server.url
        try:
            yield found
        finally:
            found.lets_go.set()


@pytest.fixture
def product():
    with running_product() as running:
        yield running


@pytest.fixture
def environ(settings, pluggy, product):
    return an_environ(
        DATABASE_URL=settings.database_url,
        REDIS_URL=settings.redis_url,
        PLUGGY_API_URL=pluggy.url,
        PRODUCT_WEBHOOK_URL=product.url,
        PRODUCT_WEBHOOK_SECRET=SECRET,
        PLUGGY_TIMEOUT_S="120",
        PLUGGY_REQUESTS_PER_MINUTE=str(PER_MINUTE),
        WORKER_CONCURRENCY="2",
        URGENT_WORKERS="1",
        NOTIFICATION_WORKERS="1",
    )


@contextmanager
def workers(environ, folder, *names):
    with ExitStack() as stack:
        for name in names:
            stack.enter_context(running_process(name, environ, folder))
        yield


def told(product):
    """Return the types of what the product was told."""
    return [json.loads(each.body)["type"] for each in product.got]


def handled(resources):
    with resources.database.begin() as conn:
        return conn.scalar(sa.select(sa.func.count()).where(inbox_table.c.state == "handled"))


def store(resources, *payloads):
    """Store events and queue them, as intake does."""
    with resources.begin() as tx:
        for payload in payloads:
            event = of_payload(payload)
            recorded = inbox.record(tx.conn, event, received_at=resources.now())
            tx.after_commit(queue.task_of_event(event.name), recorded.event_id)


def a_person_is_asked(resources):
    store(resources, an_event("item/waiting_user_input", itemId=PERSON))


def request_syncs(resources, number):
    """Store Items with a sync that is requested, queue it, and return their ids."""
    now = datetime.now(UTC)
    ids = [an_id() for _ in range(number)]
    with resources.begin() as tx:
        for item_id in ids:
            items.lock(tx.conn, item_id, now=now)
            items.save(tx.conn, an_item(id=item_id), application="application", now=now)
            tx.conn.execute(
                sa.insert(item_progress).values(
                    item_id=item_id, last_event_seq=1, sync_requested_seq=1, due_at=now + timedelta(hours=1)
                )
            )
            tx.after_commit(queue.SYNC_ITEM, item_id)
    return ids


def synced(resources, ids):
    """Return how many of the Items *ids* were synced."""
    are_synced = item_progress.c.synced_seq > 0
    with resources.database.begin() as conn:
        return conn.scalar(sa.select(sa.func.count()).where(are_synced, item_progress.c.item_id.in_(ids)))


def test_a_need_is_told_while_a_thousand_events_and_forty_syncs_wait(resources, pluggy, product, environ, tmp_path):
    store(resources, *[an_event("item/updated", itemId=an_id()) for _ in range(1000)])
    ids = request_syncs(resources, 40)
    with workers(environ, tmp_path, "worker", "urgent", "notifications"):
        for _ in range(2):
            assert pluggy.held.acquire(timeout=60), "both processes of the worker are at the backlog"
        # One of each: a worker takes from its queues in turn.
        assert [resources.redis.llen(name) for name in (queue.EVENTS, queue.SYNCS)] == [999, 39]

        a_person_is_asked(resources)

        eventually(lambda: "item.action_required" in told(product), what="the need is told")
        assert (handled(resources), synced(resources, ids)) == (1, 0)


def test_a_need_is_told_though_syncs_have_used_up_their_budget_and_no_worker_waits_for_it(
    resources, pluggy, product, environ, tmp_path
):
    budget = Budget(resources.redis, PER_MINUTE)
    with lane(Lane.EVENTS):
        while budget.wait_s(["GET /items/{id}"]) == 0:
            budget.take("GET /items/{id}")
    backlog = [an_event("item/updated", itemId=an_id()) for _ in range(20)]
    with workers(environ, tmp_path, "worker", "urgent", "notifications"):
        store(resources, *backlog)
        a_person_is_asked(resources)

        eventually(lambda: "item.action_required" in told(product), what="the need is told")
        eventually(lambda: all_await_budget(resources, backlog), what="the others are rescheduled")

    assert not pluggy.held.acquire(blocking=False), "nobody else was asked about"


def all_await_budget(resources, backlog):
    """Return whether each event was rescheduled, with a reason, as if it had not been tried."""
    ids = [each["eventId"] for each in backlog]
    with resources.database.begin() as conn:
        rows = conn.execute(sa.select(inbox_table).where(inbox_table.c.event_id.in_(ids))).all()
    return all(row.state == "stored" and row.attempts == 0 and "no budget" in (row.error or "") for row in rows)


def test_one_worker_that_serves_all_queues_tells_a_need_before_the_backlog_is_worked_off(
    resources, pluggy, product, environ, tmp_path
):
    """It takes from each queue in turn."""
    store(resources, *[an_event("item/login_succeeded", itemId=an_id()) for _ in range(1500)])
    a_person_is_asked(resources)
    everything = ",".join(sorted(set(queue.QUEUE_OF_TASK.values())))
    when_told = []

    def is_told():
        if "item.action_required" in told(product):
            when_told.append(handled(resources))
        return bool(when_told)

    with running_process("worker", environ, tmp_path, "--queues", everything):
        eventually(is_told, what="the need is told")

    assert when_told[0] < 1500
