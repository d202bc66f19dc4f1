"""
The change feed: what changed in an Item's transactions since a cursor.

A page shows each row as it is now, not as it was when it changed. A consumer applies the pages in order: it puts
`added` and `modified`, and drops `removed`. It ends with exactly the mirror, from any cursor and with any repetition.
"""

from collections.abc import Sequence
from typing import Any

import marshmallow as ma
from marshmallow import validate

from pluggy_sync.store import streams, transactions
from pluggy_sync.store.transactions import Change, StreamedChange
from webhook_app.api import paging
from webhook_app.api.accounts import TransactionSchema, transaction_view
from webhook_app.api.blueprint import ApiBlueprint
from webhook_app.api.fields import Cursor, Query
from webhook_app.api.items import living
from webhook_app.app_resources import resources

blueprint = ApiBlueprint("changes", __name__, description="What changed since a cursor")


class ChangesQuery(Query):
    cursor = Cursor(
        load_default="0",
        metadata={
            "description": "`nextCursor` of the page before, or `cursor` of `item.synced`; absent: everything",
            "pattern": "^[0-9]{1,18}$",
        },
    )
    limit = ma.fields.Int(
        load_default=100,
        validate=validate.Range(min=1, max=500),
        metadata={"description": "Changes in a page, 1 to 500. Several of one row are shown once"},
    )


class AllChangesQuery(Query):
    cursor = Cursor(
        load_default="0.0",
        metadata={
            "description": "`nextCursor` of the page before; absent: everything",
            "pattern": r"^[0-9]{1,18}\.[0-9]{1,18}$",
        },
    )
    limit = ma.fields.Int(
        load_default=100,
        validate=validate.Range(min=1, max=500),
        metadata={"description": "Changes in a page, 1 to 500. Several of one row are shown once"},
    )


class RemovedTransactionSchema(ma.Schema):
    id = ma.fields.Str(required=True)
    accountId = ma.fields.Str(required=True)


class ChangesSchema(ma.Schema):
    """A page of changes."""

    added = ma.fields.List(ma.fields.Nested(TransactionSchema), required=True)
    modified = ma.fields.List(ma.fields.Nested(TransactionSchema), required=True)
    removed = ma.fields.List(ma.fields.Nested(RemovedTransactionSchema), required=True)
    nextCursor = ma.fields.Str(required=True, metadata={"description": "Keep it, and ask with it the next time"})
    hasMore = ma.fields.Bool(required=True)


class TransactionOfItemSchema(TransactionSchema):
    """A movement, and its Item."""

    itemId = ma.fields.Str(required=True)


class RemovedTransactionOfItemSchema(RemovedTransactionSchema):
    itemId = ma.fields.Str(required=True)


class ChangesOfAllSchema(ChangesSchema):
    """A page of changes of all Items."""

    added = ma.fields.List(ma.fields.Nested(TransactionOfItemSchema), required=True)
    modified = ma.fields.List(ma.fields.Nested(TransactionOfItemSchema), required=True)
    removed = ma.fields.List(ma.fields.Nested(RemovedTransactionOfItemSchema), required=True)


@blueprint.get("/items/<item_id>/transactions/sync")
@blueprint.arguments(ChangesQuery, location="query")
@blueprint.response(200, ChangesSchema)
@blueprint.refuses("item-not-found", "item-deleted", "invalid-cursor")
def read_changes(query: dict[str, Any], item_id: str) -> dict[str, Any]:
    """
    Read what changed in the Item's transactions since a cursor.

    Apply the pages in their order until `hasMore` is false: put `added` and `modified` by id, drop `removed`.
    """
    (cursor,), limit = paging.numbers_of(query["cursor"], 1), query["limit"]
    with resources().database.begin() as conn:
        item = living(conn, item_id)
        if cursor > item.change_seq:
            raise paging.invalid_cursor()
        entries = transactions.changes_after(conn, item_id, cursor, limit + 1)
    shown = entries[:limit]
    return {
        **page_of_changes(shown),
        "nextCursor": str(shown[-1].seq if shown else cursor),
        "hasMore": len(entries) > limit,
    }


@blueprint.get("/transactions/sync")
@blueprint.arguments(AllChangesQuery, location="query")
@blueprint.response(200, ChangesOfAllSchema)
@blueprint.refuses("invalid-cursor")
def read_changes_of_all(query: dict[str, Any]) -> dict[str, Any]:
    """
    Read what changed in the transactions of all Items since a cursor, in the order of the commits, without gaps.

    Apply the pages in their order until `hasMore` is false. The rows of a deleted Item are not among `removed`:
    `item.deleted` says that all of them are gone.
    """
    (position, seq), limit = paging.numbers_of(query["cursor"], 2), query["limit"]
    place = (position, seq)
    with resources().database.begin() as conn:
        streams.number(conn)
    with resources().database.begin() as conn:
        if place[0] > streams.newest(conn):
            raise paging.invalid_cursor()
        entries = transactions.changes_of_all_after(conn, place, limit + 1)
    shown = entries[:limit]
    return {
        **page_of_changes(shown),
        "nextCursor": f"{shown[-1].position}.{shown[-1].seq}" if shown else query["cursor"],
        "hasMore": len(entries) > limit,
    }


def page_of_changes(entries: Sequence[Change | StreamedChange]) -> dict[str, list[Any]]:
    """
    Return the rows of *entries*, each once.

    A row that is gone is shown only by the entry that removed it. A removal is not shown if the row is there again: the
    entry that brought it back follows.
    """
    added: dict[str, Any] = {}
    modified: dict[str, Any] = {}
    removed: dict[str, Any] = {}
    for entry in entries:
        row_id = entry.transaction_id
        item = {"itemId": entry.item_id} if isinstance(entry, StreamedChange) else {}
        if entry.raw is None:
            if entry.kind == "removed":
                removed[row_id] = {"id": row_id, "accountId": entry.account_id, **item}
        elif entry.kind == "added":
            added[row_id] = {**transaction_view(entry), **item}
        elif entry.kind == "modified" and row_id not in added:
            modified[row_id] = {**transaction_view(entry), **item}
    return {"added": list(added.values()), "modified": list(modified.values()), "removed": list(removed.values())}
