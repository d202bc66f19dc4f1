"""Investments, identity, loans, consents (Pluggy facts 5.7, 5.8)."""

from flask import Blueprint, Response

from pluggy_sandbox.api.answers import answer, paged, server_only, world
from pluggy_sandbox.api.lookup import found_item, items_of, one, readable_items
from pluggy_sandbox.api.requests import argument, required_argument
from pluggy_sandbox.state.items import Item
from pluggy_sandbox.wire.errors import NotFoundError

blueprint = Blueprint("data_products", __name__)


def _item() -> Item:
    return found_item(world(), server_only(), required_argument("itemId"))


def _readable() -> list[Item]:
    return readable_items(world(), server_only())


@blueprint.get("/investments")
def investments() -> Response:
    """List the investments of an Item."""
    with world().lock:
        item, wanted = _item(), argument("type")
        views = [] if item.authorization.is_revoked else item.holdings.investments
        return paged([v for v in views if wanted in (None, v["type"])])


@blueprint.get("/investments/<investment_id>")
def investment(investment_id: str) -> Response:
    """Show an investment."""
    with world().lock:
        views = (v for item in _readable() for v in item.holdings.investments)
        return answer(one(views, investment_id, "investment"))


@blueprint.get("/investments/<investment_id>/transactions")
def investment_transactions(investment_id: str) -> Response:
    """List the movements of an investment; none where the consent was withdrawn."""
    with world().lock:
        for item in items_of(world(), server_only()):
            if investment_id in item.holdings.investment_transactions:
                hidden = item.authorization.is_revoked
                return paged([] if hidden else item.holdings.investment_transactions[investment_id])
    raise NotFoundError("Investment not found", "INVESTMENT_NOT_FOUND")


@blueprint.get("/identity")
def identity_of_item() -> Response:
    """Show who the Item belongs to."""
    with world().lock:
        item = _item()
        if item.holdings.identity is None or item.authorization.is_revoked:
            raise NotFoundError("Identity not found", "IDENTITY_NOT_FOUND")
        return answer(item.holdings.identity)


@blueprint.get("/identity/<identity_id>")
def identity(identity_id: str) -> Response:
    """Show an identity."""
    with world().lock:
        views = (item.holdings.identity for item in _readable() if item.holdings.identity)
        return answer(one(views, identity_id, "identity"))


@blueprint.get("/loans")
def loans() -> Response:
    """List the loans of an Item."""
    with world().lock:
        item = _item()
        return paged([] if item.authorization.is_revoked else item.holdings.loans)


@blueprint.get("/loans/<loan_id>")
def loan(loan_id: str) -> Response:
    """Show a loan."""
    with world().lock:
        return answer(one((v for item in _readable() for v in item.holdings.loans), loan_id, "loan"))


@blueprint.get("/consents")
def consents() -> Response:
    """List the consents of an Item, withdrawn ones included."""
    with world().lock:
        return paged(_item().authorization.consents)


@blueprint.get("/consents/<consent_id>")
def consent(consent_id: str) -> Response:
    """Show a consent."""
    with world().lock:
        views = (v for item in items_of(world(), server_only()) for v in item.authorization.consents)
        return answer(one(views, consent_id, "consent"))
