"""User actions in Postgres: an answer passes once, and what an action asked is dropped with its end."""

import dataclasses
import itertools
from datetime import timedelta

import pytest
import sqlalchemy as sa

from pluggy_sync.rules.needs import Kind, Need
from pluggy_sync.store import connectors, items, user_actions
from pluggy_sync.store.tables import items as items_table
from pluggy_sync.store.tables import submissions
from tests.kit.factories import NOON

ITEM = "an-item"
BANK = 2
SOON = NOON + timedelta(minutes=1)
LATER = NOON + timedelta(hours=1)
numbers = itertools.count()
NEED = Need(
    kind=Kind.MFA,
    reason="WAITING_USER_INPUT",
    dedup_key="mfa",
    parameter={"name": "token"},
    user_action={"type": "qr"},
    provider_message="Digite o código",
    expires_at=LATER,
)


@pytest.fixture
def conn(database):
    with database.begin() as conn:
        keep_item(conn, ITEM)
        yield conn


def keep_item(conn, item_id, *, status="WAITING_USER_INPUT"):
    items.lock(conn, item_id, now=NOON)
    values = {"status": status, "connector_id": BANK, "client_user_id": f"user of {item_id}"}
    conn.execute(sa.update(items_table).where(items_table.c.id == item_id).values(values))


def open_new(conn, item_id=ITEM, *, now=NOON, remind_at=None, **changes):
    """Open an action for a need of its own."""
    need = dataclasses.replace(NEED, **{"dedup_key": f"need {next(numbers)}", **changes})
    return user_actions.open_new(conn, item_id, need, remind_at=remind_at, now=now)


def state(conn, action):
    return user_actions.get(conn, action.id).state


def test_a_new_action_says_what_is_needed_and_of_whom(conn):
    action = open_new(conn)

    assert user_actions.get(conn, action.id) == action
    assert (action.item_id, action.client_user_id, action.state) == (ITEM, "user of an-item", "open")
    assert (action.kind, action.parameter, action.expires_at) == ("mfa", {"name": "token"}, LATER)
    assert user_actions.get(conn, "nothing") is None


def test_of_two_answers_one_passes(conn):
    action = open_new(conn)

    assert user_actions.submit(conn, action.id, now=SOON).attempts == 1
    assert user_actions.submit(conn, action.id, now=SOON) is None


def test_an_answer_that_was_taken_back_may_be_given_again(conn):
    action = open_new(conn)
    user_actions.submit(conn, action.id, now=NOON)
    user_actions.mark_accepted(conn, action.id, NOON)
    user_actions.reopen(conn, action.id, retry_at=SOON)

    opened = user_actions.get(conn, action.id)

    assert (opened.state, opened.submitted_at, opened.accepted_at, opened.retry_at) == ("open", None, None, SOON)
    user_actions.submit(conn, action.id, now=SOON)
    user_actions.reopen(conn, action.id, retry_at=None)
    assert (user_actions.get(conn, action.id).attempts, user_actions.get(conn, action.id).retry_at) == (2, SOON)


def test_only_what_was_submitted_is_accepted_or_reopened(conn):
    action = open_new(conn)
    user_actions.mark_accepted(conn, action.id, NOON)
    user_actions.settle(conn, action.id, "expired", "EXPIRED", now=NOON)
    user_actions.reopen(conn, action.id, retry_at=None)

    settled = user_actions.get(conn, action.id)

    assert (settled.state, settled.accepted_at) == ("expired", None)


def test_one_need_has_one_unsettled_action(conn):
    action = open_new(conn, dedup_key="mfa")
    with pytest.raises(sa.exc.IntegrityError), conn.begin_nested():
        open_new(conn, dedup_key="mfa")

    user_actions.settle(conn, action.id, "expired", "EXPIRED", now=NOON)

    assert open_new(conn, dedup_key="mfa").id != action.id


def test_what_an_action_asked_is_dropped_with_its_end(conn):
    action = open_new(conn)
    user_actions.settle(conn, action.id, "resolved", "SUCCESS", now=SOON)

    settled = user_actions.get(conn, action.id)

    assert (settled.state, settled.outcome, settled.settled_at) == ("resolved", "SUCCESS", SOON)
    assert (settled.parameter, settled.user_action) == (None, None)


def test_an_action_ends_once(conn):
    action = open_new(conn)
    user_actions.settle(conn, action.id, "resolved", "SUCCESS", now=NOON)
    user_actions.settle(conn, action.id, "expired", "EXPIRED", now=SOON)

    assert (state(conn, action), user_actions.submit(conn, action.id, now=SOON)) == ("resolved", None)


def test_unsettled_actions_are_those_open_and_submitted_oldest_first(conn):
    keep_item(conn, "another")
    second, first = open_new(conn, now=SOON), open_new(conn, now=NOON)
    other, settled = open_new(conn, "another"), open_new(conn)
    user_actions.submit(conn, first.id, now=SOON)
    user_actions.settle(conn, settled.id, "expired", "EXPIRED", now=SOON)

    assert [each.id for each in user_actions.unsettled(conn, ITEM)] == [first.id, second.id]
    assert user_actions.unsettled(conn, "nobody") == []
    assert {
        item_id: [each.id for each in found]
        for item_id, found in user_actions.unsettled_of(conn, [ITEM, "another", "nobody"]).items()
    } == {ITEM: [first.id, second.id], "another": [other.id]}


def test_actions_are_listed_newest_first_and_by_what_is_asked_for(conn):
    keep_item(conn, "another")
    first, second = open_new(conn, now=NOON), open_new(conn, now=SOON)
    other = open_new(conn, "another", now=LATER)
    user_actions.settle(conn, first.id, "expired", "EXPIRED", now=LATER)

    def listed(position=None, limit=10, **wanted):
        filters = {"state": None, "client_user_id": None, "item_id": None, **wanted}
        return [each.id for each in user_actions.before(conn, position, limit=limit, **filters)]

    assert listed() == [other.id, second.id, first.id]
    assert listed(limit=1) == [other.id]
    assert listed((SOON, second.id)) == [first.id]
    assert listed(state="open") == [other.id, second.id]
    assert listed(item_id="another") == listed(client_user_id="user of another") == [other.id]


def test_a_picture_that_rotates_is_kept_anew_and_a_time_that_pluggy_told_stands(conn):
    action = open_new(conn)
    user_actions.refresh(conn, action.id, dataclasses.replace(NEED, parameter={"data": "new"}), retry_at=SOON)
    user_actions.refresh(conn, action.id, dataclasses.replace(NEED, provider_message="Outro"), retry_at=None)

    shown = user_actions.get(conn, action.id)

    assert (shown.parameter, shown.provider_message, shown.retry_at) == ({"name": "token"}, "Outro", SOON)


def test_only_the_actions_of_a_need_that_were_given_up_count_as_cancelled(conn):
    resolved = open_new(conn, dedup_key="mfa")
    user_actions.settle(conn, resolved.id, "resolved", "SUCCESS", seen_at=LATER, now=NOON)
    assert user_actions.cancelled_at(conn, ITEM, "mfa") is None

    given_up = open_new(conn, dedup_key="mfa")
    user_actions.settle(conn, given_up.id, "superseded", user_actions.CANCELLED, seen_at=SOON, now=NOON)

    assert user_actions.cancelled_at(conn, ITEM, "mfa") == SOON
    assert user_actions.cancelled_at(conn, ITEM, "another need") is None


def test_a_deadline_passes_for_what_is_unsettled(conn):
    first, second, settled = open_new(conn, expires_at=NOON), open_new(conn, expires_at=SOON), open_new(conn)
    open_new(conn, expires_at=None)
    user_actions.submit(conn, second.id, now=NOON)
    user_actions.settle(conn, settled.id, "resolved", "SUCCESS", now=NOON)

    def late(now):
        return user_actions.past_deadline(conn, now=now, limit=10)

    assert late(NOON) == [(ITEM, first.id)]
    assert late(LATER) == [(ITEM, first.id), (ITEM, second.id)]


def test_a_submission_is_stuck_if_its_item_does_not_run(conn):
    keep_item(conn, "running", status="UPDATING")
    stuck, running, _open = open_new(conn), open_new(conn, "running"), open_new(conn)
    for action in (stuck, running):
        user_actions.submit(conn, action.id, now=NOON)

    assert user_actions.stuck(conn, before=NOON, limit=10) == []
    assert user_actions.stuck(conn, before=SOON, limit=10) == [(ITEM, stuck.id)]


def test_an_action_is_succeeded_by_the_newest_unsettled_one_since(conn):
    before, action = open_new(conn, now=NOON), open_new(conn, now=SOON)
    assert user_actions.successor(conn, action) is None
    newer, newest, settled = open_new(conn, now=SOON), open_new(conn, now=LATER), open_new(conn, now=LATER)
    user_actions.settle(conn, settled.id, "expired", "EXPIRED", now=LATER)

    assert user_actions.successor(conn, action).id == newest.id
    user_actions.settle(conn, newest.id, "expired", "EXPIRED", now=LATER)
    assert user_actions.successor(conn, action).id == newer.id
    assert user_actions.get(conn, before.id).state == "open"


def test_reminders_are_due_for_open_actions_unless_the_bank_is_offline(conn):
    due, submitted = open_new(conn, remind_at=NOON), open_new(conn, remind_at=NOON)
    open_new(conn, remind_at=SOON)
    open_new(conn, remind_at=None)
    user_actions.submit(conn, submitted.id, now=NOON)

    assert user_actions.to_remind(conn, now=NOON, limit=10) == [(ITEM, due.id)]
    connectors.set_status(conn, BANK, "OFFLINE", now=NOON)
    assert user_actions.to_remind(conn, now=NOON, limit=10) == []


def test_a_reminder_that_was_written_is_counted_and_the_next_one_is_due_later(conn):
    action = open_new(conn, remind_at=NOON)

    user_actions.mark_reminded(conn, action.id, next_at=LATER, now=SOON)

    reminded = user_actions.get(conn, action.id)
    assert (reminded.reminders, reminded.told_at, reminded.remind_at) == (1, SOON, LATER)
    assert user_actions.to_remind(conn, now=SOON, limit=10) == []


def test_once_the_bank_is_back_all_are_reminded_but_those_who_just_were(conn):
    never, lately, long_ago, settled = (open_new(conn) for _ in range(4))
    user_actions.mark_reminded(conn, lately.id, next_at=None, now=LATER)
    user_actions.mark_reminded(conn, long_ago.id, next_at=None, now=NOON)
    user_actions.settle(conn, settled.id, "expired", "EXPIRED", now=NOON)

    assert user_actions.remind_of_connector(conn, BANK, told_before=SOON, now=LATER, limit=10) == 2
    assert user_actions.remind_of_connector(conn, BANK, told_before=SOON, now=LATER, limit=10) == 0
    assert {id_ for _, id_ in user_actions.to_remind(conn, now=LATER, limit=10)} == {never.id, long_ago.id}
    assert user_actions.remind_of_connector(conn, 999, told_before=SOON, now=LATER, limit=10) == 0


def test_each_attempt_to_settle_an_action_is_kept_with_how_it_went(conn):
    action = open_new(conn)
    attempt = user_actions.begin_submission(conn, action.id, "mfa", now=NOON)
    user_actions.begin_submission(conn, action.id, "connect", now=SOON)

    user_actions.end_submission(conn, attempt, "accepted")

    kept = conn.execute(sa.select(submissions).order_by(submissions.c.id)).all()
    assert [(row.what, row.outcome) for row in kept] == [("mfa", "accepted"), ("connect", None)]
