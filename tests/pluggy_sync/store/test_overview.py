"""How the whole service stands, in numbers."""

from datetime import timedelta

from pluggy_sync.store import overview
from pluggy_sync.store.overview import Overview
from tests.kit.service import Service


def read(service: Service) -> Overview:
    with service.res.database.begin() as conn:
        return overview.read(conn, now=service.res.now())


def test_nothing_waits_in_a_service_that_has_just_begun(service: Service):
    found = read(service)

    assert (found.events_waiting, found.syncs_due, found.notifications_waiting) == (0, 0, 0)
    assert found.oldest_event is found.oldest_sync is found.oldest_notification is None
    assert found.items == {}


def test_what_waits_what_ran_and_what_is_open_is_counted(service: Service):
    service.upstream.connect(connector=5)
    service.catch_up()
    service.upstream.connect()
    service.deliver(*service.upstream.take_events())
    began = service.res.now()

    before = read(service)
    service.work_until_quiet()
    after = read(service)

    assert before.events_waiting > 0
    assert before.oldest_event is not None
    assert began - timedelta(minutes=5) < before.oldest_event <= began
    assert after.events_waiting == 0
    assert after.open_actions["mfa"] == 1
    assert after.runs["done"] == 1
    assert after.notifications_waiting == 2
