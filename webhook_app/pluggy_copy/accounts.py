"""Accounts, and the bills of cards (Pluggy facts 5.2, 5.7)."""

from flask import Blueprint, Response

from pluggy_sync.store import items, pluggy_reads
from pluggy_sync.store.data_products import BILLS
from pluggy_sync.store.pluggy_reads import Part
from webhook_app.app_resources import resources
from webhook_app.pluggy_copy import query
from webhook_app.pluggy_copy.answers import PREFIX, found, not_found, page
from webhook_app.pluggy_copy.items import check_is_known

blueprint = Blueprint("pluggy_accounts", __name__, url_prefix=PREFIX)

_TYPES = ("BANK", "CREDIT")


@blueprint.get("/accounts")
def show_all() -> Response:
    """List the accounts of an Item; none of one that is deleted (Pluggy facts 3.8)."""
    item_id, type_ = query.item_id(), query.text("type")
    if type_ not in (None, *_TYPES):
        raise query.bad(f"type must be one of the following values: {', '.join(_TYPES)}")
    number, size = query.page_and_size()
    with resources().database.begin() as conn:
        row = items.get(conn, item_id)
        if row is not None and row.deleted_at is not None:
            return page(Part(rows=[], total=0), number=number, size=size)
        check_is_known(conn, item_id)
        listed = pluggy_reads.accounts_of(conn, item_id, type_=type_, part=query.slice_of(number, size))
    return page(listed, number=number, size=size)


@blueprint.get("/accounts/<account_id>")
def show(account_id: str) -> Response:
    """Show an account."""
    with resources().database.begin() as conn:
        return found(pluggy_reads.account(conn, account_id.lower()), "Account")


@blueprint.get("/bills")
def show_bills() -> Response:
    """List the closed bills of a card, newest first."""
    account_id = query.required("accountId").lower()
    number, size = query.page_and_size()
    with resources().database.begin() as conn:
        if pluggy_reads.account(conn, account_id) is None:
            raise not_found("Account")
        listed = pluggy_reads.rows_of(conn, BILLS, account_id, part=query.slice_of(number, size))
    return page(listed, number=number, size=size)


@blueprint.get("/bills/<bill_id>")
def show_bill(bill_id: str) -> Response:
    """Show a bill."""
    with resources().database.begin() as conn:
        return found(pluggy_reads.row(conn, BILLS, bill_id), "Bill")
