"""Endpoints of the product: one that fails is probed by one sender at a time, and one that was stopped stays so."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from pluggy_sync.store import deliveries, endpoints, outbox, tables
from pluggy_sync.store.endpoints import ENVIRONMENT, GONE
from tests.kit.factories import NOON

URL = "https://product.example/hooks?token=secret"
ID = "ep_one"
SOON = NOON + timedelta(minutes=1)
LATER = NOON + timedelta(hours=1)


@pytest.fixture
def conn(database):
    with database.begin() as conn:
        add(conn)
        yield conn


def add(conn, endpoint_id=ID, *, types=None, enabled=True):
    endpoints.add(
        conn,
        endpoint_id=endpoint_id,
        url=URL,
        secret="sealed",
        description=None,
        types=types,
        enabled=enabled,
        now=NOON,
    )


def fail(conn, *, retry_at):
    endpoints.mark_failing(conn, ID, since=NOON, retry_at=retry_at)


def receivers(conn, type_="item.stale"):
    return {each.id for each in endpoints.receivers(conn, type_)}


def test_a_new_endpoint_works_and_hears_everything(conn):
    assert endpoints.get(conn, ID).state == "working"
    assert receivers(conn) == {ID}


def test_an_endpoint_hears_only_the_types_that_it_wants_and_nothing_while_it_is_disabled(conn):
    endpoints.change(conn, ID, types=["item.synced"])
    assert (ID in receivers(conn, "item.synced"), ID in receivers(conn, "item.stale")) == (True, False)

    endpoints.change(conn, ID, enabled=False)

    assert ID not in receivers(conn, "item.synced")
    assert endpoints.get(conn, ID).state == "disabled"


def test_the_endpoint_of_the_settings_hears_if_they_name_one_or_if_there_is_no_other(conn):
    assert ENVIRONMENT not in receivers(conn)

    endpoints.follow_settings(conn, URL)
    assert receivers(conn) == {ID, ENVIRONMENT}
    endpoints.follow_settings(conn, None)
    endpoints.delete(conn, ID, now=SOON)

    assert receivers(conn) == {ENVIRONMENT}


def test_the_endpoint_of_the_settings_is_there_again_after_its_row_was_removed(conn):
    endpoints.delete(conn, ID, now=SOON)
    conn.execute(sa.delete(tables.endpoints))

    assert receivers(conn) == {ENVIRONMENT}
    assert [each.id for each in endpoints.all_(conn)] == [ENVIRONMENT]


def test_the_address_of_the_settings_is_not_stored(conn):
    endpoints.follow_settings(conn, URL)

    rows = conn.execute(sa.select(tables.endpoints).where(tables.endpoints.c.id == ENVIRONMENT)).all()
    assert "secret" not in str(rows)


def test_at_a_new_address_of_the_settings_the_state_begins_anew_and_at_the_same_it_stays(conn):
    endpoints.follow_settings(conn, URL)
    endpoints.stop(conn, ENVIRONMENT, GONE, now=NOON)

    endpoints.follow_settings(conn, URL)
    assert endpoints.get(conn, ENVIRONMENT).state == "stopped"
    endpoints.follow_settings(conn, URL + "2")

    assert endpoints.get(conn, ENVIRONMENT).state == "working"


def test_one_sender_at_a_time_probes_an_endpoint_that_fails(conn):
    fail(conn, retry_at=NOON)

    assert endpoints.take_probe(conn, ID, now=NOON, until=SOON)
    assert not endpoints.take_probe(conn, ID, now=NOON, until=SOON)
    assert not endpoints.get(conn, ID).may_be_probed(NOON)
    endpoints.release_probe(conn, ID)
    assert endpoints.take_probe(conn, ID, now=NOON, until=SOON)
    # One that died with the probe holds it no longer than it said.
    assert endpoints.get(conn, ID).may_be_probed(SOON)
    assert endpoints.take_probe(conn, ID, now=SOON, until=LATER)


def test_an_endpoint_is_not_probed_before_its_time(conn):
    fail(conn, retry_at=SOON)

    assert not endpoints.get(conn, ID).may_be_probed(NOON)
    assert not endpoints.take_probe(conn, ID, now=NOON, until=LATER)
    assert endpoints.get(conn, ID).may_be_probed(SOON)


def test_an_endpoint_that_works_is_not_probed(conn):
    assert not endpoints.take_probe(conn, ID, now=NOON, until=SOON)


def test_an_endpoint_that_took_a_notification_works_again(conn):
    fail(conn, retry_at=SOON)

    assert endpoints.mark_working(conn, ID)
    assert endpoints.get(conn, ID).state == "working"
    assert not endpoints.mark_working(conn, ID)


def test_an_endpoint_is_stopped_once_and_until_it_is_resumed(conn):
    assert not endpoints.resume(conn, ID)

    assert endpoints.stop(conn, ID, GONE, now=SOON)
    assert not endpoints.stop(conn, ID, GONE, now=LATER)

    fail(conn, retry_at=NOON)
    assert not endpoints.mark_working(conn, ID)
    assert endpoints.get(conn, ID).stopped_at == SOON
    assert endpoints.resume(conn, ID)
    assert endpoints.get(conn, ID).state == "working"


def test_each_endpoint_has_a_state_of_its_own(conn):
    add(conn, "ep_two")
    fail(conn, retry_at=NOON)
    endpoints.take_probe(conn, ID, now=NOON, until=SOON)
    endpoints.stop(conn, ID, GONE, now=NOON)

    assert endpoints.get(conn, "ep_two").state == "working"


def test_what_a_deleted_endpoint_leaves_is_removed_a_little_at_a_time(conn):
    for number in range(3):
        id_ = f"msg_{number}"
        outbox.add(conn, notification_id=id_, type_="item.stale", item_id=None, sequence=None, body="{}", now=NOON)
        deliveries.add(conn, endpoint_id=ID, notification_id=id_, item_id=None, sequence=None, due_at=NOON, now=NOON)
    assert endpoints.delete(conn, ID, now=SOON)
    assert not endpoints.delete(conn, ID, now=SOON)
    assert endpoints.get(conn, ID) is None

    left = []
    for _ in range(3):
        endpoints.remove_deleted(conn, limit=2)
        left.append((deliveries.count(conn, state="pending"), len(endpoints.all_(conn))))

    assert [number for number, _ in left] == [1, 0, 0]
    ids = conn.scalars(sa.select(tables.endpoints.c.id)).all()
    assert ids == [ENVIRONMENT]
    assert outbox.get(conn, "msg_0") is not None


def test_a_repr_shows_no_address_and_no_secret(conn):
    assert "product.example" not in repr(endpoints.get(conn, ID))
    assert "sealed" not in repr(endpoints.get(conn, ID))
