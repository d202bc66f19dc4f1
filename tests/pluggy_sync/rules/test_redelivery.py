"""Waits grow with the failure and have an end; what a header asks for is obeyed within bounds."""

from datetime import timedelta

import pytest

from pluggy_sync.rules import redelivery
from tests.kit.factories import NOON

LENGTHS = [timedelta(seconds=seconds) for seconds in (0, 1, 10, 60, 600, 3600, 86400, 3 * 86400)]


@pytest.mark.parametrize("wait", [redelivery.wait_for_notification, redelivery.wait_for_endpoint])
def test_a_longer_failure_is_never_waited_for_less(wait):
    waits = [wait(length) for length in LENGTHS]

    assert waits == sorted(waits)
    assert waits[0] > timedelta()


@pytest.mark.parametrize("failed_for", [timedelta(seconds=seconds) for seconds in (0, 15, 60, 90)])
def test_after_a_minute_of_trouble_nothing_waits_for_long(failed_for):
    assert redelivery.wait_for_notification(failed_for) <= timedelta(seconds=30)
    assert redelivery.wait_for_endpoint(failed_for) <= timedelta(seconds=23)


def test_it_is_given_up_after_three_days_and_not_before():
    assert not redelivery.is_dead(timedelta(days=3) - timedelta(seconds=1))
    assert redelivery.is_dead(timedelta(days=3))


@pytest.mark.parametrize(
    "header, seconds",
    [
        (None, 0),
        ("0", 0),
        ("120", 120),
        (" 120 ", 120),
        ("999999999999999999999999", 3600),
        ("-5", 0),
        ("1.5", 0),
        ("soon", 0),
        ("", 0),
        ("²", 0),
        ("Tue, 10 Mar 2026 15:01:00 GMT", 60),
        ("Tue, 10 Mar 2026 12:01:00 -0300", 60),
        ("Tue, 10 Mar 2026 14:00:00 GMT", 0),
        ("Tue, 10 Mar 9999 14:00:00 GMT", 3600),
        ("Tue, 99 Mar 2026 14:00:00 GMT", 0),
        ("Tue, 10 Mar 2026 15:01:00 +9999", 0),
    ],
)
def test_a_wait_that_is_asked_for_is_read_and_bounded(header, seconds):
    assert redelivery.wait_asked_for(header, now=NOON) == timedelta(seconds=seconds)


def test_waits_are_a_third_and_a_quarter_of_the_failure_within_bounds():
    hour = timedelta(hours=1)

    assert [redelivery.wait_for_notification(each) for each in (timedelta(), hour, 24 * hour)] == [
        timedelta(seconds=5),
        timedelta(minutes=20),
        3 * hour,
    ]
    assert [redelivery.wait_for_endpoint(each) for each in (timedelta(), timedelta(minutes=8), 24 * hour)] == [
        timedelta(seconds=1),
        timedelta(minutes=2),
        timedelta(minutes=10),
    ]
