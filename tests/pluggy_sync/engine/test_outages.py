"""Banks that go offline and come back: silence, and then those who still must act are told once."""

import dataclasses
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from pluggy_sync import events as event_names
from pluggy_sync.engine import outages, requests, sweep
from pluggy_sync.engine.reminders import remind
from pluggy_sync.pluggy.payloads import SAO_PAULO
from pluggy_sync.store.tables import connectors, inbox, item_progress, items, outbox
from tests.kit.clock import Clock
from tests.kit.factories import API_TOKEN, an_event, an_id

TOLD = ("item.action_required", "item.action_reminder", "item.consent_expiring")


@pytest.fixture
def clock() -> Clock:
    """Noon in São Paulo, some day soon."""
    return Clock((datetime.now(SAO_PAULO) + timedelta(days=1)).replace(hour=12, minute=0))


def told(service):
    """Return what reached persons, by way of the product."""
    return [type_ for type_ in service.notifications() if type_ in TOLD]


def bank(service, status):
    """Let the bank be so, and Pluggy tell of it."""
    service.upstream.connector_health(2, status)
    service.deliver(*[each for each in service.upstream.take_events() if each["event"].startswith("connector/")])
    service.work()


def days_pass(service, days):
    """Let the beat's tasks run twice a day, at noon and at midnight."""
    for _ in range(2 * days):
        service.res.now.advance(hours=12)
        sweep.sweep(service.res)
        service.work()
        remind(service.res)


def asked(service, user="user-locked"):
    item_id = service.upstream.connect(user)
    service.catch_up()
    return item_id


def state_of(service, item_id):
    answer = service.web.get(f"/v1/items/{item_id}", headers={"Authorization": f"Bearer {API_TOKEN}"})
    return answer.get_json()["freshness"]["state"]


def test_nobody_is_reminded_while_the_bank_is_offline_and_once_it_is_back_each_is_told_once(service):
    item_id = asked(service)
    assert state_of(service, item_id) == "waiting_for_person"
    bank(service, "OFFLINE")

    days_pass(service, 9)
    assert state_of(service, item_id) == "bank_outage"
    assert told(service) == ["item.action_required"]

    bank(service, "ONLINE")
    remind(service.res)
    remind(service.res)
    assert state_of(service, item_id) == "waiting_for_person"
    assert told(service) == ["item.action_required", "item.action_reminder"]
    days_pass(service, 9)
    # The reminders that were due meanwhile are not made up for.
    assert told(service) == ["item.action_required", "item.action_reminder"]


def test_after_a_short_outage_those_who_must_act_are_told_once_and_the_schedule_goes_on(service):
    asked(service)
    bank(service, "OFFLINE")
    service.res.now.advance(hours=1)
    bank(service, "ONLINE")

    remind(service.res)
    assert told(service).count("item.action_reminder") == 1
    days_pass(service, 8)

    # After the return, and after 24, 72 and 168 hours.
    assert told(service).count("item.action_reminder") == 4


def test_a_bank_that_comes_and_goes_is_no_reason_to_tell_a_person_each_time(service):
    asked(service)

    for _ in range(5):
        bank(service, "OFFLINE")
        service.res.now.advance(minutes=20)
        bank(service, "ONLINE")
        remind(service.res)

    assert told(service) == ["item.action_required", "item.action_reminder"]


def test_at_night_the_return_is_told_in_the_morning(service, clock):
    asked(service)
    bank(service, "OFFLINE")
    clock.advance(hours=11)
    bank(service, "ONLINE")

    remind(service.res)
    assert told(service) == ["item.action_required"]
    clock.advance(hours=10)
    remind(service.res)
    assert told(service) == ["item.action_required", "item.action_reminder"]


def test_an_action_that_was_settled_meanwhile_is_not_told_again(service):
    item_id = asked(service, "user-bad")
    bank(service, "OFFLINE")
    bank(service, "ONLINE")
    service.upstream.update(item_id, {"user": "user-ok", "password": "password-ok"})
    service.catch_up()

    remind(service.res)

    assert "item.action_reminder" not in told(service)


def test_a_need_that_arises_while_the_bank_is_offline_is_told_once_it_is_back(service):
    item_id = service.upstream.connect("user-locked")
    service.upstream.connector_health(2, "OFFLINE")
    service.catch_up()
    days_pass(service, 2)
    assert (told(service), state_of(service, item_id)) == ([], "bank_outage")

    bank(service, "ONLINE")
    service.work_until_quiet()

    assert told(service) == ["item.action_required"]


def test_a_need_is_not_told_if_only_an_event_said_that_the_bank_is_offline(service):
    """The Item as fetched does not show the health of its connector, or shows it as it was."""
    item_id = service.upstream.connect("user-locked")
    events = service.upstream.take_events()
    service.deliver(an_event("connector/status_updated", connectorId=2, data={"status": "OFFLINE"}))
    service.work()
    with service.res.database.begin() as conn:
        # As an Item without health leaves it.
        conn.execute(sa.update(connectors).values(status="OFFLINE"))
    service.deliver(*events)
    original = service.res.pluggy.item

    def without_health(asked_id):
        item = original(asked_id)
        return dataclasses.replace(item, connector=dataclasses.replace(item.connector, status=None))

    service.res.pluggy.item = without_health
    service.work()

    assert told(service) == []
    assert state_of(service, item_id) == "bank_outage"


def test_consents_that_end_are_not_warned_of_while_the_bank_is_offline(service, clock):
    item_id = service.upstream.connect()
    service.catch_up()
    bank(service, "OFFLINE")
    with service.res.database.begin() as conn:
        conn.execute(
            sa.update(items).where(items.c.id == item_id).values(consent_expires_at=clock() + timedelta(days=20))
        )

    days_pass(service, 3)
    assert told(service) == []

    bank(service, "ONLINE")
    remind(service.res)
    assert told(service) == ["item.consent_expiring"]


def test_that_a_bank_is_back_may_also_be_seen_on_an_item(service):
    """The event that told of it was lost."""
    waiting, other = asked(service), service.upstream.connect()
    service.upstream.connector_health(2, "OFFLINE")
    service.catch_up()
    service.upstream.later(days=1)
    service.upstream.run(other)
    service.catch_up()
    remind(service.res)
    before = told(service)
    service.upstream.connector_health(2, "ONLINE")
    service.upstream.later(days=1)
    service.upstream.run(other)
    service.deliver(*[each for each in service.upstream.take_events() if each.get("itemId") == other])

    service.work_until_quiet()
    remind(service.res)

    assert told(service) == [*before, "item.action_reminder"]
    assert state_of(service, waiting) == "waiting_for_person"


def failed_items(service, number):
    """Make Items whose last execution failed while the bank was offline."""
    ids = sorted(an_id() for _ in range(number))
    now = service.res.now()
    with service.res.database.begin() as conn:
        conn.execute(sa.insert(connectors).values(id=9, status="OFFLINE", updated_at=now))
        conn.execute(
            sa.insert(items),
            [
                {"id": each, "connector_id": 9, "status": "OUTDATED", "first_seen_at": now, "fetched_at": now}
                for each in ids
            ],
        )
        conn.execute(sa.insert(item_progress), [{"item_id": each, "due_at": now} for each in ids])
    return ids


def requested(service):
    rows = service.rows(inbox, inbox.c.name == event_names.FETCH_REQUESTED)
    return sorted(row.item_id for row in rows if row.payload["why"] == requests.BANK_IS_BACK)


def test_every_item_of_a_bank_that_is_back_is_fetched_once_however_many_there_are(service, monkeypatch):
    monkeypatch.setattr(outages, "CHUNK", 3)
    monkeypatch.setattr(outages, "CHUNKS_PER_ROUND", 2)
    ids = failed_items(service, 2 * 3 + 2)
    service.deliver(an_event("connector/status_updated", connectorId=9, data={"status": "ONLINE"}))
    service.work()

    for _ in range(3):
        outages.follow_up(service.res)

    assert sorted(requested(service)) == ids
    assert service.rows(connectors, connectors.c.id == 9)[0].back_at is None


def test_the_rest_is_followed_up_by_the_sweep_if_the_process_dies(service):
    ids = failed_items(service, 3)
    with service.res.database.begin() as conn:
        conn.execute(sa.update(connectors).values(status="ONLINE", back_at=service.res.now()))
    assert requested(service) == []

    sweep.sweep(service.res)

    assert requested(service) == ids


def test_the_product_hears_once_that_a_connector_changed(service):
    failed_items(service, 2)

    for _ in range(3):
        service.deliver(an_event("connector/status_updated", connectorId=9, data={"status": "ONLINE"}))
        service.work()

    assert [row.type for row in service.rows(outbox)] == ["connector.status_changed"]
