"""Values of the wrong kind are refused by name, whatever they are."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from pluggy_sandbox.wire import fields
from pluggy_sandbox.wire.encoding import Json
from pluggy_sandbox.wire.errors import BadRequestError

Reader = Callable[[Json, str], object]
number: Reader = partial(fields.number, least=0, most=9)
whole: Reader = partial(fields.whole, least=0, most=9)
choice: Reader = partial(fields.choice, choices=("a", "b"))
choices: Reader = partial(fields.texts, choices=("a", "b"))


@pytest.mark.parametrize(
    "read,good",
    [
        (fields.text, ""), (choice, "b"), (fields.truth, False), (number, 1.5), (whole, 9), (fields.texts, []),
        (choices, ["b", "a"]), (fields.record, {}), (fields.records, [{"x": None}]),
        (fields.url, "https://a.example/b?c=%20#d"), (fields.url, "app://back"),
    ],
)  # fmt: skip
def test_a_value_of_the_right_kind_is_returned_as_it_is(read: Reader, good: Any) -> None:
    assert read({"name": good}, "name") == good
    assert read({"name": None}, "name") is None
    assert read({}, "name") is None


@pytest.mark.parametrize(
    "read,bad",
    [
        *((fields.text, value) for value in (1, True, [], {}, ["x"])),
        *((choice, value) for value in ("c", "", 1, ["a"], {})),
        *((fields.truth, value) for value in ("true", 0, 1, [])),
        *((number, value) for value in (True, "1", -0.1, 9.1, 10**400, [], {})),
        *((whole, value) for value in (1.5, True, "1", 10, 10**400)),
        *((fields.texts, value) for value in ("a", {"a": 1}, [1], [None], [["a"]])),
        *((choices, value) for value in ("ab", ["c"], [{}])),
        *((fields.record, value) for value in ([], "x", 1, True)),
        *((fields.records, value) for value in ({}, "x", [1], [None])),
        *((fields.url, value) for value in ("", "x", "http://[", "http://x:y/", "http://a b/", "http://a\n", 1, [])),
    ],
)
def test_a_value_of_another_kind_is_refused_by_its_name(read: Reader, bad: Any) -> None:
    with pytest.raises(BadRequestError, match="name"):
        read({"name": bad}, "name")
