"""What is said again or in time, each once."""

import dataclasses
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from pluggy_sync.engine.reminders import remind
from pluggy_sync.pluggy.payloads import SAO_PAULO
from pluggy_sync.store.tables import items, outbox
from tests.kit.clock import Clock
from tests.kit.factories import API_TOKEN
from tests.kit.service import Service


@pytest.fixture
def clock() -> Clock:
    """Noon in São Paulo, some day soon."""
    return Clock((datetime.now(SAO_PAULO) + timedelta(days=1)).replace(hour=12, minute=0))


def at_hour(service: Service, clock: Clock, hour: int) -> None:
    """Move to the next time that it is *hour* in São Paulo."""
    now = clock().astimezone(SAO_PAULO)
    clock.advance(hours=(hour - now.hour) % 24)


def told(service: Service, type_: str) -> list[sa.Row]:
    return [row for row in service.rows(outbox) if row.type == type_]


def set_item(service: Service, item_id: str, **values) -> None:
    with service.res.database.begin() as conn:
        conn.execute(sa.update(items).where(items.c.id == item_id).values(**values))


def test_an_open_action_is_reminded_of_by_the_schedule_and_no_more(service: Service, clock: Clock):
    service.upstream.connect("user-locked")
    service.catch_up()

    seen = []
    for _ in range(10):
        remind(service.res)
        remind(service.res)
        seen.append(len(told(service, "item.action_reminder")))
        clock.advance(days=1)

    # After 24, 72 and 168 hours.
    assert seen == [0, 1, 1, 2, 2, 2, 2, 3, 3, 3]


def test_nobody_is_reminded_at_night(service: Service, clock: Clock):
    service.upstream.connect("user-locked")
    service.catch_up()
    clock.advance(days=1)

    at_hour(service, clock, 23)
    remind(service.res)
    assert told(service, "item.action_reminder") == []

    at_hour(service, clock, 9)
    remind(service.res)
    assert len(told(service, "item.action_reminder")) == 1


def test_a_settled_action_is_not_reminded_of(service: Service, clock: Clock):
    item_id = service.upstream.connect("user-bad")
    service.catch_up()
    service.upstream.update(item_id, {"user": "user-ok", "password": "password-ok"})
    service.catch_up()
    clock.advance(days=8)
    at_hour(service, clock, 12)

    remind(service.res)

    assert told(service, "item.action_reminder") == []


def test_a_consent_that_ends_is_warned_of_three_times_with_one_action(service: Service, clock: Clock):
    item_id = service.upstream.connect()
    service.catch_up()
    set_item(service, item_id, consent_expires_at=clock() + timedelta(days=31))

    counts = []
    for _ in range(32):
        remind(service.res)
        counts.append(len(told(service, "item.consent_expiring")))
        clock.advance(days=1)

    assert [counts.index(number) for number in (1, 2, 3)] == [1, 24, 30]
    assert [action.reason for action in service.actions()] == ["CONSENT_EXPIRING"]
    assert told(service, "item.action_required") == []


def test_no_end_is_no_warning(service: Service, clock: Clock):
    service.upstream.connect()
    service.catch_up()

    remind(service.res)

    assert service.notifications() == ["item.synced"]


def test_the_renewal_settles_when_the_consent_has_another_end(service: Service, clock: Clock):
    item_id = service.upstream.connect()
    service.catch_up()
    set_item(service, item_id, consent_expires_at=clock() + timedelta(days=5))
    remind(service.res)
    (action,) = service.actions()
    assert (action.kind, action.state) == ("consent", "open")

    # The sandbox shows no end: renewed without one.
    service.upstream.later(days=1)
    service.upstream.run(item_id)
    service.catch_up()

    assert service.actions()[0].state == "resolved"


def test_an_item_behind_its_planned_update_is_told_of_once_per_update(service: Service, clock: Clock):
    item_id = service.upstream.connect()
    service.catch_up()
    set_item(service, item_id, next_auto_sync_at=clock() + timedelta(hours=24))

    clock.advance(hours=35)
    remind(service.res)
    assert told(service, "item.stale") == []
    clock.advance(hours=2)
    remind(service.res)
    remind(service.res)

    assert len(told(service, "item.stale")) == 1


def test_an_item_without_a_planned_update_is_stale_when_the_api_says_so(service: Service, clock: Clock):
    item_id = service.upstream.connect()
    service.catch_up()
    set_item(service, item_id, last_updated_at=clock())
    clock.advance(hours=35)
    remind(service.res)
    assert (state_of(service, item_id), told(service, "item.stale")) == ("fresh", [])

    clock.advance(hours=2)
    remind(service.res)
    remind(service.res)

    assert state_of(service, item_id) == "stale"
    assert len(told(service, "item.stale")) == 1


def state_of(service: Service, item_id: str) -> str:
    answer = service.web.get(f"/v1/items/{item_id}", headers={"Authorization": f"Bearer {API_TOKEN}"})
    return answer.get_json()["freshness"]["state"]


def test_a_failure_of_the_bank_is_told_of_only_if_it_lasts(service: Service, clock: Clock):
    service.upstream.connect("user-unavailable")
    service.catch_up()
    remind(service.res)
    assert told(service, "item.stale") == []

    clock.advance(hours=37)
    remind(service.res)

    assert len(told(service, "item.stale")) == 1
    assert service.actions() == []


def test_an_item_that_waits_for_its_person_is_not_called_stale(service: Service, clock: Clock):
    service.upstream.connect("user-locked")
    service.catch_up()
    clock.advance(days=3)

    remind(service.res)

    assert told(service, "item.stale") == []


def test_reminders_can_be_switched_off(service: Service, clock: Clock):
    service.res = dataclasses.replace(
        service.res, settings=dataclasses.replace(service.res.settings, remind_after_hours=())
    )
    service.upstream.connect("user-locked")
    service.catch_up()
    clock.advance(days=10)
    at_hour(service, clock, 12)

    remind(service.res)

    assert told(service, "item.action_reminder") == []


def test_a_submission_that_came_to_nothing_is_given_back(service: Service, clock: Clock):
    service.upstream.connect("user-bad")
    service.catch_up()
    with service.res.database.begin() as conn:
        # As a process leaves it that dies while it asks Pluggy.
        conn.exec_driver_sql("UPDATE user_actions SET state = 'submitted', submitted_at = %s", (clock(),))
    service.work_until_quiet()
    assert service.actions()[0].state == "submitted"

    clock.advance(minutes=11)
    remind(service.res)
    service.work()

    (action,) = service.actions()
    assert action.state == "open"
    assert service.notifications() == ["item.action_required"]
