"""Accounts of the mirror, and their transactions by filter."""

from typing import Any

import marshmallow as ma
from marshmallow import validate

from pluggy_sync.store import accounts, balances, transactions
from pluggy_sync.store.accounts import StoredAccount
from webhook_app.api import paging
from webhook_app.api.blueprint import ApiBlueprint
from webhook_app.api.fields import Instant, Money, PageQuery, PluggyObject, page_of
from webhook_app.api.items import living
from webhook_app.app_resources import resources
from webhook_app.problems import ProblemError

blueprint = ApiBlueprint("accounts", __name__, description="Accounts and transactions as last synced")


class BalanceCheckSchema(ma.Schema):
    """Whether the rows since the balance before explain the newest one. A difference is shown, never corrected."""

    collectedAt = Instant(required=True, attribute="collected_at")
    drift = Money(required=True, metadata={"type": "number", "description": "What the rows do not explain; exact"})


class AccountSchema(PluggyObject):
    """An account or card. Fields that are not listed are Pluggy's."""

    id = ma.fields.Str(required=True)
    itemId = ma.fields.Str(required=True)
    type = ma.fields.Str(allow_none=True)
    balance = Money(allow_none=True, metadata={"type": "number"})
    currencyCode = ma.fields.Str(allow_none=True)
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

    id = ma.fields.Str(required=True)
    accountId = ma.fields.Str(required=True)
    date = Instant(required=True)
    amount = Money(allow_none=True, metadata={"type": "number", "description": "Exact"})
    type = ma.fields.Str(allow_none=True)
    status = ma.fields.Str(allow_none=True)


class _TransactionsQuery(PageQuery):
    date_from = ma.fields.Date(
        load_default=None, data_key="dateFrom", metadata={"description": "First day, in São Paulo"}
    )
    date_to = ma.fields.Date(load_default=None, data_key="dateTo", metadata={"description": "Last day, in São Paulo"})
    status = ma.fields.Str(load_default=None, validate=validate.OneOf(["PENDING", "POSTED"]))

    @ma.validates_schema
    def _in_order(self, data: dict[str, Any], **_: Any) -> None:
        if data["date_from"] and data["date_to"] and data["date_from"] > data["date_to"]:
            raise ma.ValidationError("Must not be before dateFrom.", field_name="dateTo")


@blueprint.get("/items/<item_id>/accounts")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, page_of(AccountSchema, "AccountPage"))
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
@blueprint.arguments(_TransactionsQuery, location="query")
@blueprint.response(200, page_of(TransactionSchema, "TransactionPage"))
def list_transactions(query: dict[str, Any], account_id: str) -> dict[str, Any]:
    """List the account's transactions, newest first. To follow changes, read the Item's change feed instead."""
    position = paging.position_of(query["after"], paging.moment, paging.text)
    with resources().database.begin() as conn:
        if not accounts.is_stored(conn, account_id):
            raise ProblemError("account-not-found")
        rows = transactions.before(
            conn,
            account_id,
            None if position is None else (position[0], position[1]),
            date_from=query["date_from"],
            date_to=query["date_to"],
            status=query["status"],
            limit=query["limit"] + 1,
        )
    return paging.page(rows, query["limit"], lambda row: [row.date.isoformat(), row.id], lambda row: row.raw)
