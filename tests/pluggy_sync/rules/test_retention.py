"""How long things are kept, and how much is removed at once."""

from datetime import timedelta

import pytest

from pluggy_sync.rules import retention
from pluggy_sync.rules.retention import Tier
from tests.kit.factories import NOON


def test_a_tier_ends_as_many_days_ago_as_its_life_and_one_that_is_kept_for_ever_does_not_end():
    found = retention.cutoffs({Tier.EVENTS: 90, Tier.ATTEMPTS: 1, Tier.BALANCES: None}, NOON)

    assert found == {Tier.EVENTS: NOON - timedelta(days=90), Tier.ATTEMPTS: NOON - timedelta(days=1)}


def test_a_batch_that_took_too_long_is_followed_by_one_that_would_have_been_in_time():
    rows = retention.next_rows(1_000, 4 * retention.BATCH_TARGET_S)

    assert rows * 4 * retention.BATCH_TARGET_S / 1_000 <= retention.BATCH_TARGET_S


def test_a_batch_that_took_a_little_too_long_is_followed_by_one_of_half_the_rows_at_most():
    assert retention.next_rows(1_000, 1.01 * retention.BATCH_TARGET_S) <= 500


def test_batches_grow_while_they_take_a_moment_only():
    rows = [retention.FIRST_ROWS]
    for _ in range(20):
        rows.append(retention.next_rows(rows[-1], 0.001))

    assert rows == sorted(rows)
    assert rows[-1] == retention.MOST_ROWS


def test_a_batch_that_took_about_as_long_as_it_may_stays_as_it_is():
    assert retention.next_rows(700, 0.8 * retention.BATCH_TARGET_S) == 700


@pytest.mark.parametrize("took_s", [0.0, 0.05, 1.0, 60.0])
def test_every_batch_makes_progress(took_s):
    assert retention.LEAST_ROWS <= retention.next_rows(retention.LEAST_ROWS, took_s) <= retention.MOST_ROWS
