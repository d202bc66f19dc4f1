"""Counts for the metrics: what waits, what was given up, and 0 for what there is none of."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from pluggy_sync import events
from pluggy_sync.rules.contradictions import Contradiction
from pluggy_sync.rules.needs import Kind, Need
from pluggy_sync.store import (
    contradictions,
    deliveries,
    endpoints,
    inbox,
    item_notices,
    item_progress,
    items,
    metrics,
    outbox,
    tables,
    user_actions,
)
from tests.kit.factories import NOON, an_event

SOON = NOON + timedelta(minutes=1)


@pytest.fixture
def conn(database):
    with database.begin() as conn:
        yield conn


def keep(conn, item_id, **columns):
    items.lock(conn, item_id, now=NOON)
    conn.execute(sa.update(tables.items).where(tables.items.c.id == item_id).values({"first_seen_at": NOON, **columns}))


def test_events_that_wait_are_counted_and_the_oldest_is_known(conn):
    assert (metrics.events(conn), metrics.oldest_event(conn)) == ([("stored", 0), ("dead", 0)], None)
    ids = [
        inbox.record(conn, events.of_payload(an_event(itemId="item")), received_at=at).event_id
        for at in (NOON, SOON, SOON, SOON)
    ]
    inbox.finish(conn, ids[0], "noted", now=SOON)
    conn.execute(sa.update(tables.inbox).where(tables.inbox.c.event_id == ids[1]).values(state="dead"))

    assert (metrics.events(conn), metrics.oldest_event(conn)) == ([("stored", 2), ("dead", 1)], SOON)


def test_notifications_that_wait_are_counted_and_the_oldest_is_known(conn):
    assert metrics.oldest_notification(conn) is None
    for id_, at in (("delivered", NOON), ("dead", NOON), ("pending", SOON)):
        tell(conn, id_, at=at, to=endpoints.ENVIRONMENT)
    with_id = dict(
        tuple(row) for row in conn.execute(sa.select(tables.deliveries.c.notification_id, tables.deliveries.c.id))
    )
    deliveries.mark_delivered(conn, with_id["delivered"], now=SOON)
    deliveries.mark_dead(conn, with_id["dead"])

    assert metrics.notifications(conn) == [("pending", 1), ("dead", 1)]
    assert metrics.oldest_notification(conn) == SOON


def test_what_waits_for_an_endpoint_that_was_stopped_is_not_late(conn):
    tell(conn, "stopped", at=NOON, to=add_endpoint(conn, "ep_stopped"))
    endpoints.stop(conn, "ep_stopped", endpoints.GONE, now=NOON)

    assert metrics.oldest_notification(conn) is None
    assert metrics.notifications(conn) == [("pending", 1), ("dead", 0)]


def tell(conn, id_, *, at, to):
    outbox.add(conn, notification_id=id_, type_="item.stale", item_id=None, sequence=None, body="{}", now=at)
    deliveries.add(conn, endpoint_id=to, notification_id=id_, item_id=None, sequence=None, due_at=at, now=at)


def add_endpoint(conn, id_):
    endpoints.add(
        conn, endpoint_id=id_, url="https://x", secret="", description=None, types=None, enabled=True, now=NOON
    )
    return id_


def test_an_endpoint_that_was_stopped_does_not_count_as_failing(conn):
    for id_ in ("ep_failing", "ep_stopped"):
        add_endpoint(conn, id_)
        endpoints.mark_failing(conn, id_, since=NOON, retry_at=SOON)
    endpoints.stop(conn, "ep_stopped", endpoints.GONE, now=NOON)
    add_endpoint(conn, "ep_works")

    assert metrics.endpoints_in_trouble(conn) == [("failing", 1), ("stopped", 1)]


def test_syncs_that_are_requested_are_counted_and_the_longest_waiting_is_known(conn):
    assert (metrics.syncs_due(conn), metrics.oldest_sync(conn)) == (0, None)
    for item_id, due_at in (("covered", NOON - timedelta(days=1)), ("first", NOON), ("second", SOON)):
        inbox.record(conn, events.of_payload(an_event(itemId=item_id)), received_at=NOON)
        item_progress.request_sync(conn, item_id, due_at=due_at)
    item_progress.mark_synced(conn, "covered", through=2, retry_at=NOON - timedelta(days=1))

    assert (metrics.syncs_due(conn), metrics.oldest_sync(conn)) == (2, NOON)


def test_items_are_counted_by_status_without_those_deleted(conn):
    keep(conn, "a", status="UPDATED")
    keep(conn, "b", status="UPDATED")
    keep(conn, "c")
    keep(conn, "d", status="UPDATED", deleted_at=NOON)
    metrics.count_items(conn, now=NOON, unless_since=NOON)

    assert dict(metrics.items_by_status(conn)) == {"UPDATED": 2, "unseen": 1}


def test_items_are_counted_again_when_the_count_is_old_and_a_status_that_none_has_is_gone(conn):
    keep(conn, "a", status="OUTDATED")
    metrics.count_items(conn, now=NOON, unless_since=NOON)
    keep(conn, "a", status="UPDATED")

    metrics.count_items(conn, now=SOON, unless_since=NOON)
    assert dict(metrics.items_by_status(conn)) == {"OUTDATED": 1}
    metrics.count_items(conn, now=SOON, unless_since=SOON)
    assert dict(metrics.items_by_status(conn)) == {"UPDATED": 1}


def test_an_item_is_overdue_if_its_update_is_late_and_does_not_run(conn):
    keep(conn, "late", status="UPDATED", next_auto_sync_at=NOON)
    keep(conn, "runs", status="UPDATING", next_auto_sync_at=NOON)
    keep(conn, "on time", status="UPDATED", next_auto_sync_at=SOON + timedelta(days=1))
    keep(conn, "deleted", status="UPDATED", next_auto_sync_at=NOON, deleted_at=NOON)
    keep(conn, "replaced", status="UPDATED", next_auto_sync_at=NOON, replaced_by="late")

    assert metrics.items_overdue(conn, SOON) == 1


def test_an_item_is_stale_from_when_that_is_told_until_it_is_updated(conn):
    for item_id in ("stale", "updated since", "never told"):
        keep(conn, item_id, last_updated_at=NOON)
    for item_id in ("stale", "updated since"):
        item_notices.mark_stale_told(conn, item_id, NOON)
    keep(conn, "updated since", last_updated_at=SOON)

    assert metrics.items_stale(conn) == 1


def test_contradictions_are_counted_by_their_kind_also_those_that_nobody_has(conn):
    inbox.record(conn, events.of_payload(an_event(itemId="item")), received_at=NOON)
    contradictions.contradict(conn, "item", Contradiction.NOT_FOUND, refetches=1)

    counts = dict(metrics.items_contradicted(conn))

    assert counts.pop(Contradiction.NOT_FOUND) == 1
    assert set(counts) == set(Contradiction) - {Contradiction.NOT_FOUND}
    assert set(counts.values()) == {0}


def test_actions_that_wait_for_a_person_are_counted_by_kind(conn):
    keep(conn, "item")
    submitted, _open = (
        user_actions.open_new(conn, "item", Need(kind=Kind.MFA, reason="X", dedup_key=key), now=NOON)
        for key in ("one", "other")
    )
    user_actions.submit(conn, submitted.id, now=NOON)

    assert dict(metrics.open_actions(conn)) == {kind: int(kind is Kind.MFA) for kind in Kind}


def test_runs_are_counted_from_then_on(conn):
    for number, at in enumerate((NOON, SOON)):
        conn.execute(
            sa.insert(tables.sync_runs).values(
                id=sa.func.gen_random_uuid(),
                item_id=f"item-{number}",
                trigger="item/updated",
                began_at_seq=1,
                cursor=0,
                started_at=at,
                outcome="failed",
            )
        )

    assert dict(metrics.runs_since(conn, SOON))["failed"] == 1
    assert sum(number for _, number in metrics.runs_since(conn, NOON)) == 2
