"""How fresh an Item is."""

from datetime import timedelta
from typing import Any

import pytest

from pluggy_sync.rules.freshness import Freshness, Known, freshness_of, tells_stale
from tests.kit.factories import NOON

GRACE = timedelta(hours=12)


def fresh(**changes: Any) -> Freshness:
    """Return how fresh an Item is that was well updated at noon, an hour ago, with *changes*."""
    now = changes.pop("now", NOON + timedelta(hours=1))
    return freshness_of(known(**changes), now=now, grace=GRACE)


def known(**changes: Any) -> Known:
    """Return what is known of an Item that was well updated at noon, with *changes*."""
    values = {
        "status": "UPDATED",
        "execution_status": "SUCCESS",
        "updated_at": NOON,
        "last_updated_at": NOON,
        "next_auto_sync_at": None,
        "first_seen_at": NOON - timedelta(days=9),
        "deleted_at": None,
        "connector_status": "ONLINE",
        "connector_status_at": NOON,
        "asked_at": None,
        "asked_reason": None,
        "sync_pending": False,
        "sync_attempts": 0,
        "update_pending": False,
        "not_found": 0,
        **changes,
    }
    return Known(**values)


@pytest.mark.parametrize(
    "changes, state, reason",
    [
        ({}, "fresh", None),
        ({"execution_status": "PARTIAL_SUCCESS"}, "fresh", None),
        ({"sync_pending": True}, "syncing", None),
        ({"sync_pending": True, "sync_attempts": 3}, "error", "SYNC_FAILED"),
        ({"status": "UPDATING", "execution_status": "LOGIN_IN_PROGRESS"}, "syncing", "LOGIN_IN_PROGRESS"),
        ({"status": "MERGING"}, "syncing", "SUCCESS"),
        ({"status": None}, "syncing", None),
        ({"status": "OUTDATED", "execution_status": "SITE_NOT_AVAILABLE"}, "bank_outage", "SITE_NOT_AVAILABLE"),
        ({"status": "OUTDATED", "execution_status": "UNEXPECTED_ERROR"}, "error", "UNEXPECTED_ERROR"),
        ({"connector_status": "OFFLINE"}, "bank_outage", "CONNECTOR_OFFLINE"),
        ({"connector_status": "UNSTABLE"}, "fresh", None),
        ({"asked_at": NOON, "asked_reason": "ACCOUNT_LOCKED"}, "waiting_for_person", "ACCOUNT_LOCKED"),
        ({"deleted_at": NOON, "status": None}, "deleted", None),
        ({"update_pending": True}, "syncing", None),
        ({"update_pending": True, "status": "OUTDATED", "execution_status": "ERROR"}, "syncing", None),
        ({"status": "UPDATING", "execution_status": "SITE_NOT_AVAILABLE"}, "syncing", "SITE_NOT_AVAILABLE"),
        ({"execution_status": "SITE_NOT_AVAILABLE"}, "fresh", None),
        # What is stored of an Item that failed since is old: that it failed says more than that it is being stored.
        ({"status": "OUTDATED", "execution_status": "ERROR", "sync_pending": True}, "error", "ERROR"),
        ({"sync_pending": True, "sync_attempts": 2}, "syncing", None),
        ({"sync_attempts": 3}, "fresh", None),
        # Another Item brings its accounts now: whatever this one shows, it is not kept fresh.
        ({"is_replaced": True}, "stale", "REPLACED"),
        ({"is_replaced": True, "connector_status": "OFFLINE"}, "stale", "REPLACED"),
        # The whole bank is away: an Item that is up to date is told so too. A lesser incident is why one is not well.
        ({"bank_away": True, "incident": "MAINTENANCE"}, "bank_outage", "MAINTENANCE"),
        ({"bank_away": True, "incident": "MAINTENANCE", "connector_status": "OFFLINE"}, "bank_outage", "MAINTENANCE"),
        ({"incident": "DATA_ERROR"}, "fresh", None),
        ({"incident": "DATA_ERROR", "status": "UPDATING"}, "syncing", "SUCCESS"),
        ({"incident": "DATA_ERROR", "status": "OUTDATED", "execution_status": "ERROR"}, "bank_outage", "DATA_ERROR"),
        ({"incident": "DATA_ERROR", "next_auto_sync_at": NOON - timedelta(days=9)}, "bank_outage", "DATA_ERROR"),
        (
            {"incident": "DATA_ERROR", "status": "OUTDATED", "execution_status": "SITE_NOT_AVAILABLE"},
            "bank_outage",
            "DATA_ERROR",
        ),
        ({"not_found": 2}, "fresh", None),
        ({"not_found": 3}, "error", "ITEM_NOT_FOUND"),
        ({"not_found": 3, "status": None}, "error", "ITEM_NOT_FOUND"),
        ({"not_found": 3, "status": "UPDATING"}, "error", "ITEM_NOT_FOUND"),
    ],
)
def test_each_state_has_its_word(changes, state, reason):
    found = fresh(**changes)

    assert (found.state, found.reason) == (state, reason)


def test_an_item_is_stale_once_it_is_behind_its_planned_update_by_the_grace():
    planned = NOON + timedelta(hours=24)

    assert fresh(next_auto_sync_at=planned, now=planned + GRACE).state == "fresh"
    late = fresh(next_auto_sync_at=planned, now=planned + GRACE + timedelta(seconds=1))
    assert (late.state, late.since, late.reason) == ("stale", planned, "UPDATE_OVERDUE")


def test_without_a_plan_a_day_is_expected():
    assert fresh(now=NOON + timedelta(hours=36)).state == "fresh"
    assert fresh(now=NOON + timedelta(hours=37)).state == "stale"


# A change for each state, in the order of the product contract.
DELETED = {"deleted_at": NOON}
OFFLINE = {"connector_status": "OFFLINE"}
ASKED = {"asked_at": NOON, "asked_reason": "ACCOUNT_LOCKED"}
SYNCING = {"sync_pending": True}
FAILS = {"sync_pending": True, "sync_attempts": 3}
STALE = {"next_auto_sync_at": NOON - timedelta(days=9)}


@pytest.mark.parametrize(
    "state, changes",
    [
        ("deleted", [DELETED, OFFLINE, ASKED, SYNCING, STALE]),
        ("bank_outage", [OFFLINE, ASKED, SYNCING, STALE]),
        ("bank_outage", [OFFLINE, ASKED, FAILS, STALE]),
        ("waiting_for_person", [ASKED, SYNCING, STALE]),
        ("waiting_for_person", [ASKED, FAILS, STALE]),
        ("syncing", [SYNCING, STALE]),
        ("error", [FAILS, STALE]),
        ("stale", [STALE]),
    ],
)
def test_the_first_state_that_holds_is_told(state, changes):
    assert fresh(**{name: value for change in changes for name, value in change.items()}).state == state


def test_an_item_that_was_never_updated_is_expected_to_be_within_a_day_of_its_first_event():
    never = {"last_updated_at": None, "first_seen_at": NOON}

    assert fresh(**never, now=NOON + timedelta(hours=36)).state == "fresh"
    assert fresh(**never, now=NOON + timedelta(hours=37)).state == "stale"


@pytest.mark.parametrize(
    "changes, tells",
    [
        ({}, True),
        ({"status": "OUTDATED", "execution_status": "UNEXPECTED_ERROR"}, True),
        ({"status": "OUTDATED", "execution_status": "SITE_NOT_AVAILABLE"}, True),
        (FAILS, True),
        ({"not_found": 3}, True),
        (SYNCING, False),
        (ASKED, False),
        (OFFLINE, False),
        (DELETED, False),
        # The product hears of these instead.
        ({"is_replaced": True}, False),
        ({"bank_away": True}, False),
        ({"incident": "DATA_ERROR"}, True),
    ],
)
def test_the_product_is_told_that_an_item_is_stale_unless_it_hears_of_something_else(changes, tells):
    item = known(**{**STALE, **changes})

    assert tells_stale(item, now=NOON, grace=GRACE) is tells


def test_what_is_not_behind_its_update_is_never_told_as_stale():
    assert not tells_stale(known(), now=NOON + timedelta(hours=1), grace=GRACE)


def test_what_the_api_calls_stale_is_told_and_nothing_else_that_is_well():
    for hours in range(0, 80, 4):
        for planned in (None, NOON + timedelta(hours=20)):
            item = known(next_auto_sync_at=planned)
            now = NOON + timedelta(hours=hours)

            assert tells_stale(item, now=now, grace=GRACE) is (
                freshness_of(item, now=now, grace=GRACE).state == "stale"
            )


ASKED_AT, OFFLINE_AT, CHANGED_AT, INCIDENT_AT = (NOON + timedelta(minutes=minutes) for minutes in (1, 2, 3, 4))


@pytest.mark.parametrize(
    "changes, since",
    [
        ({}, NOON),
        ({"deleted_at": CHANGED_AT}, CHANGED_AT),
        ({"connector_status": "OFFLINE", "connector_status_at": OFFLINE_AT}, OFFLINE_AT),
        ({"status": "OUTDATED", "execution_status": "SITE_NOT_AVAILABLE"}, CHANGED_AT),
        ({"asked_at": ASKED_AT, "asked_reason": "ACCOUNT_LOCKED"}, ASKED_AT),
        ({"status": None}, NOON - timedelta(days=9)),
        ({"status": "UPDATING"}, CHANGED_AT),
        ({"sync_pending": True}, CHANGED_AT),
        ({"sync_pending": True, "sync_attempts": 3}, CHANGED_AT),
        ({"status": "OUTDATED", "execution_status": "ERROR"}, CHANGED_AT),
        ({"not_found": 3}, CHANGED_AT),
        ({"is_replaced": True}, NOON),
        ({"bank_away": True, "incident_at": INCIDENT_AT}, INCIDENT_AT),
        ({"status": "OUTDATED", "incident": "DATA_ERROR", "incident_at": INCIDENT_AT}, INCIDENT_AT),
        ({"next_auto_sync_at": NOON - timedelta(days=1)}, NOON - timedelta(days=1)),
    ],
)
def test_a_state_is_told_with_the_moment_since_which_it_holds(changes, since):
    assert fresh(**{"updated_at": CHANGED_AT, **changes}).since == since


def test_an_item_that_is_up_to_date_is_not_told_as_stale_though_pluggy_fails():
    failed = known(status="OUTDATED", execution_status="UNEXPECTED_ERROR")

    assert not tells_stale(failed, now=NOON + timedelta(hours=1), grace=GRACE)
