"""Whether an Item's data is complete today: for each account and data product."""

from collections.abc import Sequence
from typing import Any

import marshmallow as ma
from marshmallow import validate

from pluggy_sync.pluggy import payloads
from pluggy_sync.rules.sharing import Sharing
from pluggy_sync.rules.sync_plan import ACCOUNTS, DATA_PRODUCTS, TRANSACTIONS, Reason
from pluggy_sync.store import coverage, shared_resources
from pluggy_sync.store.coverage import Covered, Incomplete
from webhook_app.api import item_view
from webhook_app.api.blueprint import ApiBlueprint
from webhook_app.api.fields import Described, Instant
from webhook_app.api.items import living
from webhook_app.app_resources import resources

blueprint = ApiBlueprint("coverage", __name__, description="Whether an Item's data is complete")

SYNC, RECONCILIATION, LIST = "sync", "reconciliation", "list"


class ProofSchema(ma.Schema):
    """When the rows were last compared with all that Pluggy has, and how."""

    at = Instant(required=True)
    by = ma.fields.Str(
        required=True,
        validate=validate.OneOf([SYNC, RECONCILIATION, LIST]),
        metadata={
            "description": "`sync`: the days from `from` on. `reconciliation`: the whole year. `list`: all of a list"
        },
    )
    from_ = ma.fields.Date(
        required=True, allow_none=True, data_key="from", metadata={"description": "null: everything was compared"}
    )


class GapSchema(ma.Schema):
    """Why a part could not be read completely. It is tried again."""

    part = ma.fields.Str(
        required=True, allow_none=True, metadata={"description": "Which account or investment; null: all of it"}
    )
    reason = ma.fields.Str(required=True, validate=validate.OneOf(list(Reason)))
    detail = ma.fields.Str(required=True, metadata={"description": "What Pluggy answered"})
    since = Instant(required=True)
    retryAt = Instant(required=True, allow_none=True, metadata={"description": "null: with the next sync"})


class CoveredSchema(ma.Schema):
    """What is stored of a data product; of transactions, for one account."""

    product = ma.fields.Str(required=True, metadata={"description": "As in `products` of the Item"})
    accountId = ma.fields.Str(required=True, allow_none=True)
    complete = ma.fields.Bool(
        required=True, metadata={"description": "All of the bank's newest collection is stored, as far as can be known"}
    )
    rows = ma.fields.Int(required=True)
    missing = ma.fields.Int(required=True, metadata={"description": "Rows that Pluggy no longer lists; they are kept"})
    from_ = ma.fields.Date(
        required=True, allow_none=True, data_key="from", metadata={"description": "Day of the oldest transaction"}
    )
    to = ma.fields.Date(required=True, allow_none=True, metadata={"description": "Day of the newest transaction"})
    collectedAt = Instant(
        required=True, allow_none=True, metadata={"description": "The collection at the bank that is stored"}
    )
    storedAt = Instant(required=True, allow_none=True, metadata={"description": "When it was last stored"})
    proof = ma.fields.Nested(ProofSchema, required=True, allow_none=True)
    gaps = ma.fields.List(ma.fields.Nested(GapSchema), required=True)
    warnings = ma.fields.List(Described("Warning"), required=True, metadata={"description": "The bank's"})
    missingSince = Instant(
        required=True, allow_none=True, metadata={"description": "Since when Pluggy does not list the account"}
    )
    sharing = ma.fields.Str(
        required=True,
        allow_none=True,
        validate=validate.OneOf(list(Sharing)),
        metadata={"description": item_view.SHARING},
    )


class CoverageSchema(ma.Schema):
    """Whether the Item's data is complete."""

    itemId = ma.fields.Str(required=True)
    asOf = Instant(required=True)
    complete = ma.fields.Bool(required=True, metadata={"description": "All of `results` are, and there is one"})
    gaps = ma.fields.List(
        ma.fields.Nested(GapSchema), required=True, metadata={"description": "Of the list of accounts"}
    )
    results = ma.fields.List(ma.fields.Nested(CoveredSchema), required=True)


@blueprint.get("/items/<item_id>/coverage")
@blueprint.response(200, CoverageSchema)
@blueprint.refuses("item-not-found", "item-deleted")
def read_coverage(item_id: str) -> dict[str, Any]:
    """
    Read whether the Item's data is complete today.

    For each account and data product: the days and rows that are stored, when they were last collected at the bank and
    compared with Pluggy's, and what could not be read.
    """
    res = resources()
    with res.database.begin() as conn:
        item = living(conn, item_id)
        covered = [*coverage.of_transactions(conn, item_id), *coverage.of_data_products(conn, item_id)]
        incomplete = coverage.incomplete(conn, item_id)
    view = None if item.raw is None else payloads.item(item.raw)
    shared = shared_resources.of_json(item.shared)
    covered += [Covered.nothing_of(name) for name in _not_stored(covered, view, incomplete)]
    results = [
        {
            **_covered(each, view, incomplete),
            "sharing": None if view is None else item_view.sharing(each.product, view, shared),
        }
        for each in covered
    ]
    of_accounts = [_gap(each) for each in incomplete if each.product == ACCOUNTS]
    return {
        "itemId": item_id,
        "asOf": res.now(),
        "complete": bool(results) and not of_accounts and all(each["complete"] for each in results),
        "gaps": of_accounts,
        "results": results,
    }


def _not_stored(
    covered: Sequence[Covered], item: payloads.Item | None, incomplete: Sequence[Incomplete]
) -> Sequence[str]:
    """Return the data products of which nothing is stored, though the bank or Pluggy failed to give something."""
    stored = {each.product for each in covered}
    failed = set() if item is None else {name for name, product in item.products.items() if not product.is_updated}
    kept = {TRANSACTIONS, *(each.name for each in DATA_PRODUCTS)}
    return sorted((failed | {each.product for each in incomplete}) & kept - stored)


def _covered(covered: Covered, item: payloads.Item | None, incomplete: Sequence[Incomplete]) -> dict[str, Any]:
    gaps = [
        each
        for each in incomplete
        if each.product == covered.product and (covered.account_id is None or each.part_of in ("", covered.account_id))
    ]
    told = None if item is None else item.products.get(covered.product)
    return {
        "product": covered.product,
        "accountId": covered.account_id,
        "complete": not gaps and _is_current(covered, item) and (told is None or told.is_updated),
        "rows": covered.rows,
        "missing": covered.missing,
        "from_": covered.first,
        "to": covered.last,
        "collectedAt": covered.collected_at,
        "storedAt": covered.stored_at,
        "proof": _proof(covered),
        "gaps": [_gap(each) for each in gaps],
        "warnings": [] if told is None else told.warnings,
        "missingSince": covered.missing_since,
    }


def _is_current(covered: Covered, item: payloads.Item | None) -> bool:
    """Return whether the bank's newest collection is stored. Of an account that is not listed there is none to come."""
    if covered.missing_since is not None:
        return True
    newest = None if item is None else item.collected_at(covered.product)
    return covered.collected_at is not None and newest is not None and covered.collected_at >= newest


def _proof(covered: Covered) -> dict[str, Any] | None:
    proofs: list[dict[str, Any]] = []
    if covered.collected_at is not None:
        by = SYNC if covered.product == TRANSACTIONS else LIST
        proofs.append({"at": covered.collected_at, "by": by, "from_": covered.read_from})
    if covered.compared_at is not None:
        proofs.append({"at": covered.compared_at, "by": RECONCILIATION, "from_": None})
    return max(proofs, key=lambda each: each["at"], default=None)


def _gap(incomplete: Incomplete) -> dict[str, Any]:
    return {
        "part": incomplete.part_of or None,
        "reason": incomplete.reason,
        "detail": incomplete.detail,
        "since": incomplete.since,
        "retryAt": incomplete.retry_at,
    }
