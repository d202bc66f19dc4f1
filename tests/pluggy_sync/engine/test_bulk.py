"""What operators do to many things at once is done to each once, survives a restart, and gives way to other work."""

import dataclasses

import pytest
import sqlalchemy as sa

from pluggy_sync import queue
from pluggy_sync.engine import bulk
from pluggy_sync.engine.bulk import Step, What
from pluggy_sync.redis_options import redis_options
from pluggy_sync.store import bulk_operations
from pluggy_sync.store.tables import deliveries, inbox, items, sync_runs
from tests.kit.factories import an_event, an_id
from tests.kit.service import Service
from tests.kit.workers import run_message, take_messages


def begin(service: Service, what: What, **wanted) -> str:
    return bulk.begin(service.res, what, wanted, operator="ana")


def operation(service: Service, id_: str) -> bulk_operations.BulkOperation:
    with service.res.database.begin() as conn:
        found = bulk_operations.get(conn, id_)
    assert found is not None
    return found


def work(service: Service) -> int:
    """Do batches until there is nothing more to do; return how many did something."""
    steps = 0
    while bulk.step(service.res) is Step.WORKED:
        steps += 1
    return steps


def dead_events(service: Service, number: int) -> None:
    service.deliver(*(an_event("item/updated", itemId=an_id()) for _ in range(number)))
    with service.res.database.begin() as conn:
        conn.execute(sa.update(inbox).values(state="dead", error="Pluggy: 500", attempts=8))


def states(service: Service, table: sa.Table) -> list[str]:
    with service.res.database.begin() as conn:
        return sorted(conn.scalars(sa.select(table.c.state)))


def test_events_that_were_given_up_wait_anew_each_once_and_those_that_come_later_do_not(service, monkeypatch):
    monkeypatch.setattr(bulk, "BATCH", 2)
    dead_events(service, 5)
    id_ = begin(service, What.PROCESS_EVENTS, which="dead")
    later = an_event("item/updated", itemId=an_id())
    service.deliver(later)
    with service.res.database.begin() as conn:
        conn.execute(sa.update(inbox).where(inbox.c.event_id == later["eventId"]).values(state="dead"))

    assert work(service) == 4

    assert states(service, inbox) == ["dead"] + ["stored"] * 5
    found = operation(service, id_)
    assert (found.counted, found.done, found.state) == (5, 5, "done")
    assert queue.length(service.res.redis, queue.EVENTS) >= 5


def test_an_operation_goes_on_where_it_was_when_its_process_died(service, monkeypatch):
    monkeypatch.setattr(bulk, "BATCH", 2)
    dead_events(service, 4)
    id_ = begin(service, What.PROCESS_EVENTS, which="dead")
    bulk.step(service.res)

    def dies(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(bulk_operations, "advance", dies)
        with pytest.raises(KeyboardInterrupt):
            bulk.step(service.res)
    assert states(service, inbox).count("stored") == 2

    work(service)

    assert states(service, inbox) == ["stored"] * 4
    assert operation(service, id_).done == 4


def test_what_is_stopped_stays_as_far_as_it_is(service, monkeypatch):
    monkeypatch.setattr(bulk, "BATCH", 1)
    dead_events(service, 3)
    id_ = begin(service, What.PROCESS_EVENTS, which="dead")
    bulk.step(service.res)

    with service.res.database.begin() as conn:
        assert bulk_operations.finish(conn, id_, "stopped", now=service.res.now())

    assert work(service) == 0
    assert states(service, inbox) == ["dead", "dead", "stored"]
    assert operation(service, id_).state == "stopped"


def test_nobody_does_a_batch_that_another_one_does(service):
    dead_events(service, 1)
    id_ = begin(service, What.PROCESS_EVENTS, which="dead")

    with service.res.database.begin() as conn:
        assert bulk_operations.lock(conn, id_) is not None
        assert bulk.step(service.res) is Step.IDLE

    assert states(service, inbox) == ["dead"]


def test_only_the_items_as_wanted_are_fetched_and_synced(service: Service):
    asked, well = service.upstream.connect(connector=5), service.upstream.connect()
    service.catch_up()
    service.upstream.evolve(well, "add")
    service.upstream.run(well)
    service.upstream.take_events()

    id_ = begin(service, What.SYNC_ITEMS, freshness="fresh")
    work(service)
    service.work_until_quiet()

    assert operation(service, id_).done == 1
    with service.res.database.begin() as conn:
        runs = conn.scalars(sa.select(sync_runs.c.item_id).order_by(sync_runs.c.started_at)).all()
        fetched = conn.scalars(sa.select(inbox.c.item_id).where(inbox.c.name == "local/fetch_requested")).all()
    assert runs.count(well) == 2
    assert fetched == [well]
    assert asked not in runs


def test_no_more_items_are_given_out_than_workers_take(service: Service, monkeypatch):
    monkeypatch.setattr(bulk, "BATCH", 1)
    monkeypatch.setattr(bulk, "MOST_WAITING", 2)
    for _ in range(3):
        service.upstream.connect()
    service.catch_up()
    id_ = begin(service, What.SYNC_ITEMS)

    assert work(service) == 2
    assert bulk.step(service.res) is Step.WAITED
    assert operation(service, id_).done == 2

    service.work_until_quiet()
    work(service)
    assert operation(service, id_).done == 3


def test_items_are_reconciled_though_they_were_lately(service: Service):
    item_id = service.upstream.connect()
    service.catch_up()
    with service.res.database.begin() as conn:
        conn.execute(sa.update(items).values(reconciled_at=service.res.now()))

    id_ = begin(service, What.RECONCILE_ITEMS, status="UPDATED")
    work(service)
    for message in take_messages(service.res, queue.RECONCILIATIONS):
        run_message(service.res, message)

    with service.res.database.begin() as conn:
        triggers = conn.scalars(sa.select(sync_runs.c.trigger).where(sync_runs.c.item_id == item_id)).all()
    assert "reconciliation" in triggers
    assert operation(service, id_).done == 1


def test_what_redis_did_not_take_is_not_counted_as_done(service: Service):
    service.upstream.connect()
    service.catch_up()
    id_ = begin(service, What.RECONCILE_ITEMS)
    away = dataclasses.replace(
        service.res,
        redis=redis_options("redis://127.0.0.1:1/0").client(connect_timeout_s=1, timeout_s=1),
        sender=queue.Sender("redis://127.0.0.1:1/0"),
    )

    assert bulk.step(away) is Step.WAITED
    assert bulk.step(dataclasses.replace(away, redis=service.res.redis)) is Step.WAITED

    assert operation(service, id_).done == 0


def test_dead_letters_are_sent_again(service: Service):
    service.upstream.connect()
    service.upstream.connect(connector=5)
    service.catch_up()
    with service.res.database.begin() as conn:
        conn.execute(sa.update(deliveries).values(state="dead"))

    id_ = begin(service, What.RESEND_NOTIFICATIONS, state="dead")
    work(service)

    found = operation(service, id_)
    assert (found.counted, found.done) == (2, 2)
    assert set(states(service, deliveries)) == {"pending"}
