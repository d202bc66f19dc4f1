"""How much reconciliation a round asks for: what budget and workers leave, fairly between the two kinds."""

import pytest

from pluggy_sync.rules.pace import Room, room


def a_room(**changes):
    values = {
        "fetches_left": 100,
        "reads_left": 100,
        "reads_each": 5.0,
        "silent_waiting": 0,
        "deep_waiting": 0,
        "most_deep": None,
    }
    return room(**{**values, **changes})


@pytest.mark.parametrize(
    "changes, deep",
    [
        ({}, 20),
        ({"reads_each": 10.0}, 10),
        ({"reads_each": 0.0}, 100),
        ({"reads_left": 0}, 0),
        ({"fetches_left": 7}, 7),
        ({"fetches_left": 0}, 0),
        ({"deep_waiting": 15}, 5),
        ({"deep_waiting": 50}, 0),
        ({"most_deep": 3}, 3),
        ({"most_deep": 0}, 0),
    ],
)
def test_reconciliations_take_what_budget_and_workers_leave(changes, deep):
    assert a_room(**changes).deep == deep


def test_each_kind_gets_half_of_the_fetches_if_it_needs_them():
    assert a_room(reads_left=10_000) == Room(silent=50, deep=100, both=100)


def test_silent_items_get_the_fetches_that_no_reconciliation_can_use():
    assert a_room(reads_left=0) == Room(silent=100, deep=0, both=100)


def test_what_waits_for_a_worker_is_not_asked_for_once_more():
    assert a_room(silent_waiting=30, deep_waiting=30).both == 40
    assert a_room(silent_waiting=200).both == 0
