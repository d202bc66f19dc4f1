"""The comparison with the truth finds every kind of difference."""

from decimal import Decimal

import pytest

from standalone.demo import mirror

TRUTH = {"t1": {"id": "t1", "amount": Decimal("1.50"), "merchant": {"name": "A"}}, "t2": {"id": "t2", "amount": 2}}


def test_equal_rows_have_no_difference_and_fields_of_our_own_are_passed_over():
    seen = {"t1": {**TRUTH["t1"], "amount": Decimal("1.5"), "ours": 1}, "t2": TRUTH["t2"]}

    assert list(mirror.differences(TRUTH, seen)) == []


@pytest.mark.parametrize(
    "seen, difference",
    [
        ({"t1": TRUTH["t1"]}, "t2 is missing"),
        ({**TRUTH, "t3": {"id": "t3"}}, "t3 should not be there"),
        ({**TRUTH, "t2": {"id": "t2"}}, "t2: amount is missing"),
        ({**TRUTH, "t2": {"id": "t2", "amount": 3}}, "t2: amount is 3, not 2"),
        ({**TRUTH, "t2": {"id": "t2", "amount": None}}, "t2: amount is None, not 2"),
        (
            {**TRUTH, "t1": {**TRUTH["t1"], "merchant": {"name": "B"}}},
            "t1: merchant is {'name': 'B'}, not {'name': 'A'}",
        ),
    ],
)
def test_one_difference_is_found_and_named(seen, difference):
    assert list(mirror.differences(TRUTH, seen)) == [difference]
