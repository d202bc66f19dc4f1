"""Times in words."""

from datetime import timedelta

import pytest

from pluggy_sync.rules.ages import ago, at, span
from tests.kit.factories import NOON


@pytest.mark.parametrize(
    "length, words",
    [
        ({"seconds": 0}, "0 seconds"),
        ({"seconds": 1}, "1 second"),
        ({"seconds": 89}, "89 seconds"),
        ({"seconds": 90}, "1 minute"),
        ({"seconds": 150}, "2 minutes"),
        ({"minutes": 89}, "89 minutes"),
        ({"minutes": 90}, "1 hour"),
        ({"hours": 47}, "47 hours"),
        ({"hours": 48}, "2 days"),
        ({"days": 59}, "59 days"),
        ({"days": 60}, "2 months"),
        ({"hours": -3}, "3 hours"),
    ],
)
def test_a_span_is_told_in_one_unit(length, words):
    assert span(timedelta(**length)) == words


@pytest.mark.parametrize(
    "from_now, words",
    [({"minutes": -5}, "5 minutes ago"), ({"minutes": 5}, "in 5 minutes"), ({"milliseconds": -300}, "just now")],
)
def test_a_moment_is_told_as_seen_from_now(from_now, words):
    assert ago(NOON + timedelta(**from_now), NOON) == words


def test_a_moment_of_another_day_is_told_with_its_day():
    assert at(NOON - timedelta(hours=2), NOON) == "13:00 UTC"
    assert at(NOON - timedelta(seconds=5), NOON, seconds=True) == "14:59:55 UTC"
    assert at(NOON - timedelta(days=1), NOON) == f"{NOON - timedelta(days=1):%Y-%m-%d} 15:00 UTC"
