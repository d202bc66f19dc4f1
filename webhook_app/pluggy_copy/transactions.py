"""Transactions by cursor, and one (Pluggy facts 5.3)."""

from datetime import date
from http import HTTPStatus

from flask import Blueprint, Response, request
from sqlalchemy import Connection

from pluggy_sync.pluggy.fields import Raw
from pluggy_sync.store import pluggy_reads
from webhook_app.app_resources import resources
from webhook_app.pluggy_copy import cursors, query
from webhook_app.pluggy_copy.answers import PREFIX, RefusedError, answer, found, not_found

blueprint = Blueprint("pluggy_transactions", __name__, url_prefix=PREFIX)

_PARAMETERS = frozenset({"accountId", "ids", "dateFrom", "dateTo", "createdAtFrom", "after"})
_ROWS = 500
_MOST_IDS = 500


@blueprint.get("/v2/transactions")
def show_page() -> Response:
    """Answer with one page, newest first, and how to ask for the next one."""
    query.refuse_unknown(_PARAMETERS)
    account_id = query.uuid("accountId")
    if {"dateFrom", "createdAtFrom"} <= request.args.keys():
        raise query.bad("dateFrom cannot be used together with createdAtFrom")
    ids = query.texts("ids")
    if ids is not None and len(ids) > _MOST_IDS:
        raise query.bad(f"ids must have at most {_MOST_IDS} elements", "IDS_PARAMETER_EXCEEDS_MAX_LENGTH")
    with resources().database.begin() as conn:
        if pluggy_reads.account(conn, account_id) is None:
            raise not_found("Account")
        rows, following = _page(conn, account_id) if ids is None else (_chosen(conn, account_id, ids), None)
    return answer({"results": rows, "next": following})


def _page(conn: Connection, account_id: str) -> tuple[list[Raw], str | None]:
    listed = pluggy_reads.transactions_before(
        conn,
        account_id,
        cursors.place(),
        date_from=_day("dateFrom"),
        date_to=_day("dateTo"),
        created_from=query.instant("createdAtFrom"),
        limit=_ROWS + 1,
    )
    shown = listed[:_ROWS]
    following = cursors.following((shown[-1].date, shown[-1].id)) if len(listed) > _ROWS else None
    return [each.raw for each in shown], following


def _chosen(conn: Connection, account_id: str, ids: list[str]) -> list[Raw]:
    """Return those that exist, in the order in which they were asked for."""
    stored = pluggy_reads.transactions_by_ids(conn, account_id, ids)
    return [stored[each].raw for each in dict.fromkeys(ids) if each in stored]


def _day(name: str) -> date | None:
    moment = query.instant(name)
    return None if moment is None else moment.date()


@blueprint.get("/transactions/<transaction_id>")
def show(transaction_id: str) -> Response:
    """Show one transaction."""
    with resources().database.begin() as conn:
        return found(pluggy_reads.transaction(conn, transaction_id), "Transaction")


@blueprint.get("/transactions")
def gone() -> Response:
    """Say that the old address is no more (Pluggy facts 5.4)."""
    raise RefusedError(HTTPStatus.GONE, "This endpoint is deprecated, use /v2/transactions", "ENDPOINT_DEPRECATED")
