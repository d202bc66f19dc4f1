"""JSON as Pluggy writes it: money stays exact, instants are UTC, and what cannot be stored is repaired."""

import contextlib
import json
import time
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects.postgresql import JSONB

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


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nan",
        b"[1,]",
        b"\xff",
        b"[" * 100_000,
        b'{"a":[' * 1_000,
        b'"\\ud83d',
        b'"\\u0000',
        b'"\\',
        b"-",
        b"1" * 5_000 + b"x",
    ],
    ids=lambda body: repr(body[:12]),
)
def test_what_is_not_json_raises_one_kind_of_error(body):
    with pytest.raises(msgspec.DecodeError):
        wire.decode(body)
    with pytest.raises(msgspec.DecodeError):
        wire.decode_strictly(body)


@given(st.binary(max_size=60))
def test_no_bytes_at_all_raise_anything_else(body):
    for decode in (wire.decode, wire.decode_strictly):
        with contextlib.suppress(msgspec.DecodeError):
            decode(body)


JSON_TEXT = st.text(alphabet=st.sampled_from('ab"\\/\0\ud83d\ude00\ufeff\u00e9[]{}:,0')).map(json.dumps)


@given(st.lists(JSON_TEXT, max_size=6))
def test_every_text_of_json_is_read_and_can_be_stored(texts):
    value = wire.decode("[" + ",".join(texts) + "]")

    assert len(value) == len(texts)
    for read, text in zip(value, texts, strict=True):
        # As Python reads it, but for what has no place in UTF-8 or in Postgres.
        whole = json.loads(text).encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", MARK)
        assert read.replace(MARK, "") == whole.replace(MARK, "")
        assert "\0" not in read
        read.encode()


MARK = "\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    "body, value",
    [
        (rb'"half \ud83d"', f"half {MARK}"),
        (rb'"\ude00 half"', f"{MARK} half"),
        (rb'"\ud83dA"', f"{MARK}A"),
        (rb'"\ud83d\u0041"', f"{MARK}A"),
        (rb'"\ud83d\ud83d\ude00"', f"{MARK}\N{GRINNING FACE}"),
        (rb'"\ud83d\ude00\u0000"', f"\N{GRINNING FACE}{MARK}"),
        (rb'"a backslash: \\ud83d"', r"a backslash: \ud83d"),
        (rb'"a backslash: \\u0000"', r"a backslash: \u0000"),
        (rb'"a backslash and half: \\\ud83d"', f"a backslash and half: \\{MARK}"),
        (b'"latin \xe9"', f"latin {MARK}"),
        (b'"a half pair in UTF-8 \xed\xa0\xbd"', f"a half pair in UTF-8 {MARK * 3}"),
        (rb'{"key \u0000":{"key \ud83d":[]}}', {f"key {MARK}": {f"key {MARK}": []}}),
        (b'\xef\xbb\xbf{"a":1}', {"a": 1}),
        ('"\ud83d"', MARK),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_what_postgres_cannot_store_is_replaced_wherever_it_stands(body, value):
    assert wire.decode(body) == value


@pytest.mark.parametrize(
    "body",
    [rb'"\ud83d"', rb'{"\ude00":1}', rb'"\u0000"', b'"\xe9"', '"\ud83d"', b"[" * 1500 + b"]" * 1500],
    ids=lambda body: ascii(body)[:20],
)
def test_what_a_caller_sends_is_refused_instead(body):
    with pytest.raises(msgspec.DecodeError):
        wire.decode_strictly(body)


@pytest.mark.parametrize("body", [rb'"\ud83d\ude00"', rb'"\\u0000"', rb'"\\ud83d"', b"[1.5]"])
def test_what_only_looks_odd_is_taken_from_a_caller(body):
    assert wire.decode_strictly(body) == wire.decode(body)


HUGE = ["1e4300", "1e4400", "1E1000000", "-1e9999999999999999999", "1e-9999999999999999999", "1e40", "1e-41", "0e99"]
HUGE += ["9" * 5_000, "-" + "9" * 100_000, "0." + "1" * 5_000, "1" + "0" * 40 + ".5"]


@pytest.mark.parametrize("number", HUGE, ids=lambda number: number[:24])
def test_a_number_that_nobody_can_handle_is_its_text_wherever_it_stands(number):
    value = wire.decode(f'{{"a":[{number},"1"],"b":"{number}"}}')

    assert value == {"a": [number, "1"], "b": number}
    assert wire.decode(wire.encode(value)) == value


@pytest.mark.parametrize("number", ["1e39", "1e-40", "9" * 40, "9" * 4_300, "0." + "0" * 39 + "1", "-1.5E+3"])
def test_a_number_within_bounds_is_a_number_also_once_postgres_has_written_it_out(number, database):
    value = wire.decode(number)

    with database.connect() as conn:
        stored = conn.scalar(sa.select(sa.cast(sa.literal(value, JSONB), JSONB)))

    assert isinstance(value, int | Decimal)
    assert stored == value
    assert isinstance(stored, int | Decimal)


@pytest.mark.parametrize(
    "body",
    [
        b'"' + rb"\"" * 2_000_000,
        b'"' + rb"\"" * 2_000_000 + b"\\",
        rb'"\ud83d' * 500_000,
        b"1" * 4_000_000,
        b"-" * 4_000_000,
        b"[" * 4_000_000,
        b'{"a":[' * 500_000 + b"]}" * 500_000,
        rb"\u0000" * 600_000,
    ],
    ids=lambda body: repr(body[:12]),
)
def test_reading_takes_time_in_proportion_to_the_length(body):
    """Four million bytes take a fraction of a second; were it their square, they would take hours."""
    started = time.process_time()
    with contextlib.suppress(msgspec.DecodeError):
        wire.decode(body)

    assert time.process_time() - started < 20


def test_what_is_nested_too_deeply_is_cut_off_and_its_neighbours_are_read():
    deep = '{"in":' * 3_000 + "1" + "}" * 3_000

    value = wire.decode(f'{{"before":1,"deep":[{deep},2],"after":[{{"text":"]}}"}}]}}')

    assert (value["before"], value["deep"][1], value["after"]) == (1, 2, [{"text": "]}"}])
    assert MARK.encode() in wire.encode(value)


def test_a_stored_value_that_cannot_be_read_is_told_as_such():
    assert wire.decode_stored('{"a":1}') == {"a": 1}
    assert wire.decode_stored("{") == {"unreadable": True}


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


NO_INSTANTS = [
    "",
    "0001-01",
    "soon",
    "2026-13-01",
    "2026-01-31T23:59:60Z",
    "0001-01-01T00:00:00.000Z",
    "0001-01-01",
    "0001-01-01T12:00:00+14:00",
    "9999-12-31T23:59:59-03:00",
    "9999-12-31",
    "10000-01-01T00:00:00Z",
    1767225600,
    Decimal("1.5"),
    True,
    [],
    {},
    "\N{REPLACEMENT CHARACTER}",
    "2" * 100_000,
]


@pytest.mark.parametrize("value", NO_INSTANTS, ids=lambda value: repr(value)[:30])
def test_what_is_no_instant_is_refused_or_passed_over(value):
    with pytest.raises(ValueError):
        wire.instant(value)
    assert wire.instant_or_none(value) is None


@pytest.mark.parametrize("zone", ["UTC", "America/Sao_Paulo", "Pacific/Kiritimati", "Etc/GMT+12"])
@pytest.mark.parametrize("text", ["0002-01-02T00:00:00.000Z", "9998-12-30T00:00:00.000Z"])
def test_every_instant_that_is_read_can_be_stored_and_read_again_whatever_the_zone_of_the_session(database, zone, text):
    moment = wire.instant(text)

    with database.connect() as conn:
        conn.execute(sa.text(f"SET TIME ZONE '{zone}'"))
        stored = conn.scalar(sa.select(sa.cast(sa.literal(moment, sa.DateTime(timezone=True)), sa.DateTime(True))))

    assert stored == moment


def test_an_instant_is_written_as_pluggy_does():
    assert wire.to_text(datetime(2026, 1, 31, 3, 0, 0, 123456, tzinfo=UTC)) == "2026-01-31T03:00:00.123Z"
    assert wire.to_text(None) is None
