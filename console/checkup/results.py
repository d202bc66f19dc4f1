"""
What a check says.

Tests: `console/cli/test_doctor.py`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from pluggy_sync.pluggy.errors import PluggyError
from pluggy_sync.resources import Resources


class Verdict(StrEnum):
    """How it is. NOT_SEEN: it could not be looked at from here, or something that it needs is away."""

    PASS = "pass"  # noqa: S105 - no password
    HEADS_UP = "heads-up"
    PROBLEM = "problem"
    NOT_SEEN = "not seen"


@dataclass(frozen=True, kw_only=True)
class Result:
    """*about* names what was looked at. *remedy*: what to do; None where nothing is to be done."""

    about: str
    verdict: Verdict
    detail: str
    remedy: str | None = None


def passed(about: str, detail: str) -> Result:
    """Return that it is well."""
    return Result(about=about, verdict=Verdict.PASS, detail=detail)


def heads_up(about: str, detail: str, remedy: str) -> Result:
    """Return that it works, and may not one day."""
    return Result(about=about, verdict=Verdict.HEADS_UP, detail=detail, remedy=remedy)


def problem(about: str, detail: str, remedy: str) -> Result:
    """Return that it does not work."""
    return Result(about=about, verdict=Verdict.PROBLEM, detail=detail, remedy=remedy)


def not_seen(about: str, detail: str, remedy: str | None = None) -> Result:
    """Return that it could not be looked at."""
    return Result(about=about, verdict=Verdict.NOT_SEEN, detail=detail, remedy=remedy)


Check = Callable[[Resources], Iterator[Result]]


def results_of(check: Check, about: str, res: Resources) -> Iterator[Result]:
    """Yield what *check* says, as far as it gets; what is away stops this check only."""
    try:
        yield from check(res)
    except SQLAlchemyError as exc:
        yield not_seen(about, f"Postgres does not answer it ({type(exc).__name__})")
    except RedisError as exc:
        yield not_seen(about, f"Redis does not answer it ({type(exc).__name__})")
    except PluggyError as exc:
        yield not_seen(about, f"Pluggy does not answer it: {exc}")
    except Exception as exc:  # noqa: BLE001 - whatever is odd about one thing, the others are looked at
        yield not_seen(about, f"a fault of the doctor ({type(exc).__name__})")
