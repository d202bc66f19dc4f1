"""Investments, identity, loans, consents; and categories, which belong to no Item (Pluggy facts 5.7, 5.8)."""

from flask import Blueprint, Response

from pluggy_sync.store import pluggy_reads
from pluggy_sync.store.data_products import CONSENTS, IDENTITIES, INVESTMENT_TRANSACTIONS, INVESTMENTS, LOANS, Listed
from webhook_app.app_resources import resources
from webhook_app.pluggy_copy import query
from webhook_app.pluggy_copy.answers import PREFIX, found, not_found, page
from webhook_app.pluggy_copy.items import check_is_known

blueprint = Blueprint("pluggy_data_products", __name__, url_prefix=PREFIX)


def _list_of_item(listed: Listed, *, type_: str | None = None) -> Response:
    item_id = query.item_id()
    number, size = query.page_and_size()
    with resources().database.begin() as conn:
        check_is_known(conn, item_id)
        rows = pluggy_reads.rows_of(conn, listed, item_id, type_=type_, part=query.slice_of(number, size))
    return page(rows, number=number, size=size)


def _one(listed: Listed, row_id: str, what: str) -> Response:
    with resources().database.begin() as conn:
        return found(pluggy_reads.row(conn, listed, row_id), what)


@blueprint.get("/investments")
def investments() -> Response:
    """List the investments of an Item."""
    return _list_of_item(INVESTMENTS, type_=query.text("type"))


@blueprint.get("/investments/<investment_id>")
def investment(investment_id: str) -> Response:
    """Show an investment."""
    return _one(INVESTMENTS, investment_id, "Investment")


@blueprint.get("/investments/<investment_id>/transactions")
def investment_transactions(investment_id: str) -> Response:
    """List the movements of an investment."""
    number, size = query.page_and_size()
    with resources().database.begin() as conn:
        if pluggy_reads.row(conn, INVESTMENTS, investment_id) is None:
            raise not_found("Investment")
        part = query.slice_of(number, size)
        rows = pluggy_reads.rows_of(conn, INVESTMENT_TRANSACTIONS, investment_id, part=part)
    return page(rows, number=number, size=size)


@blueprint.get("/identity")
def identity_of_item() -> Response:
    """Show whose an Item is: one object."""
    item_id = query.item_id()
    with resources().database.begin() as conn:
        check_is_known(conn, item_id)
        return found(pluggy_reads.identity_of(conn, item_id), "Identity")


@blueprint.get("/identity/<identity_id>")
def identity(identity_id: str) -> Response:
    """Show an identity."""
    return _one(IDENTITIES, identity_id, "Identity")


@blueprint.get("/loans")
def loans() -> Response:
    """List the loans of an Item."""
    return _list_of_item(LOANS)


@blueprint.get("/loans/<loan_id>")
def loan(loan_id: str) -> Response:
    """Show a loan."""
    return _one(LOANS, loan_id, "Loan")


@blueprint.get("/consents")
def consents() -> Response:
    """List the consents of an Item."""
    return _list_of_item(CONSENTS)


@blueprint.get("/consents/<consent_id>")
def consent(consent_id: str) -> Response:
    """Show a consent."""
    return _one(CONSENTS, consent_id, "Consent")


@blueprint.get("/categories")
def categories() -> Response:
    """List the categories, or those below one."""
    parent_id = query.text("parentId")
    number, size = query.page_and_size()
    with resources().database.begin() as conn:
        rows = pluggy_reads.categories_below(conn, parent_id, part=query.slice_of(number, size))
    return page(rows, number=number, size=size)


@blueprint.get("/categories/<category_id>")
def category(category_id: str) -> Response:
    """Show a category."""
    with resources().database.begin() as conn:
        return found(pluggy_reads.category(conn, category_id), "Category")
