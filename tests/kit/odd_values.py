"""Odd values in place of every field of an object, as banks and Pluggy may send them."""

import copy
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from pluggy_sync import wire

Path = tuple[str | int, ...]

# As JSON: some of them Python cannot write.
ODD = (
    "null",
    "true",
    "7",
    "-1",
    "3000000000",
    "12.34",
    "1e4400",
    "1e-9999999999999999999",
    "9" * 5_000,
    '""',
    '"12.34"',
    r'"half \ud83d"',
    r'"null \u0000"',
    '"' + "y" * 6_000 + '"',
    '"0001-01-01T00:00:00.000Z"',
    '"9999-12-31T23:59:59-03:00"',
    "[]",
    "[null]",
    "{}",
    r'{"a \ude00":[1e4400]}',
)


_PLACE = "<the odd value>"


def paths(value: Any, before: Path = ()) -> Iterator[Path]:
    """Yield the way to each field of *value*, and to the first of each list."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield (*before, name)
            yield from paths(each, (*before, name))
    elif isinstance(value, list) and value:
        yield (*before, 0)
        yield from paths(value[0], (*before, 0))


def with_odd(raw: dict[str, Any], path: Path, odd: str) -> bytes:
    """Return *raw* as JSON with *odd*, which is JSON, at *path*."""
    changed = copy.deepcopy(raw)
    at: Any = changed
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = _PLACE
    return wire.encode(changed).replace(wire.encode(_PLACE), odd.encode())


def every_odd(raw: dict[str, Any], *, one_in: int = 1) -> Sequence[tuple[Path, str]]:
    """Return each field of *raw* with each odd value, or evenly *one_in* so many of these pairs."""
    return list(itertools.product(paths(raw), ODD))[::one_in]
