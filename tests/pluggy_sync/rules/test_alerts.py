"""From when on a trouble is told."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pluggy_sync.rules import alerts
from pluggy_sync.rules.alerts import Code, OfBank, Rejected, Room, Stopped, Work

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
RUNBOOK = (Path(__file__).parents[3] / "docs/operations.md").read_text()


def test_each_code_has_a_meaning_and_a_paragraph_of_the_runbook_and_no_other_has():
    _, _, section = RUNBOOK.partition("\n## Alerts of the watchdog\n")
    section, _, _ = section.partition("\n## ")
    paragraphs = re.findall(r"^### (\w+)\n\n\*(Page|Ticket)\.\* ", section, re.MULTILINE)

    assert {name: urgency.lower() for name, urgency in paragraphs} == {
        code.value: alerts.MEANINGS[code].urgency.value for code in Code
    }
    assert len(paragraphs) == len(Code)


@pytest.mark.parametrize("number, told", [(4, False), (5, True)])
def test_rejected_deliveries_are_told_from_five_on_with_where_they_came_from(number, told):
    found = alerts.of_rejected([Rejected(why="wrong", address="203.0.113.9", number=number)])

    assert [each.code for each in found] == [Code.DELIVERIES_REJECTED] * told
    assert all("5 from 203.0.113.9 with a wrong secret" in each.detail for each in found)


@pytest.mark.parametrize(
    "silent_for, days, told",
    [
        (HOUR, [9, 8, 7, 0, 6, 5], True),  # one day without is not usual
        (HOUR, [9, 8, 0, 0, 6, 5], False),
        (HOUR, [9, 8, 2, 2, 6, 5], False),
        (HOUR, [9, 8, 7, 6], False),  # too few days are known
        (timedelta(minutes=29), [9, 8, 7, 6, 5, 4], False),
    ],
)
def test_silence_is_told_if_nearly_every_day_before_had_events_in_these_hours(silent_for, days, told):
    found = alerts.of_silence(NOW - silent_for, days, NOW)

    assert [(each.code, each.since) for each in found] == [(Code.EVENTS_SILENT, NOW - silent_for)] * told


def test_silence_before_the_first_event_is_not_told():
    assert alerts.of_silence(None, [9] * 14, NOW) == []


@pytest.mark.parametrize("overdue, total, told", [(9, 10, False), (10, 10, True), (49, 1000, False), (50, 1000, True)])
def test_items_past_their_update_are_told_if_they_are_many_of_many(overdue, total, told):
    assert [each.code for each in alerts.of_items(overdue, total)] == [Code.ITEMS_OVERDUE] * told


@pytest.mark.parametrize("work", Work)
def test_work_is_overdue_from_its_own_limit_on(work):
    limit = alerts.OVERDUE_AFTER[work]

    assert (
        alerts.of_work({work: NOW - limit, Work.SYNCS: None} if work != Work.SYNCS else {work: NOW - limit}, NOW) == []
    )
    (found,) = alerts.of_work({work: NOW - limit - timedelta(seconds=1)}, NOW)
    assert (found.code, found.subject) == (Code.WORK_OVERDUE, work)


def test_what_was_given_up_is_told_by_its_kind():
    found = alerts.of_dead({Work.EVENTS: 2, Work.NOTIFICATIONS: 0})

    assert [(each.code, each.subject) for each in found] == [(Code.DEAD_LETTERS, "events")]


def test_each_stopped_endpoint_is_an_alert_of_its_own():
    stopped = [Stopped(endpoint_id=f"ep_{each}", reason="gone", at=NOW, waiting=3) for each in "ab"]

    assert [(each.subject, each.since) for each in alerts.of_endpoints(stopped)] == [("ep_a", NOW), ("ep_b", NOW)]


def of_bank(number, total):
    return OfBank(connector_id=7, name="A bank", number=number, total=total)


@pytest.mark.parametrize("number, total, told", [(4, 4, False), (5, 100, True), (5, 101, False)])
def test_balances_drift_if_they_are_many_of_a_bank(number, total, told):
    found = alerts.of_drift([of_bank(number, total)])

    assert [(each.code, each.subject) for each in found] == [(Code.BALANCES_DRIFT, "7")] * told


@pytest.mark.parametrize("number, told", [(2, False), (3, True)])
def test_a_quota_is_told_from_the_third_item_of_a_bank_on(number, told):
    assert [each.detail for each in alerts.of_quota([of_bank(number, number)])] == ["A bank (7): 3 Items"] * told


GIB = 1024**3


@pytest.mark.parametrize(
    "place, free, total, low",
    [
        ("spill", 11 * GIB, 100 * GIB, False),
        ("spill", 9 * GIB, 100 * GIB, True),
        ("spill", GIB - 1, 2 * GIB, True),
        ("redis", GIB // 4, GIB, False),
        ("redis", GIB // 11, GIB, True),
    ],
)
def test_a_disk_is_low_below_a_tenth_or_a_gigabyte_and_redis_below_a_tenth(place, free, total, low):
    found = alerts.of_room([Room(place=place, free=free, total=total)])

    assert [(each.code, each.subject) for each in found] == [(Code.DISK_LOW, place)] * low


def test_an_alert_is_over_when_it_was_looked_for_and_not_seen_for_five_minutes(a_seen):
    checked = {Code.DISK_LOW}

    assert not alerts.is_over(a_seen(timedelta(minutes=4)), checked, NOW)
    assert alerts.is_over(a_seen(timedelta(minutes=5)), checked, NOW)
    assert not alerts.is_over(a_seen(timedelta(days=1)), set(), NOW)


@pytest.fixture
def a_seen():
    class Seen:
        code = Code.DISK_LOW

        def __init__(self, ago):
            self.last_seen_at = NOW - ago

    return Seen
