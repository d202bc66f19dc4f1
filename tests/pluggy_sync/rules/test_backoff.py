"""Waits grow, and do not meet."""

from datetime import timedelta

import pytest

from pluggy_sync.rules import backoff


@pytest.mark.parametrize("steps_s", [backoff.STEPS_S, backoff.RECONCILIATION_STEPS_S])
def test_each_wait_is_longer_than_the_one_before_and_the_last_one_repeats(steps_s):
    waits = [backoff.wait(failures, steps_s) for failures in range(len(steps_s))]

    assert waits == sorted(waits)
    longest = timedelta(seconds=steps_s[-1])
    assert 0.8 * longest <= backoff.wait(1000, steps_s) <= 1.2 * longest


def test_waits_are_spread():
    assert len({backoff.wait(3) for _ in range(20)}) > 1


def test_an_event_is_tried_for_most_of_two_days():
    tried = sum((backoff.wait(failures) for failures in range(backoff.MAX_ATTEMPTS)), timedelta())

    assert timedelta(days=1.2) < tried < timedelta(days=2.4)


def test_rows_that_are_late_are_awaited_for_two_and_a_half_minutes_at_most():
    assert list(backoff.SHOWN_LATE_WAITS) == sorted(backoff.SHOWN_LATE_WAITS)
    assert timedelta(minutes=2) < sum(backoff.SHOWN_LATE_WAITS, timedelta()) < timedelta(minutes=3)


def test_what_could_not_be_read_is_soon_tried_again_and_in_the_end_once_a_day():
    assert list(backoff.NOT_READ_WAITS) == sorted(backoff.NOT_READ_WAITS)
    assert (backoff.NOT_READ_WAITS[0], backoff.NOT_READ_WAITS[-1]) == (timedelta(minutes=5), timedelta(days=1))
