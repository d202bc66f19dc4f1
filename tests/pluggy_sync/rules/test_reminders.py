"""When something is said again, and what is said in time."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluggy_sync.rules.reminders import consent_warning, days_left, is_quiet, reminder_at

# Noon in São Paulo.
NOON = datetime(2026, 3, 10, 15, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "hour, quiet", [(21, False), (22, True), (23, True), (0, True), (7, True), (8, False), (12, False)]
)
def test_the_night_is_quiet_by_the_clock_of_sao_paulo(hour, quiet):
    local = NOON + timedelta(hours=hour - 12)

    assert is_quiet(local, (22, 8)) is quiet
    assert is_quiet(local, None) is False


def test_quiet_hours_may_lie_within_a_day():
    assert is_quiet(NOON, (12, 14))
    assert not is_quiet(NOON + timedelta(hours=2), (12, 14))


def test_quiet_hours_that_end_as_they_begin_are_none():
    assert [hour for hour in range(24) if is_quiet(NOON + timedelta(hours=hour), (22, 22))] == []


def test_reminders_follow_the_schedule_and_then_end():
    first = reminder_at(NOON, (24, 72), None, after=NOON)
    second = reminder_at(NOON, (24, 72), None, after=NOON + timedelta(hours=24))
    third = reminder_at(NOON, (24, 72), None, after=NOON + timedelta(hours=72))

    assert (first, second, third) == (NOON + timedelta(hours=24), NOON + timedelta(hours=72), None)


def test_reminders_that_were_missed_are_not_made_up_for():
    assert reminder_at(NOON, (24, 72, 168), None, after=NOON + timedelta(hours=80)) == NOON + timedelta(hours=168)


def test_what_ends_before_is_not_reminded_of():
    assert reminder_at(NOON, (24,), NOON + timedelta(minutes=2), after=NOON) is None
    assert reminder_at(NOON, (24,), NOON + timedelta(hours=25), after=NOON) is not None
    assert reminder_at(NOON, (), None, after=NOON) is None


@pytest.mark.parametrize("days, step", [(31, None), (30, 30), (8, 30), (7, 7), (2, 7), (1, 1), (0.1, 1), (0, None)])
def test_a_consent_is_warned_of_at_30_7_and_1_days(days, step):
    assert consent_warning(NOON + timedelta(days=days), warned_of=None, warned_days=None, now=NOON) == step


def test_a_consent_without_an_end_is_never_warned_of():
    assert consent_warning(None, warned_of=None, warned_days=None, now=NOON) is None


def test_a_renewed_consent_is_warned_of_anew():
    end = NOON + timedelta(days=20)

    assert consent_warning(end, warned_of=NOON, warned_days=1, now=NOON) == 30
    assert consent_warning(end, warned_of=end, warned_days=30, now=NOON) is None


def test_each_step_is_warned_of_though_the_one_before_was():
    end = NOON + timedelta(days=7)

    assert consent_warning(end, warned_of=end, warned_days=30, now=NOON) == 7
    assert consent_warning(end, warned_of=end, warned_days=7, now=NOON) is None
    assert consent_warning(end, warned_of=end, warned_days=1, now=NOON) is None


@given(st.lists(st.integers(min_value=0, max_value=40 * 24), min_size=1, max_size=40).map(sorted))
def test_however_often_one_looks_each_step_is_warned_of_once(hours):
    end = NOON + timedelta(days=40)
    warned_of, warned_days, steps = None, None, []
    for hour in hours:
        step = consent_warning(end, warned_of=warned_of, warned_days=warned_days, now=NOON + timedelta(hours=hour))
        if step is not None:
            warned_of, warned_days = end, step
            steps.append(step)

    assert steps == sorted(set(steps), reverse=True)


def test_a_part_of_a_day_counts_as_one():
    assert days_left(NOON + timedelta(hours=25), NOON) == 2
    assert days_left(NOON + timedelta(hours=1), NOON) == 1
