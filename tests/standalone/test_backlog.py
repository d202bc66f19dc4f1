"""What is under way, as the demo and `make chaos` count it."""

import pytest
import sqlalchemy as sa

from pluggy_sync import events
from pluggy_sync.store.tables import deliveries, inbox, item_progress, items
from standalone import backlog


def counts(service):
    with service.res.database.begin() as conn:
        return backlog.counts(conn)


def test_events_wait_until_they_are_handled_and_notifications_until_a_product_takes_them(service, upstream):
    upstream.connect()
    delivered = upstream.take_events()
    service.deliver(*delivered)
    assert counts(service) == {"events": len(delivered)}

    service.work_until_quiet()
    assert counts(service) == {"notifications": 1}

    with service.res.database.begin() as conn:
        conn.execute(sa.update(deliveries).values(state="delivered"))
    assert counts(service) == {}


def test_a_sync_that_is_requested_waits_unless_its_item_is_deleted(service, upstream):
    upstream.connect()
    service.catch_up()

    with service.res.database.begin() as conn:
        conn.execute(sa.update(item_progress).values(sync_requested_seq=item_progress.c.synced_seq + 1))
    assert counts(service) == {"syncs": 1, "notifications": 1}

    with service.res.database.begin() as conn:
        conn.execute(sa.update(items).values(deleted_at=sa.func.now()))
    assert counts(service) == {"notifications": 1}


@pytest.mark.parametrize("due_in, expected", [("-1 second", {"events": 1}), ("1 hour", {})])
def test_a_fetch_that_the_service_requested_waits_once_it_is_due(service, upstream, due_in, expected):
    upstream.connect()
    service.deliver(upstream.take_events()[0])

    with service.res.database.begin() as conn:
        due_at = sa.func.now() + sa.cast(due_in, sa.Interval)
        conn.execute(sa.update(inbox).values(name=events.FETCH_REQUESTED, due_at=due_at))

    assert counts(service) == expected
