"""How fresh an Item is."""

from datetime import timedelta
from typing import Any

import pytest

from pluggy_sync.rules.freshness import Freshness, Known, freshness_of
from tests.kit.factories import NOON

GRACE = timedelta(hours=12)


def fresh(**changes: Any) -> Freshness:
    """Return how fresh an Item is that was well updated at noon, an hour ago, with *changes*."""
    known = {
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
        **changes,
    }
    now = known.pop("now", NOON + timedelta(hours=1))
    return freshness_of(Known(**known), now=now, grace=GRACE)


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
    ],
)
def test_each_state_has_its_word(changes, state, reason):
    found = fresh(**changes)

    assert (found.state, found.reason) == (state, reason)


def test_an_item_is_stale_once_it_is_behind_its_planned_update_by_the_grace():
    planned = NOON + timedelta(hours=24)

    assert fresh(next_auto_sync_at=planned, now=planned + GRACE).state == "fresh"
    late = fresh(next_auto_sync_at=planned, now=planned + GRACE + timedelta(seconds=1))
    assert (late.state, late.since) == ("stale", planned)


def test_without_a_plan_a_day_is_expected():
    assert fresh(now=NOON + timedelta(hours=36)).state == "fresh"
    assert fresh(now=NOON + timedelta(hours=37)).state == "stale"
