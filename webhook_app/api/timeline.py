"""What happened to an Item and why, and what is due next."""

from typing import Any

import marshmallow as ma
from marshmallow import validate

from pluggy_sync import wire
from pluggy_sync.rules import timeline as words
from pluggy_sync.rules.timeline import Due, DueKind, Entry, Kind
from pluggy_sync.store import timeline
from webhook_app.api import paging
from webhook_app.api.blueprint import ApiBlueprint
from webhook_app.api.fields import Instant, PageQuery
from webhook_app.api.items import known
from webhook_app.app_resources import resources

blueprint = ApiBlueprint("timeline", __name__, description="What happened to an Item, and what is due next")


class TimelineEntrySchema(ma.Schema):
    """Something that happened to the Item."""

    at = Instant(required=True)
    kind = ma.fields.Str(required=True, validate=validate.OneOf(list(Kind)))
    id = ma.fields.Str(required=True, metadata={"description": "Of the event, run, action, submission or notification"})
    text = ma.fields.Str(required=True, metadata={"description": "What happened, in one line"})
    facts = ma.fields.Dict(required=True, metadata={"description": "The same for a program. No bank data"})


class TimelineDueSchema(ma.Schema):
    """Something that happens next."""

    at = Instant(required=True, metadata={"description": "Then or soon after; in the past: overdue"})
    kind = ma.fields.Str(required=True, validate=validate.OneOf(list(DueKind)))
    about = ma.fields.Str(
        required=True, allow_none=True, metadata={"description": "Which event, data product, action or notification"}
    )
    text = ma.fields.Str(required=True)


class TimelineSchema(ma.Schema):
    """A page of what happened, newest first, and what is due next."""

    results = ma.fields.List(ma.fields.Nested(TimelineEntrySchema), required=True)
    next = ma.fields.Str(
        required=True,
        allow_none=True,
        metadata={"description": "Cursor of the next page; null when this is the last"},
    )
    due = ma.fields.List(
        ma.fields.Nested(TimelineDueSchema), required=True, metadata={"description": "The next first, up to 100"}
    )


@blueprint.get("/items/<item_id>/timeline")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, TimelineSchema)
@blueprint.refuses("item-not-found", "invalid-cursor")
def read_timeline(query: dict[str, Any], item_id: str) -> dict[str, Any]:
    """
    Read what happened to the Item and why, newest first.

    Deliveries and what was decided, sync runs, what persons were asked and gave, notifications and the answers to them;
    and what is due next. A deleted Item has its history too, for as long as the retention says.
    """
    position = paging.position_of(query["after"], paging.moment, paging.text, paging.text)
    with resources().database.begin() as conn:
        entries = timeline.before(
            conn,
            item_id,
            None if position is None else (position[0], position[1], position[2]),
            limit=query["limit"] + 1,
        )
        due = timeline.due(conn, item_id)
        if not entries and not due:
            # An Item may have events before it was ever fetched.
            known(conn, item_id)
    page = paging.page(entries, query["limit"], lambda each: [each.at.isoformat(), each.kind.value, each.id], _entry)
    return {**page, "due": [_due(each) for each in due]}


def _entry(entry: Entry) -> dict[str, Any]:
    facts = {name: value for name, value in entry.facts.items() if value is not None}
    for name in ("handledAt", "finishedAt", "expiresAt", "windowTo"):
        if name in facts:
            facts[name] = wire.to_text(wire.instant_or_none(facts[name]))
    return {"at": entry.at, "kind": entry.kind, "id": entry.id, "text": words.words(entry), "facts": facts}


def _due(due: Due) -> dict[str, Any]:
    return {"at": due.at, "kind": due.kind, "about": due.about, "text": words.words_of_due(due)}
