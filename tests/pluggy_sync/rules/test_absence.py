"""When a 404 is checked with a witness, and when it means that the Item is gone."""

from itertools import product

import pytest

from pluggy_sync.rules.absence import Evidence, is_checked, is_gone
from pluggy_sync.rules.contradictions import REFETCHES, Contradiction

LAST = REFETCHES[Contradiction.NOT_FOUND]


@pytest.mark.parametrize(
    "told, refetches, checked",
    [(True, 0, True), (False, 0, False), (False, LAST - 1, False), (False, LAST, True)],
)
def test_a_404_is_checked_when_a_deletion_was_told_or_after_the_last_fetch(told, refetches, checked):
    assert is_checked(told=told, refetches=refetches) is checked


def _evidence(**changes: object) -> Evidence:
    facts = {
        "witness_shown": False,
        "witnesses_asked": 0,
        "told": False,
        "never_seen": False,
        "same_application": False,
    }
    return Evidence(**{**facts, **changes})


@pytest.mark.parametrize("facts", list(product([False, True], repeat=3)))
def test_an_item_is_gone_if_pluggy_shows_another_one_whatever_else_is_known(facts):
    told, never_seen, same = facts

    assert is_gone(
        _evidence(witness_shown=True, witnesses_asked=1, told=told, never_seen=never_seen, same_application=same)
    )


@pytest.mark.parametrize("facts", list(product([False, True], repeat=3)))
def test_no_item_is_gone_while_pluggy_shows_none_of_those_it_is_asked_for(facts):
    told, never_seen, same = facts

    assert not is_gone(_evidence(witnesses_asked=5, told=told, never_seen=never_seen, same_application=same))


@pytest.mark.parametrize("fact", ["told", "never_seen", "same_application"])
def test_with_nobody_to_ask_for_one_fact_is_enough(fact):
    assert is_gone(_evidence(**{fact: True}))


def test_with_nobody_to_ask_for_and_nothing_known_the_item_is_kept():
    assert not is_gone(_evidence())
