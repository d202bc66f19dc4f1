"""Accounts and bills (Pluggy facts 5.2, 5.7)."""

from flask import Blueprint, Response

from pluggy_sandbox.api.answers import answer, caller, paged, server_only, world
from pluggy_sandbox.api.lookup import found_account, found_item, one, readable_items, shown_account
from pluggy_sandbox.api.requests import argument, required_argument
from pluggy_sandbox.holdings.accounts import REDUCED
from pluggy_sandbox.wire.errors import BadRequestError

blueprint = Blueprint("accounts", __name__)


@blueprint.get("/accounts")
def show_all() -> Response:
    """List the accounts of an Item; none for a deleted or revoked one (Pluggy facts 3.8, 8)."""
    here, who = world(), caller()
    item_id, wanted = required_argument("itemId"), argument("type")
    if wanted not in (None, "BANK", "CREDIT"):
        raise BadRequestError("type must be one of the following values: BANK, CREDIT")
    with here.lock:
        if item_id in here.deleted and here.settings.deleted_item_accounts == "empty":
            return paged([])
        item = found_item(here, who, item_id)
        views = [held.view for held in item.holdings.accounts.values() if not item.authorization.is_revoked]
        views = [v for v in views if wanted in (None, v["type"])]
        if who.is_widget:
            views = [{key: v[key] for key in REDUCED} for v in views]
        return paged(views)


@blueprint.get("/accounts/<account_id>")
def show(account_id: str) -> Response:
    """Show an account."""
    here, who = world(), server_only()
    with here.lock:
        return answer(shown_account(here, who, account_id).view)


@blueprint.get("/bills")
def bills() -> Response:
    """List the closed bills of a card, newest first."""
    here, who = world(), server_only()
    account_id = required_argument("accountId")
    with here.lock:
        item, held = found_account(here, who, account_id)
        return paged([] if item.authorization.is_revoked else held.bills)


@blueprint.get("/bills/<bill_id>")
def bill(bill_id: str) -> Response:
    """Show a bill."""
    here, who = world(), server_only()
    with here.lock:
        held = (held for item in readable_items(here, who) for held in item.holdings.accounts.values())
        return answer(one((view for each in held for view in each.bills), bill_id, "bill"))
