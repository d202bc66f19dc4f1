"""Looks that are made at once, of which one waits for nobody who answers."""

import threading
from functools import partial

import pytest

from console.checkup.at_once import at_once


def says(*words):
    yield from words


def test_each_look_says_what_it_saw_in_the_order_in_which_they_were_asked():
    seen = at_once([partial(says, "a", "b"), says, partial(says, "c")], seconds=60)

    assert [(list(each.results), each.ended) for each in seen] == [(["a", "b"], True), ([], True), (["c"], True)]


def test_a_look_that_has_no_answer_keeps_what_it_saw_and_holds_up_no_other():
    released, others = threading.Event(), threading.Barrier(2)

    def waits():
        yield "seen"
        others.wait()
        released.wait()
        yield "too late"

    def goes_on():
        # Only if it runs beside the one that waits.
        others.wait()
        yield "done"

    seen = at_once([waits, goes_on], seconds=1)
    released.set()

    assert [(list(each.results), each.ended) for each in seen] == [(["seen"], False), (["done"], True)]


def test_what_a_look_raises_is_raised():
    def breaks():
        yield "seen"
        raise KeyError("broken")

    with pytest.raises(KeyError, match="broken"):
        at_once([breaks], seconds=60)
