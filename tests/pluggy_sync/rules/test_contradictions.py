"""Whether what Pluggy shows contradicts what its events told."""

from datetime import timedelta

import pytest

from pluggy_sync.rules.backoff import STEPS_S
from pluggy_sync.rules.contradictions import REFETCHES, Contradiction, Settled, Told, contradiction_of
from tests.kit.factories import NOON, an_item

EARLIER = NOON - timedelta(days=1)
NOTHING_BEFORE = Settled(updated_at=None, last_updated_at=None)
SEEN_BEFORE = Settled(updated_at=EARLIER, last_updated_at=EARLIER)
SEEN_NOW = Settled(updated_at=NOON, last_updated_at=NOON)

GOOD = {"status": "UPDATED"}
RUNNING = {"status": "UPDATING"}
FAILED = {"status": "LOGIN_ERROR", "executionStatus": "INVALID_CREDENTIALS"}
ASKS = {"status": "WAITING_USER_INPUT", "executionStatus": "WAITING_USER_INPUT"}
NEVER_UPDATED = {"lastUpdatedAt": None}


def told(*names, newest_at=NOON):
    return {name: Told(count=names.count(name), newest_at=newest_at) for name in names}


def found(names, changes, settled):
    return contradiction_of(told(*names), an_item(**changes), settled)


@pytest.mark.parametrize(
    "name, changes, settled",
    [
        ("item/created", GOOD, NOTHING_BEFORE),
        ("item/updated", GOOD, SEEN_BEFORE),
        # The next execution has begun, or failed: the update that was told of shows all the same.
        ("item/updated", RUNNING, SEEN_BEFORE),
        ("item/updated", FAILED, SEEN_BEFORE),
        ("item/error", FAILED, SEEN_BEFORE),
        ("item/error", FAILED, SEEN_NOW),
        ("item/error", ASKS, SEEN_NOW),
        # An execution that ended well followed the one that failed.
        ("item/error", GOOD, SEEN_BEFORE),
        ("item/waiting_user_input", ASKS, SEEN_NOW),
        ("item/waiting_user_input", GOOD, SEEN_BEFORE),
        ("item/waiting_user_action", FAILED, SEEN_BEFORE),
        ("item/login_succeeded", RUNNING, SEEN_NOW),
        ("transactions/created", GOOD, SEEN_NOW),
        ("transactions/created", RUNNING, SEEN_NOW),
        ("local/fetch_requested", GOOD, SEEN_NOW),
        ("something/new", NEVER_UPDATED, SEEN_NOW),
    ],
)
def test_a_view_that_shows_what_was_told_agrees(name, changes, settled):
    assert found([name], changes, settled) is None


@pytest.mark.parametrize(
    "name, changes, settled",
    [
        ("item/updated", GOOD, SEEN_NOW),
        ("item/updated", NEVER_UPDATED, SEEN_BEFORE),
        ("item/created", NEVER_UPDATED, NOTHING_BEFORE),
        ("item/created", {**RUNNING, **NEVER_UPDATED}, NOTHING_BEFORE),
        ("item/updated", RUNNING, SEEN_NOW),
        ("item/updated", FAILED, SEEN_NOW),
        ("item/error", RUNNING, SEEN_BEFORE),
        ("item/error", GOOD, SEEN_NOW),
        ("item/waiting_user_input", RUNNING, SEEN_BEFORE),
        ("item/waiting_user_input", GOOD, SEEN_NOW),
        ("item/waiting_user_action", FAILED, SEEN_NOW),
    ],
)
def test_a_view_that_does_not_show_what_was_told_is_behind(name, changes, settled):
    assert found([name], changes, settled) is Contradiction.BEHIND


def test_one_event_that_is_not_shown_is_enough():
    assert found(["item/updated", "item/waiting_user_input"], GOOD, SEEN_NOW) is Contradiction.BEHIND
    assert found(["transactions/created", "item/updated"], GOOD, SEEN_NOW) is Contradiction.BEHIND


@pytest.mark.parametrize("name", ["item/updated", "item/deleted", "transactions/created", "something/new"])
def test_a_404_contradicts_every_event(name):
    assert contradiction_of(told(name), None, SEEN_BEFORE) is Contradiction.NOT_FOUND


@pytest.mark.parametrize("changes", [GOOD, RUNNING, FAILED])
def test_an_item_that_is_shown_contradicts_its_deletion(changes):
    assert found(["item/deleted", "item/updated"], changes, SEEN_BEFORE) is Contradiction.STILL_THERE


def test_of_two_updates_that_are_told_the_view_may_show_only_the_first():
    late = NOON + timedelta(minutes=1)

    def of(*names, newest_at):
        return contradiction_of(told(*names, newest_at=newest_at), an_item(), SEEN_BEFORE)

    assert of("item/updated", "item/updated", newest_at=late) is Contradiction.PERHAPS_BEHIND
    assert of("item/created", "item/updated", newest_at=late) is Contradiction.PERHAPS_BEHIND
    assert of("item/updated", "item/updated", newest_at=NOON + timedelta(seconds=5)) is None
    assert of("item/updated", "item/updated", newest_at=NOON + timedelta(seconds=30)) is None
    assert of("item/updated", newest_at=late) is None


def test_of_updates_with_two_names_the_newest_decides_whether_the_view_may_show_only_the_first():
    late = {**told("item/created", newest_at=NOON), **told("item/updated", newest_at=NOON + timedelta(minutes=1))}

    assert contradiction_of(late, an_item(), SEEN_BEFORE) is Contradiction.PERHAPS_BEHIND


def test_a_contradiction_is_believed_the_later_the_more_would_be_lost():
    assert REFETCHES.keys() == set(Contradiction)
    assert timedelta(hours=2.5) < until_believed(Contradiction.NOT_FOUND) < timedelta(hours=3.5)
    assert timedelta(hours=2.5) < until_believed(Contradiction.STILL_THERE) < timedelta(hours=3.5)
    assert timedelta(minutes=6) < until_believed(Contradiction.BEHIND) < timedelta(minutes=7)
    # One more fetch settles it.
    assert REFETCHES[Contradiction.PERHAPS_BEHIND] == 1


def until_believed(contradiction):
    """Return how long the Item is fetched again, by the middle of each wait."""
    steps = [STEPS_S[min(failures, len(STEPS_S) - 1)] for failures in range(REFETCHES[contradiction])]
    return timedelta(seconds=sum(steps))
