"""What each sync of an Item did."""

from typing import Any

import marshmallow as ma

from pluggy_sync.rules.sync_plan import Reason
from pluggy_sync.store import sync_runs
from pluggy_sync.store.sync_runs import SyncRun
from webhook_app.api import paging
from webhook_app.api.blueprint import ApiBlueprint
from webhook_app.api.fields import Instant, PageQuery, page_of
from webhook_app.api.items import living
from webhook_app.app_resources import resources

blueprint = ApiBlueprint("sync runs", __name__, description="What each sync did")


class WindowSchema(ma.Schema):
    from_ = ma.fields.Date(required=True, allow_none=True, data_key="from", attribute="from")
    to = Instant(required=True, allow_none=True)


class IncompletePartSchema(ma.Schema):
    product = ma.fields.Str(required=True, metadata={"description": "`accounts`, `transactions`, `loans` and so on"})
    accountId = ma.fields.Str(required=True, allow_none=True, metadata={"description": "Of which account, if of one"})
    reason = ma.fields.Str(
        required=True,
        validate=ma.validate.OneOf(list(Reason)),
        metadata={"description": "It is tried again by itself, more and more rarely"},
    )
    detail = ma.fields.Str(required=True, metadata={"description": "What Pluggy answered"})


class SyncRunSchema(ma.Schema):
    """One sync of an Item."""

    id = ma.fields.Str(required=True)
    itemId = ma.fields.Str(required=True)
    trigger = ma.fields.Str(required=True, metadata={"description": "Name of the event that made it due"})
    triggeredBy = ma.fields.Str(required=True, allow_none=True)
    window = ma.fields.Nested(
        WindowSchema,
        required=True,
        metadata={
            "description": "`from` null: everything Pluggy has was read. `to` null: only what events told of was read"
        },
    )
    outcome = ma.fields.Str(
        required=True, validate=ma.validate.OneOf(["running", "done", "failed", "rescheduled", "abandoned"])
    )
    requests = ma.fields.Int(required=True, metadata={"description": "Requests made to Pluggy"})
    added = ma.fields.Int(required=True)
    modified = ma.fields.Int(required=True)
    removed = ma.fields.Int(required=True)
    doubted = ma.fields.Int(
        required=True, metadata={"description": "Rows kept though Pluggy's answer lacked them: it was too empty"}
    )
    repaired = ma.fields.Int(
        required=True, metadata={"description": "Rows among `added` that had been removed here by mistake"}
    )
    parts = ma.fields.Dict(
        keys=ma.fields.Str(),
        values=ma.fields.Str(),
        required=True,
        allow_none=True,
        metadata={"description": "What was read, each part with the reason"},
    )
    incomplete = ma.fields.List(
        ma.fields.Nested(IncompletePartSchema),
        required=True,
        metadata={"description": "Parts of the Item that could not be read completely, as of its end"},
    )
    startedAt = Instant(required=True)
    finishedAt = Instant(required=True, allow_none=True)
    error = ma.fields.Str(required=True, allow_none=True)
    cursor = ma.fields.Str(required=True, metadata={"description": "Reading changes from here shows what it changed"})


@blueprint.get("/items/<item_id>/sync-runs")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, page_of(SyncRunSchema, "SyncRunPage"))
@blueprint.refuses("item-not-found", "item-deleted", "invalid-cursor")
def list_sync_runs(query: dict[str, Any], item_id: str) -> dict[str, Any]:
    """List the Item's syncs, newest first."""
    position = paging.position_of(query["after"], paging.moment, paging.uuid_)
    with resources().database.begin() as conn:
        living(conn, item_id)
        runs = sync_runs.before(
            conn, item_id, None if position is None else (position[0], position[1]), limit=query["limit"] + 1
        )
    return paging.page(runs, query["limit"], lambda run: [run.started_at.isoformat(), str(run.id)], _view)


def _view(run: SyncRun) -> dict[str, Any]:
    return {
        "id": str(run.id),
        "itemId": run.item_id,
        "trigger": run.trigger,
        "triggeredBy": run.triggered_by,
        "window": {"from": run.window_from, "to": run.window_to},
        "outcome": run.outcome,
        "requests": run.requests,
        "added": run.added,
        "modified": run.modified,
        "removed": run.removed,
        "doubted": run.doubted,
        "repaired": run.repaired,
        "parts": run.parts,
        "incomplete": run.incomplete or [],
        "startedAt": run.started_at,
        "finishedAt": run.finished_at,
        "error": run.error,
        "cursor": str(run.cursor),
    }
