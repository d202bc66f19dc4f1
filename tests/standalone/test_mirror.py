"""The comparison with the truth finds every kind of difference."""

from datetime import date
from decimal import Decimal

import pytest
import sqlalchemy as sa

from pluggy_sync.store.tables import accounts, bills, transactions
from standalone import mirror

TRUTH = {"t1": {"id": "t1", "amount": Decimal("1.50"), "merchant": {"name": "A"}}, "t2": {"id": "t2", "amount": 2}}


def test_equal_rows_have_no_difference_and_fields_that_are_named_as_ours_are_passed_over():
    seen = {"t1": {**TRUTH["t1"], "amount": Decimal("1.5"), "ours": 1}, "t2": TRUTH["t2"]}

    assert list(mirror.differences(TRUTH, seen, ours=["ours"])) == []


@pytest.mark.parametrize(
    "seen, difference",
    [
        ({"t1": TRUTH["t1"]}, "t2 is missing"),
        ({**TRUTH, "t3": {"id": "t3"}}, "t3 should not be there"),
        ({**TRUTH, "t2": {"id": "t2"}}, "t2: amount is missing"),
        ({**TRUTH, "t2": {**TRUTH["t2"], "invented": None}}, "t2: invented should not be there"),
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


def stored(service, item_id):
    with service.res.database.begin() as conn:
        return mirror.stored(conn, item_id)


@pytest.mark.parametrize(
    "change, difference",
    [
        (sa.update(transactions).values(raw=transactions.c.raw.concat({"ours": 1})), "ours should not be there"),
        (sa.update(transactions).values(description="not what the bank says"), "column description is"),
        (sa.update(transactions).values(day=date(2001, 1, 1)), "column day is"),
        (sa.delete(transactions), "is missing"),
        (sa.update(accounts).values(balance=Decimal("-0.01")), "column balance is"),
        (sa.update(bills).values(missing_since=sa.func.now()), "is missing"),
    ],
    ids=["a field", "a text", "a day", "no rows", "a balance", "an object that is not listed"],
)
def test_a_mirror_that_equals_the_truth_has_no_difference_and_each_change_of_it_has(
    service, upstream, change, difference
):
    item_id = upstream.connect(products=None)
    service.catch_up()
    truth = upstream.truth(item_id)
    assert list(stored(service, item_id).differences(truth)) == []

    with service.res.database.begin() as conn:
        assert conn.execute(change).rowcount > 0

    found = list(stored(service, item_id).differences(truth))
    assert found
    assert all(difference in each for each in found), found
