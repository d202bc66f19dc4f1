"""Why an Item is as it is, in one sentence."""

from datetime import timedelta
from typing import Any

import pytest

from pluggy_sync.rules.explanation import COUNTED, Circumstances, News, may_have_changed, remarks, sentence
from pluggy_sync.rules.freshness import State, freshness_of
from pluggy_sync.rules.timeline import Due, DueKind
from tests.kit.factories import NOON
from tests.pluggy_sync.rules.test_freshness import known

HOUR = timedelta(hours=1)
NOW = NOON + 2 * HOUR


def circumstances(known_as: dict[str, Any], **changes: Any) -> Circumstances:
    """Return an Item of Banco X that is well, two hours after its last update, with *changes*."""
    item = known(**known_as)
    values = {
        "now": NOW,
        "known": item,
        "freshness": freshness_of(item, now=NOW, grace=12 * HOUR),
        "bank": "Banco X",
        "asked_kind": None,
        "run_error": None,
        "unread": [],
        "is_leased": False,
        "due": [],
        "dead_events": 0,
        "dead_letters": 0,
        "news": None,
        **changes,
    }
    return Circumstances(**values)


def due(kind: DueKind, after: timedelta) -> Due:
    return Due(at=NOW + after, kind=kind, about=None)


PLANNED = {"next_auto_sync_at": NOW + 22 * HOUR}
ASKED = {"asked_at": NOON, "asked_reason": "WAITING_USER_INPUT"}


@pytest.mark.parametrize(
    "known_as, changes, told",
    [
        (
            PLANNED,
            {},
            (
                "Fresh: Pluggy collected it 2 hours ago, and all of that is stored; "
                "Pluggy's next update is planned in 22 hours."
            ),
        ),
        (
            {**PLANNED, "execution_status": "PARTIAL_SUCCESS"},
            {},
            (
                "Fresh: Pluggy collected a part of it (PARTIAL_SUCCESS) 2 hours ago, and all of that is stored; "
                "Pluggy's next update is planned in 22 hours."
            ),
        ),
        (
            {},
            {"unread": ["loans"], "due": [due(DueKind.PART, HOUR / 4)]},
            (
                "Fresh: Pluggy collected it 2 hours ago, and it is stored but for loans, to be read again "
                "in 15 minutes; Pluggy plans no next update."
            ),
        ),
        (
            {"last_updated_at": None, "first_seen_at": NOON},
            {},
            "Fresh, though Pluggy says no time of a collection; all of that is stored.",
        ),
        ({"deleted_at": NOON, "status": None}, {}, "Deleted 2 hours ago; its data here was purged."),
        (
            {"connector_status": "OFFLINE"},
            {},
            "Banco X is offline for 2 hours: nobody is asked for anything, and the Item goes on once the bank is back.",
        ),
        (
            {"bank_away": True, "incident": "INSTITUTION_OUTAGE", "incident_at": NOON},
            {},
            (
                "Banco X is away for 2 hours (INSTITUTION_OUTAGE): nobody is asked for anything, "
                "and the Item goes on once the bank is back."
            ),
        ),
        (
            {"status": "OUTDATED", "execution_status": "SITE_NOT_AVAILABLE", "incident": "CONNECTION_NOT_UPDATING"},
            {},
            "Banco X has an incident for 2 hours (CONNECTION_NOT_UPDATING); Pluggy plans no next update.",
        ),
        (
            {**PLANNED, "is_replaced": True},
            {},
            "Replaced: another Item brings its accounts now, and this one is no longer synced.",
        ),
        (
            {"status": "OUTDATED", "execution_status": "SITE_NOT_AVAILABLE"},
            {"bank": None},
            "The bank did not answer Pluggy 2 hours ago (SITE_NOT_AVAILABLE); Pluggy plans no next update.",
        ),
        (
            ASKED,
            {"asked_kind": "mfa", "due": [due(DueKind.ACTION_DEADLINE, HOUR / 12)]},
            (
                "Waits for its person for 2 hours: Banco X asks for a code (WAITING_USER_INPUT); "
                "the time for it ends in 5 minutes."
            ),
        ),
        (
            ASKED,
            {"asked_kind": "mfa", "due": [due(DueKind.ACTION_DEADLINE, -HOUR / 12)]},
            (
                "Waits for its person for 2 hours: Banco X asks for a code (WAITING_USER_INPUT); "
                "the time for it ended 5 minutes ago."
            ),
        ),
        (
            {"asked_at": NOON, "asked_reason": "INVALID_CREDENTIALS", "status": "LOGIN_ERROR"},
            {"asked_kind": "credentials", "bank": None, "due": [due(DueKind.REMINDER, 22 * HOUR)]},
            (
                "Waits for its person for 2 hours: the bank refused the credentials (INVALID_CREDENTIALS); "
                "the product is reminded in 22 hours."
            ),
        ),
        (
            {"status": None, "first_seen_at": NOW - HOUR / 60},
            {"due": [due(DueKind.EVENT, -HOUR / 120)]},
            (
                "First heard of 60 seconds ago, and not fetched from Pluggy yet; "
                "it is fetched now, overdue for 30 seconds."
            ),
        ),
        (
            {"status": "UPDATING", "execution_status": "LOGIN_IN_PROGRESS"},
            {},
            "Pluggy updates it for 2 hours (LOGIN_IN_PROGRESS); its next event will tell how that ended.",
        ),
        (
            {"update_pending": True},
            {"due": [due(DueKind.EVENT, HOUR / 180)]},
            "An event told of something that Pluggy does not show yet; it is fetched in 20 seconds.",
        ),
        (
            {"sync_pending": True},
            {"is_leased": True},
            "What Pluggy collected 2 hours ago is being stored by a sync run.",
        ),
        (
            {"sync_pending": True, "sync_attempts": 1},
            {"run_error": "Pluggy: 500", "due": [due(DueKind.SYNC, HOUR / 60)]},
            (
                "What Pluggy collected 2 hours ago is not stored yet: it failed 1 time in a row (Pluggy: 500); "
                "a sync run is due in 60 seconds."
            ),
        ),
        (
            {"sync_pending": True, "sync_attempts": 5},
            {},
            "Storing what Pluggy collected 2 hours ago does not work: it failed 5 times in a row; no sync run is due.",
        ),
        (
            {"not_found": 4},
            {},
            "Pluggy does not find it (404, 4 times in a row), though it was named; nothing is due to fetch it.",
        ),
        (
            {"status": "OUTDATED", "execution_status": "UNEXPECTED_ERROR", **PLANNED},
            {},
            "Pluggy could not update it 2 hours ago (UNEXPECTED_ERROR); Pluggy's next update is planned in 22 hours.",
        ),
        (
            {"status": "WAITING_USER_INPUT", "execution_status": "WAITING_USER_INPUT"},
            {},
            (
                "Its execution stopped 2 hours ago for something that only its person can do (WAITING_USER_INPUT), "
                "and nobody is asked for it any more; Pluggy plans no next update."
            ),
        ),
        (
            {"last_updated_at": NOW - 48 * HOUR, "next_auto_sync_at": NOW - 24 * HOUR},
            {},
            "Stale: Pluggy's next update was expected 24 hours ago and did not come; the last is from 2 days ago.",
        ),
    ],
)
def test_the_sentence_says_how_it_stands_since_when_why_and_what_comes_next(known_as, changes, told):
    assert sentence(circumstances(known_as, **changes)) == told


@pytest.mark.parametrize("kind", ["mfa", "authorize", "credentials", "consent", "bank", "something new"])
def test_every_kind_of_action_has_words_that_name_its_reason(kind):
    assert "(WAITING_USER_INPUT)" in sentence(circumstances(ASKED, asked_kind=kind))


def test_every_state_has_a_sentence():
    tried = {
        freshness_of(known(**each), now=NOW, grace=12 * HOUR).state
        for each in (
            {},
            {"deleted_at": NOON},
            {"connector_status": "OFFLINE"},
            ASKED,
            {"status": "UPDATING"},
            {"status": "OUTDATED"},
            {"next_auto_sync_at": NOW - 24 * HOUR},
        )
    }

    assert tried == set(State)


def test_what_nothing_mends_by_itself_is_remarked():
    stuck = circumstances({"status": "OUTDATED"}, dead_events=1, dead_letters=2, unread=["loans", "identity", "loans"])

    assert remarks(circumstances({})) == []
    assert remarks(stuck) == [
        "Given up until an operator processes it again: 1 event.",
        "Not delivered to the product, and given up: 2 notifications.",
        "Not everything could be read: identity, loans.",
    ]


def news(number: int = 3, *, given_up: int = 0) -> News:
    return News(number=number, given_up=given_up, since=NOW - HOUR / 2)


@pytest.mark.parametrize(
    "known_as, changes, told",
    [
        (
            PLANNED,
            {"news": news(), "due": [due(DueKind.EVENT, -HOUR / 60)]},
            (
                "3 events wait unhandled since 16:30 UTC; it is fetched now, overdue for 60 seconds. "
                "What Pluggy collected 2 hours ago was stored before."
            ),
        ),
        (
            PLANNED,
            {"news": news(1, given_up=1), "unread": ["loans"]},
            (
                "1 event received since 16:30 UTC could not be handled; nothing is due to fetch it. "
                "What Pluggy collected 2 hours ago was stored before, but for loans."
            ),
        ),
        (PLANNED, {"is_leased": True}, "A sync run is at work. What Pluggy collected 2 hours ago was stored before."),
        (
            {"last_updated_at": None, "first_seen_at": NOON},
            {"news": news(COUNTED)},
            (
                "100 or more events wait unhandled since 16:30 UTC; nothing is due to fetch it. "
                "What Pluggy collected was stored before."
            ),
        ),
    ],
)
def test_an_item_is_not_called_fresh_while_something_waits_that_may_change_it(known_as, changes, told):
    item = circumstances(known_as, **changes)

    assert item.freshness.state is State.FRESH
    assert sentence(item) == told
    assert may_have_changed(item)


@pytest.mark.parametrize(
    "known_as",
    [{"status": "OUTDATED"}, {"status": "UPDATING"}, {"next_auto_sync_at": NOW - 24 * HOUR}, ASKED, {"not_found": 4}],
)
def test_every_other_sentence_says_too_that_events_wait(known_as):
    plain, waiting = circumstances(known_as), circumstances(known_as, news=news())

    assert sentence(waiting) == f"{sentence(plain)} 3 events wait unhandled since 16:30 UTC, and may change that."
    assert may_have_changed(waiting)
    assert not may_have_changed(plain)


def test_what_is_not_stored_yet_is_said_beside_what_is_asked_of_the_person():
    told = sentence(circumstances({**ASKED, "sync_pending": True}, due=[due(DueKind.SYNC, HOUR / 60)]))

    assert told.endswith(" New data is not stored yet; a sync run is due in 60 seconds.")


@pytest.mark.parametrize("known_as", [{"deleted_at": NOON, "status": None}, {"is_replaced": True}])
def test_events_change_nothing_about_an_item_that_is_gone_or_replaced(known_as):
    assert sentence(circumstances(known_as, news=news())) == sentence(circumstances(known_as))
