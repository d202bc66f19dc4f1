"""
What a request asks for: the parameters of its address, in Pluggy's rules and words (Pluggy facts 5.1, 5.3).

Tests: `pluggy_copy/test_transactions.py`, `pluggy_copy/test_accounts.py`.
"""

from collections.abc import Collection
from datetime import UTC, datetime
from http import HTTPStatus

from flask import request

from pluggy_sync import item_ids, wire
from pluggy_sync.store.pluggy_reads import Slice
from webhook_app.pluggy_copy.answers import RefusedError, not_found

MOST_ROWS = 500
_MOST_PAGES = 1_000_000


def bad(message: str, code_description: str | None = None) -> RefusedError:
    """Return what is said of a request that cannot be answered as it is."""
    return RefusedError(HTTPStatus.BAD_REQUEST, message, code_description)


def refuse_unknown(known: Collection[str]) -> None:
    """
    Refuse parameters that are not *known*, as the `/v2` addresses do.

    Raises:
        RefusedError: names them.
    """
    unknown = [f"property {name} should not exist" for name in request.args if name not in known]
    if unknown:
        raise bad(", ".join(unknown))


def text(name: str) -> str | None:
    """
    Return the parameter; None: it is absent or empty.

    Raises:
        RefusedError: it is there more than once.
    """
    given = request.args.getlist(name)
    if len(given) > 1:
        raise bad(f"{name} must be a string")
    return given[0] or None if given else None


def required(name: str) -> str:
    """
    Return the parameter.

    Raises:
        RefusedError: it is absent, or there more than once.
    """
    given = text(name)
    if given is None:
        raise bad(f"{name} is required")
    return given


def texts(name: str) -> list[str] | None:
    """Return the values of a parameter that is repeated or has commas (Pluggy facts 13.17); None: it is absent."""
    if name not in request.args:
        return None
    return [each for given in request.args.getlist(name) for each in given.split(",") if each]


def item_id(given: str | None = None) -> str:
    """
    Return the id of an Item: *given*, or the parameter `itemId`.

    Raises:
        RefusedError: it can be the id of no Item.
    """
    try:
        return item_ids.read(required("itemId") if given is None else given)
    except item_ids.NotAnItemIdError:
        raise not_found("Item") from None


def uuid(name: str) -> str:
    """
    Return the parameter, a UUID in lower case.

    Raises:
        RefusedError: it is none.
    """
    try:
        return item_ids.read(required(name))
    except item_ids.NotAnItemIdError:
        raise bad(f"{name} must be a UUID") from None


def whole(name: str, default: int, *, least: int, most: int) -> int:
    """
    Return the parameter as a number from *least* to *most*.

    Raises:
        RefusedError: it is something else.
    """
    given = text(name)
    if given is None:
        return default
    if not (given.isascii() and given.isdecimal()):
        raise bad(f"{name} must be an integer number")
    # Nothing as long fits; Python reads no more digits than it must.
    number = int(given) if len(given) <= len(str(most)) else most + 1
    if not least <= number <= most:
        raise bad(f"{name} must be from {least} to {most}")
    return number


def instant(name: str) -> datetime | None:
    """
    Return the parameter as a moment; None: it is absent.

    Raises:
        RefusedError: it is none.
    """
    try:
        given = wire.instant(text(name))
    except ValueError:
        raise bad(f"{name} must be a valid ISO 8601 date string") from None
    return None if given is None else given.astimezone(UTC)


def page_and_size() -> tuple[int, int]:
    """
    Return which page is asked for and how many rows each has.

    Raises:
        RefusedError: as `whole`.
    """
    size = whole("pageSize", MOST_ROWS, least=1, most=MOST_ROWS)
    return whole("page", 1, least=1, most=_MOST_PAGES), size


def slice_of(number: int, size: int) -> Slice:
    """Return which rows page *number* has."""
    return Slice(skip=(number - 1) * size, most=size)
