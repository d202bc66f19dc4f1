"""JSON as Pluggy writes it: money stays exact, instants are UTC."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluggy_sync import wire


@pytest.mark.parametrize(
    "text", ["1234.5678", "0.1", "-0.0001", "99999999999999999999.9999", "123456789012345678901234567890.12", "1.10"]
)
def test_money_is_neither_rounded_nor_shortened(text):
    assert wire.decode(text) == Decimal(text)
    assert str(wire.decode(text)) == text
    assert wire.encode(wire.decode(text)) == text.encode()


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**15), max_value=10**15))
def test_every_amount_of_four_decimals_comes_back_as_it_was(amount):
    assert wire.decode(wire.encode({"amount": amount})) == {"amount": amount}


@pytest.mark.parametrize("body", [b"", b"{", b"nan", b"[1,]", b"\xff", b"[" * 100_000])
def test_what_is_not_json_raises_one_kind_of_error(body):
    with pytest.raises(msgspec.DecodeError):
        wire.decode(body)


@pytest.mark.parametrize(
    "text, moment",
    [
        ("2026-01-31T03:00:00.000Z", datetime(2026, 1, 31, 3, tzinfo=UTC)),
        ("2026-01-31T00:00:00-03:00", datetime(2026, 1, 31, 3, tzinfo=UTC)),
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T03:00:00", datetime(2026, 1, 31, 3, tzinfo=UTC)),
        (None, None),
    ],
)
def test_instants_are_read_in_every_form(text, moment):
    assert wire.instant(text) == moment


@pytest.mark.parametrize("text", ["", "0001-01", "soon", "2026-13-01"])
def test_what_is_no_instant_is_refused(text):
    with pytest.raises(ValueError):
        wire.instant(text)


def test_an_instant_is_written_as_pluggy_does():
    assert wire.to_text(datetime(2026, 1, 31, 3, 0, 0, 123456, tzinfo=UTC)) == "2026-01-31T03:00:00.123Z"
    assert wire.to_text(None) is None


def test_a_null_character_is_replaced_wherever_it_stands():
    value = {"a\0": ["b\0c", {"d": "\0"}], "n": 1, "none": None}

    assert wire.without_null(value) == {"a�": ["b�c", {"d": "�"}], "n": 1, "none": None}
