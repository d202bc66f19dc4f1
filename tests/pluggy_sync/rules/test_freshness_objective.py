"""The objective: what counts as promised, and how much of the budget a miss costs."""

import pytest

from pluggy_sync.rules import freshness_objective as objective
from pluggy_sync.rules.freshness import State
from pluggy_sync.rules.freshness_objective import Share


def test_an_item_that_is_updated_now_is_as_promised_and_one_that_waits_for_its_person_is_left_out():
    states = {State.FRESH: 90, State.SYNCING: 5, State.STALE: 3, State.ERROR: 2, State.WAITING_FOR_PERSON: 50}

    assert objective.share(states) == Share(fresh=95, counted=100)


def test_a_bank_that_is_away_counts_against_it():
    assert objective.share({State.FRESH: 1, State.BANK_OUTAGE: 1}).ratio == 0.5


def test_without_items_there_is_no_share():
    assert objective.share({State.DELETED: 3}).ratio is None
    assert objective.budget_left(Share(fresh=0, counted=0), 99) is None


def test_a_data_product_is_no_fresher_than_its_items():
    assert objective.without(Share(fresh=10, counted=12), 3) == Share(fresh=7, counted=12)
    assert objective.without(Share(fresh=2, counted=12), 3) == Share(fresh=0, counted=12)


@pytest.mark.parametrize(
    "fresh, left", [(1_000, 1.0), (995, 0.5), (990, 0.0), (980, -1.0)], ids=["all", "half", "used up", "missed"]
)
def test_the_budget_is_what_the_objective_allows(fresh, left):
    assert objective.budget_left(Share(fresh=fresh, counted=1_000), 99) == pytest.approx(left)


@pytest.mark.parametrize("fresh, left", [(1_000, 1.0), (999, -1.0)])
def test_an_objective_of_all_has_no_budget(fresh, left):
    assert objective.budget_left(Share(fresh=fresh, counted=1_000), 100) == left
