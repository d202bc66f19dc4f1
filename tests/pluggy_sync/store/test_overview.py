"""How the whole service stands, in numbers."""

from pluggy_sync.engine import freshness_counting
from pluggy_sync.rules.alerts import Work
from pluggy_sync.store import overview
from pluggy_sync.store.overview import Overview
from tests.kit.clock import Clock
from tests.kit.service import Service


def read(service: Service) -> Overview:
    with service.res.database.begin() as conn:
        return overview.read(conn, now=service.res.now())


def test_nothing_waits_in_a_service_that_has_just_begun(service: Service):
    found = read(service)

    assert (found.events_waiting, found.syncs_due, found.notifications_waiting) == (0, 0, 0)
    assert set(found.overdue.values()) == {None}
    assert found.alerts == []
    assert found.items == {}


def test_what_waits_what_ran_and_what_is_open_is_counted(service: Service, clock: Clock):
    service.upstream.connect(connector=5)
    service.catch_up()
    service.upstream.connect()
    service.deliver(*service.upstream.take_events())
    clock.advance(minutes=5)

    before = read(service)
    service.work_until_quiet()
    after = read(service)

    assert before.events_waiting > 0
    assert before.overdue[Work.EVENTS] is not None
    assert after.events_waiting == 0
    freshness_counting.count(service.res)
    assert read(service).freshness == {"fresh": 1, "waiting_for_person": 1}
    assert after.open_actions["mfa"] == 1
    assert after.runs["done"] == 1
    assert after.notifications_waiting == 2
