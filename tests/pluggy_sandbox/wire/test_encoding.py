"""JSON in and out."""

import json

import pytest

from pluggy_sandbox.wire.encoding import decode, decode_exact, encode


@pytest.mark.parametrize(
    "value", ["\ud83d", "a\udc00b", ["\ud83d", {"\udfff": ("x", "\ud800\ud801")}], {"x": "\uf8ff and \ud83d", "n": 1}]
)
def test_half_a_surrogate_pair_is_written_as_an_escape_and_read_again(value: object) -> None:
    written = encode(value)

    assert written.decode()  # UTF-8 has no room for it
    assert decode_exact(written) == json.loads(json.dumps(value))


def test_a_whole_pair_and_a_null_character_are_ordinary_text() -> None:
    assert encode("😀\x00") == b'"\xf0\x9f\x98\x80\\u0000"'


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_a_value_error(raw: bytes) -> None:
    with pytest.raises(ValueError):
        decode(raw)
