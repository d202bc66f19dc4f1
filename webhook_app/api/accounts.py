"""Accounts of the mirror, and their transactions by filter."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import marshmallow as ma
from flask import Response
from marshmallow import validate
from sqlalchemy import Connection

from pluggy_sync import wire
from pluggy_sync.rules.replacements import Rule
from pluggy_sync.store import accounts, balances, series, transaction_revisions, transactions
from pluggy_sync.store.accounts import StoredAccount
from pluggy_sync.store.transactions import Change, StoredTransaction, StreamedChange
from webhook_app.api import exports, paging, pluggy_objects
from webhook_app.api.blueprint import ApiBlueprint
from webhook_app.api.fields import Instant, Money, PageQuery, PluggyObject, page_of
from webhook_app.api.items import living
from webhook_app.app_resources import resources
from webhook_app.problems import INVALID_REQUEST, ProblemError

blueprint = ApiBlueprint("accounts", __name__, description="Accounts and transactions as last synced")


class BalanceCheckSchema(ma.Schema):
    """Whether the rows since the balance before explain the newest one. A difference is shown, never corrected."""

    collectedAt = Instant(required=True, attribute="collected_at")
    drift = Money(required=True, metadata={"description": "What the rows do not explain; exact"})


class AccountSchema(PluggyObject):
    """An account or card, as Pluggy sent it. `syncedAt`, `missingSince` and `balanceCheck` are ours."""

    PLUGGYS = pluggy_objects.ACCOUNT

    id = ma.fields.Str(required=True)
    itemId = ma.fields.Str(required=True)
    type = ma.fields.Str(allow_none=True, metadata={"description": "BANK or CREDIT"})
    balance = Money(allow_none=True, metadata={"description": "Exact. Of a card: what is owed"})
    currencyCode = ma.fields.Str(allow_none=True, metadata={"description": "ISO 4217"})
    syncedAt = Instant(required=True, metadata={"description": "When it was last read from Pluggy"})
    missingSince = Instant(
        required=True,
        allow_none=True,
        metadata={"description": "Since when Pluggy lists it no more; null while it does. The rows are kept"},
    )
    balanceCheck = ma.fields.Nested(
        BalanceCheckSchema,
        required=True,
        allow_none=True,
        metadata={"description": "null for a card, and before the second collection"},
    )


class TransactionSchema(PluggyObject):
    """A movement, as Pluggy sent it. A card's purchases are positive: read `type`, not the sign."""

    PLUGGYS = pluggy_objects.TRANSACTION

    id = ma.fields.Str(required=True)
    accountId = ma.fields.Str(required=True)
    date = Instant(required=True)
    amount = Money(allow_none=True, metadata={"description": "Exact"})
    replaces = ma.fields.Str(
        metadata={
            "description": (
                "Id of a pending transaction, gone now, whose place this one probably took: carry your labels over. "
                "A hint of ours; absent for most"
            )
        },
    )
    replacesRule = ma.fields.Str(
        validate=validate.OneOf(list(Rule)),
        metadata={"description": "What tells so: the bank's own id, or account, amount and a day close by"},
    )


def transaction_view(row: StoredTransaction | Change | StreamedChange) -> dict[str, Any]:
    """Return the transaction as `TransactionSchema` dumps it. It must not be gone."""
    hint = {} if row.replaces is None else {"replaces": row.replaces, "replacesRule": row.replaces_rule}
    return {**(row.raw or {}), **hint}


# Of a CSV export, in this order.
TRANSACTION_COLUMNS = (
    "id",
    "accountId",
    "date",
    "description",
    "descriptionRaw",
    "amount",
    "amountInAccountCurrency",
    "currencyCode",
    "type",
    "status",
    "category",
    "categoryId",
    "providerId",
    "createdAt",
    "updatedAt",
    "replaces",
    "replacesRule",
)


class TransactionsQuery(PageQuery):
    date_from = ma.fields.Date(
        load_default=None, data_key="dateFrom", metadata={"description": "First day, in São Paulo"}
    )
    date_to = ma.fields.Date(load_default=None, data_key="dateTo", metadata={"description": "Last day, in São Paulo"})
    status = ma.fields.Str(load_default=None, validate=validate.OneOf(["PENDING", "POSTED"]))
    as_of = Instant(
        load_default=None,
        data_key="asOf",
        metadata={
            "description": (
                "The rows as they were stored here at that moment, the removed ones among them; absent: as they are. "
                "It reaches back as far as the service keeps revisions (KEEP_REVISIONS_DAYS)"
            ),
            "format": "date-time",
            "type": "string",
        },
    )
    with_predecessors = ma.fields.Bool(
        load_default=False,
        data_key="withPredecessors",
        metadata={
            "description": (
                "Also the rows that only accounts have whose place this one took, as when the person connected the "
                "bank anew: one series, each row once. A row keeps its own `accountId`"
            )
        },
    )

    @ma.validates_schema
    def _in_order(self, data: dict[str, Any], **_: Any) -> None:
        if data["date_from"] and data["date_to"] and data["date_from"] > data["date_to"]:
            raise ma.ValidationError("Must not be before dateFrom.", field_name="dateTo")
        if data["as_of"] and data["with_predecessors"]:
            raise ma.ValidationError("Is of one account: leave out withPredecessors.", field_name="asOf")


@blueprint.get("/items/<item_id>/accounts")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, page_of(AccountSchema, "AccountPage"))
@blueprint.refuses("item-not-found", "item-deleted", "invalid-cursor")
def list_accounts(query: dict[str, Any], item_id: str) -> dict[str, Any]:
    """List the Item's accounts, by id."""
    position = paging.position_of(query["after"], paging.text)
    with resources().database.begin() as conn:
        living(conn, item_id)
        found = accounts.after(conn, item_id, position[0] if position else None, limit=query["limit"] + 1)
        checked = balances.latest(conn, [account.id for account in found])

    def shown(account: StoredAccount) -> dict[str, Any]:
        check = checked.get(account.id)
        return {
            **account.raw,
            "syncedAt": account.synced_at,
            "missingSince": account.missing_since,
            "balanceCheck": None if check is None or check.drift is None else check,
        }

    return paging.page(found, query["limit"], lambda account: [account.id], shown)


@blueprint.get("/accounts/<account_id>/transactions")
@blueprint.arguments(TransactionsQuery, location="query")
@blueprint.response(200, page_of(TransactionSchema, "TransactionPage"))
@blueprint.streams(*exports.TYPES)
@blueprint.refuses("account-not-found", "history-not-kept", "invalid-cursor")
def list_transactions(query: dict[str, Any], account_id: str) -> dict[str, Any] | Response:
    """
    List the account's transactions, newest first.

    With `Accept: text/csv` or `Accept: application/x-ndjson` all of them come at once, as a stream without pages. To
    follow changes, read the Item's change feed instead.
    """
    type_ = exports.type_asked_for()
    if type_ is not None:
        return _export(query, account_id, type_)
    position = paging.position_of(query["after"], paging.moment, paging.text)
    with resources().database.begin() as conn:
        _require(conn, account_id, query["as_of"])
        predecessors = series.ancestors(conn, account_id) if query["with_predecessors"] else []
        rows = transactions.before(
            conn,
            account_id,
            None if position is None else (position[0], position[1]),
            date_from=query["date_from"],
            date_to=query["date_to"],
            status=query["status"],
            limit=query["limit"] + 1,
            predecessors=predecessors,
            as_of=query["as_of"],
        )
    return paging.page(rows, query["limit"], lambda row: [row.date.isoformat(), row.id], transaction_view)


def _require(conn: Connection, account_id: str, as_of: datetime | None) -> None:
    """
    Check that the account's transactions of *as_of* can be told.

    Raises:
        ProblemError: they cannot.
    """
    if as_of is not None and as_of > resources().now():
        raise ProblemError(
            INVALID_REQUEST, more={"errors": [{"where": "query", "field": "asOf", "message": "Lies in the future."}]}
        )
    if not accounts.is_stored(conn, account_id):
        raise ProblemError("account-not-found")
    if as_of is not None:
        earliest = transaction_revisions.begins_at(conn, account_id)
        if earliest is not None and as_of < earliest:
            # In full milliseconds, not before the moment itself.
            told = wire.to_text(earliest + timedelta(microseconds=999))
            raise ProblemError("history-not-kept", more={"earliest": told})


def _export(query: dict[str, Any], account_id: str, type_: str) -> Response:
    res = resources()
    with res.database.begin() as conn:
        _require(conn, account_id, query["as_of"])
        predecessors = series.ancestors(conn, account_id) if query["with_predecessors"] else []
    # Each part is a query of its own: a client that reads slowly holds no connection and no snapshot.
    filters = {name: query[name] for name in ("date_from", "date_to", "status", "as_of")}

    schema = TransactionSchema(many=True)

    def parts() -> Iterator[Sequence[dict[str, Any]]]:
        position: tuple[datetime, str] | None = None
        while True:
            with res.database.begin() as conn:
                rows = transactions.before(
                    conn, account_id, position, **filters, limit=exports.ROWS_PER_PART, predecessors=predecessors
                )
            yield schema.dump([transaction_view(row) for row in rows])
            if len(rows) < exports.ROWS_PER_PART:
                return
            position = rows[-1].date, rows[-1].id

    return exports.response(parts(), TRANSACTION_COLUMNS, type_, name=f"transactions-{account_id}")
