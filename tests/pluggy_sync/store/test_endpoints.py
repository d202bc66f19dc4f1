"""Endpoints of the product: one that fails is probed by one sender at a time, and one that was stopped stays so."""

from datetime import timedelta

import sqlalchemy as sa

from pluggy_sync.store import endpoints, tables
from pluggy_sync.store.endpoints import Endpoint
from tests.kit.factories import NOON

URL = "https://product.example/hooks?token=secret"
SOON = NOON + timedelta(minutes=1)
LATER = NOON + timedelta(hours=1)


def fail(conn, *, retry_at, url=URL):
    endpoints.lock(conn, url)
    endpoints.mark_failing(conn, url, since=NOON, retry_at=retry_at)


def test_an_endpoint_that_nothing_is_known_of_works(database):
    with database.begin() as conn:
        assert endpoints.get(conn, URL) == Endpoint()
        assert endpoints.lock(conn, URL) == Endpoint()


def test_the_address_is_not_stored(database):
    with database.begin() as conn:
        fail(conn, retry_at=NOON)

        (row,) = conn.execute(sa.select(tables.endpoints)).mappings()

    assert "secret" not in str(dict(row))


def test_a_failing_endpoint_is_probed_by_one_sender_at_a_time(database):
    with database.begin() as conn:
        fail(conn, retry_at=NOON)

        assert endpoints.take_probe(conn, URL, now=NOON, until=SOON)
        assert not endpoints.take_probe(conn, URL, now=NOON, until=SOON)
        assert not endpoints.get(conn, URL).may_be_probed(NOON)
        endpoints.release_probe(conn, URL)
        assert endpoints.take_probe(conn, URL, now=NOON, until=SOON)
        # Whoever took it died.
        assert endpoints.get(conn, URL).may_be_probed(SOON)
        assert endpoints.take_probe(conn, URL, now=SOON, until=LATER)


def test_a_failing_endpoint_is_not_probed_before_its_time(database):
    with database.begin() as conn:
        fail(conn, retry_at=SOON)

        assert not endpoints.get(conn, URL).may_be_probed(NOON)
        assert not endpoints.take_probe(conn, URL, now=NOON, until=LATER)
        assert endpoints.get(conn, URL).may_be_probed(SOON)


def test_an_endpoint_that_does_not_fail_is_not_probed(database):
    with database.begin() as conn:
        endpoints.lock(conn, URL)

        assert not endpoints.take_probe(conn, URL, now=NOON, until=SOON)


def test_an_endpoint_that_took_a_notification_works_again(database):
    with database.begin() as conn:
        fail(conn, retry_at=NOON)

        assert endpoints.mark_working(conn, URL)
        assert endpoints.get(conn, URL) == Endpoint()
        assert not endpoints.mark_working(conn, URL)


def test_an_endpoint_that_was_stopped_is_stopped_until_it_is_resumed(database):
    with database.begin() as conn:
        fail(conn, retry_at=NOON)
        assert not endpoints.resume(conn, URL)
        endpoints.stop(conn, URL, now=SOON)
        endpoints.stop(conn, URL, now=LATER)

        assert not endpoints.mark_working(conn, URL)
        assert endpoints.get(conn, URL).stopped_at == SOON
        assert endpoints.resume(conn, URL)
        assert endpoints.get(conn, URL) == Endpoint()


def test_endpoints_do_not_share_their_state(database):
    other = "https://other.example"
    with database.begin() as conn:
        for url in (URL, other):
            fail(conn, retry_at=NOON, url=url)
        assert endpoints.take_probe(conn, URL, now=NOON, until=SOON)
        assert endpoints.take_probe(conn, other, now=NOON, until=SOON)
        endpoints.release_probe(conn, URL)
        assert endpoints.get(conn, other).probing_until == SOON
        endpoints.mark_working(conn, URL)
        endpoints.stop(conn, URL, now=NOON)

        assert endpoints.get(conn, other).stopped_at is None
        assert not endpoints.resume(conn, other)
