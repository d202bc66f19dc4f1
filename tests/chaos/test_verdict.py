"""What counts as taken once and in order."""

import pytest

from chaos.product import Taken
from chaos.verdict import faults_of_order

A, B, C = (Taken(f"msg_{number}", "item-1", number) for number in (1, 2, 3))
OTHER = Taken("msg_o", "item-2", 1)
BANK = Taken("msg_b", None, None)
WRITTEN = {"msg_1": "delivered", "msg_2": "delivered", "msg_3": "delivered"}


@pytest.mark.parametrize(
    "taken",
    [[A, B, C], [A, A, B, C], [A, B, A, C, C], [A, B, C, A]],
    ids=["once each", "one twice in a row", "two again later", "the first again at the end"],
)
def test_in_order_is_well_also_if_one_came_again_under_its_id(taken):
    assert list(faults_of_order(taken, WRITTEN)) == []


@pytest.mark.parametrize(
    "taken, written",
    [
        ([B, A, C], WRITTEN),
        ([A, C], WRITTEN),
        ([A, C], {"msg_1": "delivered", "msg_3": "delivered"}),
        ([A, B, C], {**WRITTEN, "msg_3": "pending"}),
        ([A, B, C], {**WRITTEN, "msg_3": "dead"}),
        ([], WRITTEN),
    ],
    ids=["disordered", "one was never taken", "a gap", "one still waits", "one was given up", "none was taken"],
)
def test_anything_else_is_not(taken, written):
    assert list(faults_of_order(taken, written))


def test_items_and_what_is_about_no_item_do_not_mix():
    written = {**WRITTEN, "msg_o": "delivered", "msg_b": "delivered"}

    assert list(faults_of_order([A, OTHER, B, BANK, C], written)) == []
