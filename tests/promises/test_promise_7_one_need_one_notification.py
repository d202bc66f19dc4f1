"""Promise 7: the product hears once that a person must act, and once that it is settled."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from pluggy_sync.engine import events, sweep
from pluggy_sync.store.tables import outbox
from tests.kit.factories import an_event
from tests.kit.workers import run_queued, take_messages


def needs_credentials(service, upstream):
    item_id = upstream.connect("user-bad")
    service.catch_up()
    return item_id


def waits_for_a_code(service, upstream):
    item_id = upstream.connect(connector=5)
    service.catch_up()
    return item_id


def test_the_same_need_reported_five_times_notifies_once(service, upstream):
    item_id = needs_credentials(service, upstream)

    for _ in range(5):
        service.deliver(an_event("item/error", itemId=item_id, error={"code": "INVALID_CREDENTIALS", "message": "m"}))
        service.work_until_quiet()

    assert [(action.kind, action.state) for action in service.actions()] == [("credentials", "open")]
    assert service.notifications() == ["item.action_required"]


def test_the_same_question_reported_five_times_notifies_once(service, upstream):
    item_id = waits_for_a_code(service, upstream)

    for _ in range(5):
        service.deliver(an_event("item/waiting_user_input", itemId=item_id))
        service.work_until_quiet()

    assert [(action.kind, action.state) for action in service.actions()] == [("mfa", "open")]
    assert service.notifications() == ["item.action_required"]


def test_the_same_need_handled_by_five_workers_at_once_notifies_once(service, upstream, resources):
    item_id = upstream.connect("user-bad")
    upstream.take_events()
    payloads = [an_event("item/error", itemId=item_id) for _ in range(5)]
    service.deliver(*payloads)
    take_messages(resources)
    start = threading.Barrier(5)

    def handle(event_id):
        start.wait()
        events.handle_event(resources, event_id)

    with ThreadPoolExecutor(5) as threads:
        list(threads.map(handle, [payload["eventId"] for payload in payloads]))
    service.work_until_quiet()

    assert len(service.actions()) == 1
    assert service.notifications() == ["item.action_required"]


def test_a_need_that_was_met_is_told_once_however_many_events_said_so(service, upstream):
    item_id = needs_credentials(service, upstream)
    upstream.update(item_id, {"user": "user-ok", "password": "password-ok"})
    service.catch_up()

    for _ in range(5):
        service.deliver(an_event("item/updated", itemId=item_id))
        service.work_until_quiet()

    assert [action.state for action in service.actions()] == ["resolved"]
    assert sorted(service.notifications()) == ["item.action_required", "item.action_resolved", "item.synced"]


def test_a_question_that_was_answered_is_resolved_by_the_run_that_follows(service, upstream):
    item_id = waits_for_a_code(service, upstream)

    upstream.answer_mfa(item_id, token="123456")
    service.catch_up()

    (action,) = service.actions()
    assert (action.kind, action.state) == ("mfa", "resolved")
    assert service.notifications() == ["item.action_required", "item.action_resolved", "item.synced"]
    service.assert_mirrors(item_id)


def test_a_new_question_replaces_the_old_one_and_is_a_need_of_its_own(service, upstream):
    item_id = upstream.connect("user-ok-phone", connector=5)
    service.catch_up()
    name = upstream.truth(item_id)["item"]["parameter"]["name"]
    option = (upstream.truth(item_id)["item"]["parameter"].get("options") or [{"value": "123456"}])[0]["value"]

    upstream.answer_mfa(item_id, **{name: option})
    service.catch_up()

    assert [action.state for action in service.actions()] == ["superseded", "open"]
    assert service.notifications() == ["item.action_required", "item.action_required"]


def test_a_question_that_nobody_answered_expires_once_and_then_asks_for_a_new_update(service, upstream, clock):
    waits_for_a_code(service, upstream)

    upstream.later(seconds=130)
    clock.advance(seconds=130)
    sweep.sweep(service.res)
    sweep.sweep(service.res)
    service.catch_up()

    assert service.notifications().count("item.action_expired") == 1
    states = [(action.reason, action.state) for action in service.actions()]
    assert states == [("WAITING_USER_INPUT", "expired"), ("USER_INPUT_TIMEOUT", "open")]


def test_a_person_is_asked_anew_though_the_event_of_the_deadline_is_lost(service, upstream, clock):
    waits_for_a_code(service, upstream)
    upstream.later(seconds=130)
    clock.advance(seconds=130)
    assert "item/error" in [event["event"] for event in upstream.take_events()]

    sweep.sweep(service.res)
    clock.advance(minutes=1)
    sweep.sweep(service.res)
    service.work_until_quiet()

    assert [(each.reason, each.state) for each in service.actions()][-1] == ("USER_INPUT_TIMEOUT", "open")


@pytest.mark.parametrize("user", ["user-unavailable", "user-error", "user-connection-error", "user-logged"])
def test_nobody_is_asked_when_pluggy_or_the_bank_has_trouble(service, upstream, user):
    upstream.connect(user)

    service.catch_up()

    assert service.actions() == []
    assert "item.action_required" not in service.notifications()


def test_nobody_is_asked_while_the_bank_is_down_and_somebody_is_once_it_is_back(service, upstream):
    upstream.connector_health(2, "OFFLINE")
    upstream.take_events()
    upstream.connector_health(2, "ONLINE")
    item_id = upstream.connect("user-locked")
    upstream.connector_health(2, "OFFLINE")
    events = upstream.take_events()
    service.deliver(*events)
    service.work_until_quiet()
    assert service.actions() == []

    upstream.connector_health(2, "ONLINE")
    service.catch_up()

    assert [(action.item_id, action.kind) for action in service.actions()] == [(item_id, "bank")]


def test_the_numbers_of_an_items_notifications_have_no_gap(service, upstream):
    item_id = needs_credentials(service, upstream)
    upstream.update(item_id, {"user": "user-ok", "password": "password-ok"})
    service.catch_up()
    upstream.later(days=1)
    upstream.run(item_id)
    service.catch_up()

    numbers = sorted(row.sequence for row in service.rows(outbox, outbox.c.item_id == item_id))
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) == 4


def test_a_crash_after_the_decision_neither_loses_nor_repeats_the_notification(
    service, upstream, resources, monkeypatch
):
    upstream.connect("user-bad")
    service.deliver(*upstream.take_events())

    class CrashError(BaseException):
        pass

    def crash(*_args, **_more):
        raise CrashError

    with monkeypatch.context() as crashing:
        # The decision is committed, the event is not marked yet.
        crashing.setattr(events, "_finish", crash)
        with pytest.raises(CrashError):
            run_queued(resources)
    service.work_until_quiet()

    assert service.notifications() == ["item.action_required"]
