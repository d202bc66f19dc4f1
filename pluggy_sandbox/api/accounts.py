"""Accounts and bills (Pluggy facts 5.2, 5.7)."""

from flask import Blueprint, Response

from pluggy_sandbox.api.answers import answer, caller, paged, server_only, world
from pluggy_sandbox.api.lookup import found_account, found_item, one, readable_items, shown_account
from pluggy_sandbox.api.requests import argument, required_argument
from pluggy_sandbox.bank.card import add_months
from pluggy_sandbox.holdings.accounts import REDUCED
from pluggy_sandbox.wire.encoding import cents
from pluggy_sandbox.wire.errors import BadRequestError, ForbiddenError
from pluggy_sandbox.wire.instants import day_in_brazil, iso

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


@blueprint.get("/accounts/<account_id>/balance")
def balance(account_id: str) -> Response:
    """Show the balance as the bank has it at this moment (Pluggy facts 5.2)."""
    here, who = world(), server_only()
    with here.lock:
        item, held = found_account(here, who, account_id)
        if not item.connector.is_open_finance or item.authorization.is_revoked:
            raise ForbiddenError("The consent does not allow to read the balance", "BALANCE_CONSENT_ERROR")
        return answer(
            {
                "balance": held.source.balance(here.clock.now),
                "blockedBalance": cents(0),
                "automaticallyInvestedBalance": cents(0),
                "currencyCode": "BRL",
                "updateDateTime": iso(here.clock.now),
            }
        )


@blueprint.get("/accounts/<account_id>/statements")
def statements(account_id: str) -> Response:
    """List the statements of the last months (Pluggy facts 5.2). Their addresses lead nowhere."""
    here, who = world(), server_only()
    with here.lock:
        item, held = found_account(here, who, account_id)
        month = day_in_brazil(here.clock.now).replace(day=1)
        months = [] if item.authorization.is_revoked else [add_months(month, -n) for n in range(1, 4)]
        return paged(
            [
                {
                    "id": here.ids.of("statement", held.id, f"{each:%Y%m}"),
                    "monthYear": f"{each:%m-%Y}",
                    "url": f"{here.address}/_sandbox/statements/{held.id}/{each:%Y-%m}.pdf",
                }
                for each in months
            ]
        )


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
