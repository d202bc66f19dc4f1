"""No public function of the store gives or takes a row of SQLAlchemy: a misspelt column has to fail the type check."""

import dataclasses
import importlib
import inspect
import pkgutil
import typing
from collections.abc import Iterator, Sequence

import pytest
import sqlalchemy as sa

from pluggy_sync import store

# Their columns are not known to a type checker.
UNTYPED = (sa.Row, sa.RowMapping, sa.Result, sa.MappingResult, sa.ScalarResult)


def public_functions() -> Iterator[tuple[str, typing.Any]]:
    for found in pkgutil.iter_modules(store.__path__, "pluggy_sync.store."):
        if found.ispkg:  # the migrations
            continue
        for name, thing in vars(importlib.import_module(found.name)).items():
            if name.startswith("_") or getattr(thing, "__module__", None) != found.name:
                continue
            if inspect.isfunction(thing):
                yield f"{found.name}.{name}", thing
            elif inspect.isclass(thing):
                yield f"{found.name}.{name}", thing
                yield from ((f"{found.name}.{name}.{each}", method) for each, method in public_methods(thing))


def public_methods(class_: type) -> Iterator[tuple[str, typing.Any]]:
    for name, thing in vars(class_).items():
        inner = thing.fget if isinstance(thing, property) else getattr(thing, "__func__", thing)
        if not name.startswith("_") and inspect.isfunction(inner):
            yield name, inner


def parts_of(hint: typing.Any) -> Iterator[typing.Any]:
    """Yield *hint* and all that it is made of."""
    yield hint
    for argument in [typing.get_origin(hint), *typing.get_args(hint)]:
        if argument is not None:
            yield from [argument] if not typing.get_args(argument) else parts_of(argument)


def untyped(thing: typing.Any) -> list[str]:
    """Return where the annotations of a function or class hide the columns of a row."""
    return [name for name, hint in typing.get_type_hints(thing).items() if hides_columns(name, list(parts_of(hint)))]


def hides_columns(name: str, parts: list[typing.Any]) -> bool:
    # A field of a value may be an object of Pluggy's, which may hold anything. A value that is returned may not.
    is_any = name == "return" and typing.Any in parts
    return is_any or any(inspect.isclass(part) and issubclass(part, UNTYPED) for part in parts)


def test_what_leaves_the_store_has_fields_that_a_type_checker_knows():
    checked = dict(public_functions())

    assert {name: found for name, thing in checked.items() if (found := untyped(thing))} == {}
    assert len(checked) > 100


@dataclasses.dataclass
class _Hiding:
    row: sa.Row[typing.Any]


def _rows() -> list[sa.Row[typing.Any]]:
    return []


def _mappings() -> dict[str, sa.RowMapping]:
    return {}


def _anything() -> Sequence[typing.Any]:
    return []


def _result(found: sa.CursorResult[typing.Any]) -> None:
    del found


def _value(raw: dict[str, typing.Any]) -> str | None:
    return str(raw)


@pytest.mark.parametrize(
    "thing, where",
    [
        (_Hiding, ["row"]),
        (_rows, ["return"]),
        (_mappings, ["return"]),
        (_anything, ["return"]),
        (_result, ["found"]),
        (_value, []),
    ],
)
def test_an_untyped_row_is_found_wherever_an_annotation_has_it(thing, where):
    assert untyped(thing) == where
