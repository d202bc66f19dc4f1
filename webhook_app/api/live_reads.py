"""
What is read from Pluggy when the product asks, and is not stored: credit registry, statements, the balance of this
moment. It is passed on as it came, within the budget of a waiting person.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import marshmallow as ma
from marshmallow import validate

from pluggy_sync.pluggy.errors import PluggyRefusedError
from pluggy_sync.pluggy.urgency import somebody_waits
from pluggy_sync.rules import refusals
from pluggy_sync.store import accounts
from webhook_app.api.blueprint import ApiBlueprint
from webhook_app.api.fields import Instant, Money, PluggyObject
from webhook_app.api.items import living
from webhook_app.app_resources import resources
from webhook_app.problems import ProblemError

blueprint = ApiBlueprint("live reads", __name__, description="Read from Pluggy on request, and not stored")

# Pluggy gives the answer to nobody else: not asked for by the plan, not by the consent, or not by this connector.
NOT_GIVEN = "not-given"
_NOT_GIVEN = frozenset({400, 403, 422})


class CreditRegistryQuery(ma.Schema):
    first = ma.fields.Str(
        load_default=None,
        data_key="from",
        validate=validate.Regexp(r"[0-9]{6}\Z", error="Must be a month such as 202601."),
        metadata={"description": "First month, such as 202601"},
    )
    last = ma.fields.Str(
        load_default=None,
        data_key="to",
        validate=validate.Regexp(r"[0-9]{6}\Z", error="Must be a month such as 202601."),
        metadata={"description": "Last month"},
    )


class CreditRegistrySchema(ma.Schema):
    """What the central bank's credit registry (SCR) has of the person, as Pluggy gave it."""

    itemId = ma.fields.Str(required=True)
    registry = ma.fields.Dict(required=True, metadata={"description": "Pluggy's object as it came"})


class StatementSchema(PluggyObject):
    """A monthly statement. `url` is good for half an hour."""

    id = ma.fields.Str(required=True)
    monthYear = ma.fields.Str(allow_none=True, metadata={"description": "Such as 01-2026"})
    url = ma.fields.Str(allow_none=True, metadata={"description": "Signed by Pluggy. We do not follow it"})


class StatementsSchema(ma.Schema):
    results = ma.fields.List(ma.fields.Nested(StatementSchema), required=True)


class BalanceNowSchema(PluggyObject):
    """The balance as the bank has it at this moment. It costs one of the month's Open Finance requests."""

    balance = Money(required=True, metadata={"description": "Exact"})
    currencyCode = ma.fields.Str(allow_none=True)
    updateDateTime = Instant(allow_none=True)


_REFUSALS = (NOT_GIVEN, "pluggy-busy", "pluggy-unavailable", refusals.REFUSED)


@blueprint.get("/items/<item_id>/scr")
@blueprint.arguments(CreditRegistryQuery, location="query")
@blueprint.response(200, CreditRegistrySchema)
@blueprint.refuses("item-not-found", "item-deleted", refusals.GONE, *_REFUSALS)
def read_credit_registry(query: dict[str, Any], item_id: str) -> dict[str, Any]:
    """Read the person's entries in the central bank's credit registry (SCR). They are not stored."""
    res = resources()
    with res.database.begin() as conn:
        living(conn, item_id)
    with _asking():
        found = res.pluggy.credit_registry(item_id, query["first"], query["last"])
    if not isinstance(found, dict):
        raise ProblemError(refusals.GONE)
    return {"itemId": item_id, "registry": found}


@blueprint.get("/accounts/<account_id>/statements")
@blueprint.response(200, StatementsSchema)
@blueprint.refuses("account-not-found", *_REFUSALS)
def list_statements(account_id: str) -> dict[str, Any]:
    """List the account's statements, each with an address that is good for half an hour. They are not stored."""
    _known(account_id)
    with _asking():
        found = resources().pluggy.statements(account_id)
    return {"results": [each for each in found if isinstance(each, dict) and isinstance(each.get("id"), str)]}


@blueprint.get("/accounts/<account_id>/balance")
@blueprint.response(200, BalanceNowSchema)
@blueprint.refuses("account-not-found", *_REFUSALS)
def read_balance_now(account_id: str) -> dict[str, Any]:
    """Read the balance as the bank has it at this moment, by Open Finance. It is not stored."""
    _known(account_id)
    with _asking():
        found = resources().pluggy.balance_now(account_id)
    if not isinstance(found, dict) or "balance" not in found:
        raise ProblemError("account-not-found")
    return found


def _known(account_id: str) -> None:
    with resources().database.begin() as conn:
        if not accounts.is_stored(conn, account_id):
            raise ProblemError("account-not-found")


@contextmanager
def _asking() -> Iterator[None]:
    try:
        with somebody_waits():
            yield
    except PluggyRefusedError as exc:
        if exc.status not in _NOT_GIVEN:
            raise
        said = {} if exc.code is None else {"pluggyCode": exc.code}
        raise ProblemError(NOT_GIVEN, more=said) from exc
