"""Transactions by cursor (Pluggy facts 5.3)."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from flask import Blueprint, Response, request

from pluggy_sandbox.api import cursors
from pluggy_sandbox.api.answers import MOST_PER_PAGE, raw, server_only, world
from pluggy_sandbox.api.lookup import found_account, readable_items
from pluggy_sandbox.api.requests import argument, arguments, body, refuse_unknown_arguments, required_argument
from pluggy_sandbox.catalogue.categories import CATEGORIES
from pluggy_sandbox.holdings.ledger import Ledger, Position, Window
from pluggy_sandbox.wire import fields
from pluggy_sandbox.wire.errors import BadRequestError, GoneError, NotFoundError
from pluggy_sandbox.wire.instants import iso, parse_instant

blueprint = Blueprint("transactions", __name__)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ALLOWED = frozenset({"accountId", "ids", "dateFrom", "dateTo", "createdAtFrom", "after"})


@dataclass(frozen=True)
class Query:
    """What a request for a page asks for."""

    account_id: str
    window: Window
    ids: list[str] | None
    after: str | None


@blueprint.get("/v2/transactions")
def show_page() -> Response:
    """Serve one page, newest first, and how to ask for the next one."""
    here, who, query = world(), server_only(), _query()
    with here.lock:
        item, held = found_account(here, who, query.account_id)
        if item.authorization.is_revoked:
            return _envelope([], None)
        if query.ids is not None:
            return _envelope(_chosen(held.ledger, query), None)
        before = _position(held.ledger, query.after) if query.after else None
        rows = held.ledger.page(query.window, before, MOST_PER_PAGE + 1)
    more = len(rows) > MOST_PER_PAGE
    shown = rows[:MOST_PER_PAGE]
    cursor = _cursor(*shown[-1][:2]) if more else None
    return _envelope([row_body for _, _, row_body in shown], cursor)


@blueprint.get("/transactions/<transaction_id>")
def show(transaction_id: str) -> Response:
    """Show one transaction."""
    here, who = world(), server_only()
    with here.lock:
        for item in readable_items(here, who):
            for held in item.holdings.accounts.values():
                found = held.ledger.find(transaction_id)
                if found is not None:
                    return raw(found)
    raise NotFoundError("Transaction not found", "TRANSACTION_NOT_FOUND")


@blueprint.patch("/transactions/<transaction_id>")
def recategorise(transaction_id: str) -> Response:
    """Put a transaction into another category; later executions keep it there."""
    here, who, category_id = world(), server_only(), fields.text(body(), "categoryId")
    if category_id not in CATEGORIES:
        raise BadRequestError("categoryId is not a known category", "CATEGORY_NOT_FOUND")
    with here.lock:
        for item in readable_items(here, who):
            found = item.holdings.recategorise(transaction_id, category_id, here.clock.now)
            if found is not None:
                return raw(found)
    raise NotFoundError("Transaction not found", "TRANSACTION_NOT_FOUND")


@blueprint.get("/transactions")
def gone() -> Response:
    """The old endpoint (Pluggy facts 5.4)."""
    raise GoneError("This endpoint is deprecated, use /v2/transactions", "ENDPOINT_DEPRECATED")


def _query() -> Query:
    refuse_unknown_arguments(_ALLOWED)
    account_id = required_argument("accountId")
    _check_uuid(account_id)
    if "dateFrom" in request.args and "createdAtFrom" in request.args:
        raise BadRequestError("dateFrom cannot be used together with createdAtFrom")
    window = Window(date_from=_day("dateFrom"), date_to=_day("dateTo"), created_from=_instant("createdAtFrom"))
    return Query(account_id, window, _ids(), argument("after"))


def _check_uuid(text: str) -> None:
    try:
        UUID(text)
    except ValueError:
        raise BadRequestError("accountId must be a UUID") from None


def _ids() -> list[str] | None:
    ids = arguments("ids")
    if ids is not None and len(ids) > MOST_PER_PAGE:
        raise BadRequestError(f"ids must have at most {MOST_PER_PAGE} elements", "IDS_PARAMETER_EXCEEDS_MAX_LENGTH")
    return ids


def _instant(name: str) -> datetime | None:
    text = argument(name)
    if text is None:
        return None
    try:
        return parse_instant(text)
    except ValueError:
        raise BadRequestError(f"{name} must be a valid ISO 8601 date string") from None


def _day(name: str) -> date | None:
    at = _instant(name)
    return at.date() if at else None


def _chosen(ledger: Ledger, query: Query) -> list[bytes]:
    found = (ledger.find(row_id) for row_id in dict.fromkeys(query.ids or []))
    return [row for row in found if row is not None]


def _cursor(position: Position, row_id: str) -> str:
    return cursors.write(iso(_EPOCH + timedelta(milliseconds=position[0])), row_id)


def _position(ledger: Ledger, cursor: str) -> Position:
    position = ledger.place(cursors.read(cursor))
    if position is None:
        raise cursors.refused()
    return position


def _envelope(rows: list[bytes], cursor: str | None) -> Response:
    following = b"null"
    if cursor is not None:
        following = b'"%s"' % cursors.following(cursor).encode()
    return raw(b'{"results":[%s],"next":%s}' % (b",".join(rows), following))
