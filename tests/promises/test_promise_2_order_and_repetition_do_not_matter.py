"""Promise 2: any permutation and duplication of deliveries ends in the same state."""

import pytest

from pluggy_sync.store.tables import balances, changes, metadata
from tests.kit.interception import when_answered
from tests.kit.mirror import assert_feed_rebuilds_it, assert_mirrors
from tests.kit.workers import run_queued


@pytest.fixture
def a_change(service, upstream):
    """An Item that is in sync, and the events of a run that changed it in every way."""
    item_id = upstream.connect(products=["ACCOUNTS", "CREDIT_CARDS", "TRANSACTIONS"])
    service.catch_up()
    upstream.later(days=2)
    upstream.evolve(item_id, {"kind": "add", "count": 3}, "pending", "post_new_id", "edit", "remove", "backdate")
    upstream.run(item_id)
    return item_id, upstream.take_events()


def five_of(events):
    """Return five events of different kinds: created, updated and deleted rows, and how the run went."""
    names = ["transactions/created", "transactions/updated", "transactions/deleted", "item/updated"]
    firsts = [next(event for event in events if event["event"] == name) for name in names]
    other = next(event for event in events if event not in firsts and event["event"].startswith("transactions/"))
    return [*firsts, other]


@pytest.mark.parametrize("first", range(5))
def test_every_permutation_of_five_events_ends_in_the_same_rows(service, a_change, upstream, resources, first):
    item_id, events = a_change
    truth = upstream.truth(item_id)
    five = five_of(events)
    ends = []

    def handle(event, others):
        """Handle *event*, and then the *others* in every order, each from where the events before have led."""
        assert event["eventId"] not in {row.event_id for row in service.events()}
        service.deliver(event)
        service.work()
        if not others:
            service.work_until_quiet()
            assert_mirrors(resources.database, item_id, truth)
            ends.append(event["eventId"])
            return
        go_back = saved(resources.database) if len(others) > 1 else None
        for index, following in enumerate(others):
            if index > 0:
                go_back()
            handle(following, others[:index] + others[index + 1 :])

    handle(five[first], five[:first] + five[first + 1 :])

    assert len(ends) == 24


def saved(database):
    """Return what puts all tables back as they are now."""
    names = [table.name for table in metadata.sorted_tables]
    kept = {}
    with database.begin() as conn, conn.connection.driver_connection.cursor() as cursor:
        for table in names:
            with cursor.copy(f"COPY {table} TO STDOUT (FORMAT BINARY)") as rows:
                kept[table] = b"".join(rows)
    # What Postgres writes for a table without rows.
    nothing = min(kept.values(), key=len)

    def go_back():
        with database.begin() as conn, conn.connection.driver_connection.cursor() as cursor:
            cursor.execute("; ".join(f"DELETE FROM {table}" for table in reversed(names)))
            for table, rows in kept.items():
                if rows != nothing:
                    with cursor.copy(f"COPY {table} FROM STDIN (FORMAT BINARY)") as copy:
                        copy.write(rows)

    return go_back


def test_all_events_at_once_in_any_order_end_in_the_same_rows(service, a_change, upstream, resources):
    item_id, events = a_change

    service.deliver(*reversed(events))
    service.work_until_quiet()

    service.assert_mirrors(item_id)


def test_the_events_of_two_runs_mixed_and_reversed_end_in_the_truth(service, a_change, upstream):
    item_id, first = a_change
    upstream.later(days=1)
    upstream.evolve(item_id, {"kind": "add", "count": 2}, "remove")
    upstream.run(item_id)
    second = upstream.take_events()

    for event in [*reversed(second), *reversed(first)]:
        service.deliver(event)
        service.work()
    service.work_until_quiet()

    service.assert_mirrors(item_id)


def test_repeats_have_one_effect(service, a_change, upstream):
    _, events = a_change
    service.deliver(*events)
    service.work_until_quiet()
    after_once = {table: service.rows(table) for table in metadata.sorted_tables}
    upstream.take_requests()

    for _ in range(3):
        service.deliver(*events)
        service.work_until_quiet()

    assert {table: service.rows(table) for table in metadata.sorted_tables} == after_once
    assert upstream.take_requests() == []


def test_a_repeat_that_arrives_while_the_first_is_handled_has_one_effect(service, upstream):
    item_id = upstream.connect(products=None)
    events = upstream.take_events()

    service.deliver(*events, *events, *events)
    service.work_until_quiet()

    service.assert_mirrors(item_id)
    assert [run.outcome for run in service.runs()] == ["done"]
    assert service.notifications() == ["item.synced"]


def test_a_late_event_of_an_old_state_does_not_bring_the_old_state_back(service, upstream):
    item_id = upstream.connect()
    created = [event for event in upstream.take_events() if event["event"] == "item/created"]
    upstream.update(item_id, {"user": "user-locked", "password": "password-ok"})
    error = upstream.take_events()

    service.deliver(*error)
    service.work_until_quiet()
    service.deliver(*created)
    service.work_until_quiet()

    assert service.item(item_id).execution_status == "ACCOUNT_LOCKED"
    assert [action.state for action in service.actions()] == ["open"]


def test_a_view_that_was_fetched_earlier_does_not_replace_one_that_was_saved_meanwhile(service, upstream, resources):
    item_id = upstream.connect()
    service.deliver(*upstream.take_events())

    def it_is_locked_and_another_worker_sees_it():
        upstream.update(item_id, {"user": "user-locked", "password": "password-ok"})
        service.deliver(*upstream.take_events())
        run_queued(resources)
        assert service.actions()

    with when_answered(resources, f"/items/{item_id}", it_is_locked_and_another_worker_sees_it) as done:
        service.work_until_quiet()

    assert done
    assert service.item(item_id).execution_status == "ACCOUNT_LOCKED"
    assert [action.state for action in service.actions()] == ["open"]


def test_transactions_that_come_before_their_account_is_known_are_stored(service, upstream):
    item_id = upstream.connect()
    events = [event for event in upstream.take_events() if event["event"] == "transactions/created"]

    service.deliver(*events)
    service.work_until_quiet()

    service.assert_mirrors(item_id)


def test_the_history_of_changes_has_one_entry_per_change_whatever_was_repeated(service, a_change):
    item_id, events = a_change

    service.deliver(*events, *reversed(events))
    service.work_until_quiet()

    assert service.rows(balances)
    assert_feed_rebuilds_it(service.res.database, item_id)
    once = [(row.kind, row.transaction_id) for row in service.rows(changes) if row.kind != "modified"]
    assert len(once) == len(set(once))
