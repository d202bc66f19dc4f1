"""Fetching an Item: what Pluggy shows right after an event is not final, and one request has it fetched again."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from pluggy_sync import events as event_names
from pluggy_sync import wire
from pluggy_sync.engine import items as item_fetching
from pluggy_sync.engine import sweep
from pluggy_sync.rules.contradictions import REFETCHES, Contradiction
from pluggy_sync.store.tables import inbox, item_progress
from tests.kit.factories import API_TOKEN, an_event
from tests.kit.scripted_server import Reply
from tests.kit.workers import next_due_at, run_queued

AUTHORIZED = {"Authorization": f"Bearer {API_TOKEN}"}


@pytest.fixture
def settings(behind_proxy):
    return behind_proxy


@pytest.fixture
def item_id(service, upstream):
    """An Item that is in sync."""
    connected = upstream.connect(products=["ACCOUNTS", "CREDIT_CARDS", "TRANSACTIONS"])
    service.catch_up()
    return connected


def an_execution(upstream, item_id, **later):
    upstream.later(**(later or {"days": 1}))
    upstream.evolve(item_id, {"kind": "add", "count": 3})
    upstream.run(item_id)
    return upstream.take_events()


def only(events, name):
    return [event for event in events if event["event"] == name]


def fetches(proxy, item_id):
    """Return how often the Item itself was asked for."""
    return len([asked for asked in proxy.asked if (asked.method, asked.path) == ("GET", f"/items/{item_id}")])


def show(proxy, item_id, edit, *, times):
    """Let the next *times* answers for the Item be changed by *edit*; count those that were."""
    changed = []

    def change(asked, value):
        if asked.method == "GET" and asked.path == f"/items/{item_id}" and len(changed) < times:
            changed.append(1)
            return edit(value)
        return None

    proxy.change = change
    return changed


def state_of(service, item_id):
    return service.web.get(f"/v1/items/{item_id}", headers=AUTHORIZED).get_json()["freshness"]["state"]


def open_requests(service):
    waiting = (inbox.c.state == "stored", inbox.c.name == event_names.FETCH_REQUESTED)
    return len(service.rows(inbox, *waiting))


def as_before(service, item_id):
    before = service.item(item_id).raw
    return {name: before[name] for name in ("status", "executionStatus", "updatedAt", "lastUpdatedAt")}


@pytest.mark.parametrize(
    "late",
    [
        lambda before: {"lastUpdatedAt": before["lastUpdatedAt"]},
        lambda _: {"lastUpdatedAt": None},
        lambda before: {"status": "UPDATING", "executionStatus": "MERGING", "lastUpdatedAt": before["lastUpdatedAt"]},
        lambda before: before,
        lambda before: {**before, "updatedAt": "2020-01-01T00:00:00.000Z"},
    ],
    ids=["an old update", "no update", "still running", "as it was before", "older than before"],
)
@pytest.mark.parametrize("times", [1, 3])
def test_an_item_that_does_not_show_its_update_yet_is_fetched_again(service, upstream, proxy, item_id, late, times):
    before = as_before(service, item_id)
    told = only(an_execution(upstream, item_id), "item/updated")
    shown = show(proxy, item_id, lambda item: {**item, **late(before)}, times=times)

    service.deliver(*told)
    service.work()
    # Neither the API nor a notification says that all is well.
    assert state_of(service, item_id) == "syncing"
    assert service.notifications() == ["item.synced"]
    service.work_until_quiet()

    assert len(shown) == times
    service.assert_mirrors(item_id)
    assert state_of(service, item_id) == "fresh"
    assert service.notifications() == ["item.synced", "item.synced"]


def test_a_view_that_stays_behind_is_believed_after_a_few_fetches(service, upstream, proxy, item_id):
    before = as_before(service, item_id)
    told = only(an_execution(upstream, item_id), "item/updated")
    show(proxy, item_id, lambda item: {**item, "lastUpdatedAt": before["lastUpdatedAt"]}, times=1000)
    asked_before = fetches(proxy, item_id)

    service.deliver(*told)
    service.work_until_quiet()

    assert fetches(proxy, item_id) - asked_before == 1 + REFETCHES[Contradiction.BEHIND]
    assert next_due_at(service.res) is None
    assert state_of(service, item_id) == "fresh"


def test_a_burst_of_a_hundred_events_that_are_not_shown_is_one_request_and_few_fetches(
    service, upstream, proxy, item_id
):
    before = as_before(service, item_id)
    an_execution(upstream, item_id)
    asked_before, runs_before = fetches(proxy, item_id), len(service.runs())
    show(proxy, item_id, lambda item: {**item, "lastUpdatedAt": before["lastUpdatedAt"]}, times=3)

    for _ in range(10):
        service.deliver(*[an_event(itemId=item_id) for _ in range(10)])
        service.work()
        assert open_requests(service) <= 1
    service.work_until_quiet()

    # One for each time that events came, and the few in between.
    assert fetches(proxy, item_id) - asked_before <= 10 + REFETCHES[Contradiction.BEHIND]
    assert len(service.runs()) - runs_before == 1
    service.assert_mirrors(item_id)


def test_many_events_do_not_make_a_view_that_is_behind_believed_sooner(service, upstream, proxy, item_id):
    before = as_before(service, item_id)
    an_execution(upstream, item_id)
    show(proxy, item_id, lambda item: {**item, "lastUpdatedAt": before["lastUpdatedAt"]}, times=1000)

    for _ in range(10):
        service.deliver(an_event(itemId=item_id))
        service.work()

    assert state_of(service, item_id) == "syncing"


def test_the_second_of_two_executions_in_quick_succession_is_not_lost(service, upstream, proxy, clock, item_id):
    told = only(an_execution(upstream, item_id), "item/updated")
    first = upstream.item(item_id)
    told += only(an_execution(upstream, item_id, seconds=90), "item/updated")
    clock.advance_to(wire.instant(first["lastUpdatedAt"]) + timedelta(seconds=95))
    show(proxy, item_id, lambda item: {**item, **{k: first[k] for k in ("updatedAt", "lastUpdatedAt")}}, times=1)

    service.deliver(*told)
    service.work_until_quiet()

    service.assert_mirrors(item_id)
    assert service.item(item_id).raw["lastUpdatedAt"] != first["lastUpdatedAt"]


def test_the_second_execution_is_not_lost_if_the_first_is_settled_already(service, upstream, proxy, item_id):
    service.deliver(*only(an_execution(upstream, item_id), "item/updated"))
    service.work_until_quiet()
    before = as_before(service, item_id)
    told = only(an_execution(upstream, item_id, seconds=90), "item/updated")
    show(proxy, item_id, lambda item: {**item, **before}, times=1)

    service.deliver(*told)
    service.work_until_quiet()

    service.assert_mirrors(item_id)


def test_an_event_that_comes_late_costs_a_few_fetches_and_changes_nothing(service, upstream, proxy, item_id):
    first = only(an_execution(upstream, item_id), "item/updated")
    second = only(an_execution(upstream, item_id), "item/updated")
    service.deliver(*second)
    service.work_until_quiet()
    asked_before, runs_before = fetches(proxy, item_id), len(service.runs())

    service.deliver(*first, *second)
    service.work_until_quiet()

    assert fetches(proxy, item_id) - asked_before <= 1 + REFETCHES[Contradiction.BEHIND]
    assert len(service.runs()) == runs_before
    assert state_of(service, item_id) == "fresh"


def test_an_update_that_was_seen_before_its_event_came_is_settled_by_it(service, upstream, proxy, item_id):
    told = only(an_execution(upstream, item_id), "item/updated")
    item_fetching.fetch(service.res, item_id)
    service.work_until_quiet()
    asked_before = fetches(proxy, item_id)

    service.deliver(*told)
    service.work_until_quiet()

    assert fetches(proxy, item_id) - asked_before == 1


@pytest.mark.parametrize(
    "user, connector, name", [("user-bad", 2, "item/error"), ("user-ok", 5, "item/waiting_user_input")]
)
def test_a_person_is_asked_though_the_item_does_not_show_the_need_at_once(
    service, upstream, proxy, user, connector, name
):
    item_id = upstream.connect(user, connector=connector)
    told = only(upstream.take_events(), name)
    running = {"status": "UPDATING", "executionStatus": "LOGIN_IN_PROGRESS", "parameter": None, "error": None}
    show(proxy, item_id, lambda item: {**item, **running}, times=1)

    service.deliver(*told)
    service.work()
    assert service.actions() == []
    # The first time soon: a code is waited for two minutes.
    service.res.now.advance(seconds=6)
    sweep.sweep(service.res)
    service.work()

    assert [action.state for action in service.actions()] == ["open"]
    assert service.notifications() == ["item.action_required"]


def test_what_another_fetch_settled_is_not_fetched_again(service, upstream, proxy, item_id):
    before = as_before(service, item_id)
    told = only(an_execution(upstream, item_id), "item/updated")
    show(proxy, item_id, lambda item: {**item, **before}, times=1)
    service.deliver(*told)
    service.work()
    assert open_requests(service) == 1
    item_fetching.fetch(service.res, item_id)
    asked = fetches(proxy, item_id)

    service.work_until_quiet()

    assert fetches(proxy, item_id) == asked
    assert service.events()[-1].outcome == "settled"
    service.assert_mirrors(item_id)


def test_trouble_with_pluggy_does_not_count_as_an_answer(service, upstream, proxy, item_id):
    service.deliver(an_event(itemId=item_id))
    answers = ["503"] * 20 + ["404"] * REFETCHES[Contradiction.NOT_FOUND] + ["shown"]

    def before(asked):
        if asked.path != f"/items/{item_id}":
            return None
        answer = answers.pop(0) if answers else "shown"
        return None if answer == "shown" else Reply({"codeDescription": "ITEM_NOT_FOUND"}, int(answer))

    proxy.before = before
    service.work_until_quiet()

    assert answers == []
    assert service.item(item_id).deleted_at is None


def test_an_older_view_does_not_replace_a_newer_one(service, upstream, proxy, item_id):
    newer = service.item(item_id).updated_at
    show(proxy, item_id, lambda item: {**item, "updatedAt": "2020-01-01T00:00:00.000Z", "status": "OUTDATED"}, times=1)

    item_fetching.fetch(service.res, item_id)

    assert (service.item(item_id).status, service.item(item_id).updated_at) == ("UPDATED", newer)


def test_a_fetch_that_began_earlier_is_discarded(service, upstream, item_id):
    seen = service.res.pluggy.item(item_id)
    with service.res.database.begin() as conn:
        conn.execute(sa.update(item_progress).values(last_event_seq=100, fetched_seq=100))
        saved = service.item(item_id)

    item_fetching.save(service.res, seen, event_seq=99)

    assert service.item(item_id) == saved


def test_a_dead_request_does_not_stand_in_the_way_of_the_next_one(service, upstream, proxy, item_id):
    before = as_before(service, item_id)
    show(proxy, item_id, lambda item: {**item, **before}, times=1)
    service.deliver(*only(an_execution(upstream, item_id), "item/updated"))
    run_queued(service.res)
    with service.res.database.begin() as conn:
        conn.execute(sa.update(inbox).where(inbox.c.state == "stored").values(state="dead"))
    show(proxy, item_id, lambda item: {**item, **before}, times=1)

    service.deliver(*only(an_execution(upstream, item_id), "item/updated"))
    service.work_until_quiet()

    service.assert_mirrors(item_id)
