"""One field of an object that Pluggy sent: its value, or None for whatever is odd."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluggy_sync.pluggy import fields

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
READERS = (
    fields.identity,
    fields.text,
    fields.number,
    fields.whole,
    fields.object_of,
    fields.objects,
    fields.texts,
    fields.instant,
    fields.day,
)


@pytest.mark.parametrize("read", READERS, ids=lambda each: each.__name__)
@given(ANYTHING)
def test_no_value_makes_reading_a_field_fail(read, value):
    read(value)


@pytest.mark.parametrize(
    "value, found",
    [("x", "x"), ("x" * 128, "x" * 128), ("", None), ("x" * 129, None), (5, None), (None, None), (["x"], None)],
)
def test_an_id_is_a_text_of_1_to_128_characters(value, found):
    assert fields.identity(value) == found


@pytest.mark.parametrize(
    "value, found", [("", ""), (5, "5"), (Decimal("5.10"), "5.10"), (True, None), (None, None), ({}, None)]
)
def test_a_number_is_taken_for_a_text_and_nothing_else_is(value, found):
    assert fields.text(value) == found


@pytest.mark.parametrize(
    "value, found", [(5, Decimal(5)), (Decimal("5.1"), Decimal("5.1")), ("5", None), (True, None), (None, None)]
)
def test_a_text_of_digits_is_no_amount(value, found):
    assert fields.number(value) == found


def test_a_number_that_no_column_holds_is_none():
    assert fields.number(fields._LARGEST_NUMBER - 1) is not None
    assert fields.number(fields._LARGEST_NUMBER) is None
    assert fields.number(-fields._LARGEST_NUMBER) is None


@pytest.mark.parametrize(
    "value, found",
    [
        (0, 0),
        ("12", 12),
        (2**63 - 1, 2**63 - 1),
        (str(2**63 - 1), 2**63 - 1),
        (2**63, None),
        (str(2**63), None),
        ("9" * 5000, None),
        ("٣", None),
        (-1, None),
        ("-1", None),
        (True, None),
        (Decimal(5), None),
    ],
    ids=lambda each: repr(each)[:20],
)
def test_a_whole_number_is_what_a_bigint_holds(value, found):
    assert fields.whole(value) == found


def test_a_list_gives_what_is_right_in_it():
    mixed = ["a", {"b": 1}, None, 5, ["c"]]

    assert fields.texts(mixed) == ["a"]
    assert fields.objects(mixed) == [{"b": 1}]
    assert (fields.texts("abc"), fields.objects({"a": {}})) == ([], [])
    assert (fields.object_of({"a": 1}), fields.object_of([{}])) == ({"a": 1}, None)


@pytest.mark.parametrize(
    "value, found",
    [
        ("2026-11-18", date(2026, 11, 18)),
        ("2026-11-18T00:00:00.000Z", date(2026, 11, 18)),
        ("2026-11-18T03:00:00.000Z", date(2026, 11, 18)),
        ("2026-11-18T02:59:59.999Z", date(2026, 11, 17)),
        ("no date", None),
        (None, None),
    ],
)
def test_a_day_is_that_of_sao_paulo_but_of_exactly_midnight_utc(value, found):
    assert fields.day(value) == found


def test_midnight_utc_is_recognised_in_every_offset():
    assert fields.day_of(datetime.fromisoformat("2026-11-17T21:00:00-03:00")) == date(2026, 11, 18)
    assert fields.day_of(datetime(2026, 11, 18, 0, 0, 1, tzinfo=UTC)) == date(2026, 11, 17)
