"""Persons, by the product's id of each: all that is known of one, and erasing one everywhere."""

from typing import Any

import marshmallow as ma

from pluggy_sync.engine import erasure
from pluggy_sync.store import erasures, item_views, user_actions
from webhook_app.api import actions as actions_api
from webhook_app.api import erasures as erasures_api
from webhook_app.api import item_view
from webhook_app.api.actions import ActionSchema
from webhook_app.api.blueprint import ApiBlueprint
from webhook_app.api.erasures import ErasureSchema
from webhook_app.api.item_view import ItemSchema
from webhook_app.app_resources import resources
from webhook_app.problems import INVALID_REQUEST, ProblemError

blueprint = ApiBlueprint("users", __name__, description="Persons: all of one, and erasing one")

# More than any person has. Further ones are in `GET /v1/items?clientUserId=`.
MOST_ITEMS = 500
# As where a person is named.
LONGEST_ID = 256


class UserSchema(ma.Schema):
    """All that is known of a person."""

    clientUserId = ma.fields.Str(required=True)
    items = ma.fields.List(ma.fields.Nested(ItemSchema), required=True)
    openActions = ma.fields.List(ma.fields.Nested(ActionSchema), required=True)
    counts = ma.fields.Dict(
        keys=ma.fields.Str(),
        values=ma.fields.Int(),
        required=True,
        metadata={"description": "How many rows are the person's, by table: what an erasure removes"},
    )


@blueprint.get("/users/<path:client_user_id>")
@blueprint.response(200, UserSchema)
@blueprint.refuses("user-not-found")
def get_user(client_user_id: str) -> dict[str, Any]:
    """Read all of a person: Items, open actions, and how many rows of each table."""
    res = resources()
    now = res.now()
    with res.database.begin() as conn:
        rows = item_views.after(
            conn,
            None,
            client_user_id=client_user_id,
            connector_id=None,
            state=None,
            expected_before=now,
            limit=MOST_ITEMS,
        )
        if not rows:
            raise ProblemError("user-not-found")
        actions = user_actions.unsettled_of(conn, [row.id for row in rows])
        counts = erasures.count_rows(conn, [row.id for row in rows])
    return {
        "clientUserId": client_user_id,
        "items": [item_view.view(row, actions.get(row.id, []), now=now) for row in rows],
        "openActions": [actions_api.view(each) for some in actions.values() for each in some],
        "counts": counts,
    }


@blueprint.delete("/users/<path:client_user_id>")
@blueprint.response(202, ErasureSchema, description="It goes on by itself")
@blueprint.alt_response(200, schema=ErasureSchema, description="Done before, and nothing of the person came since")
def delete_user(client_user_id: str) -> tuple[dict[str, Any], int]:
    """
    Erase a person: each Item at Pluggy, and everything here.

    It goes on by itself; read `GET /v1/erasures/{id}`, and keep that id. From now on no late event and no repeated call
    brings the person back; only a new connect token does. Repeating this is harmless, also for one who is not known
    here: it answers with the same erasure and, once that is done, its receipt. One who came back is erased anew.
    """
    if len(client_user_id) > LONGEST_ID:
        fault = {"where": "path", "field": "clientUserId", "message": f"At most {LONGEST_ID} characters."}
        raise ProblemError(INVALID_REQUEST, "No person has so long an id.", more={"errors": [fault]})
    res = resources()
    requested = erasure.request(res, client_user_id)
    with res.database.begin() as conn:
        return erasures_api.view(conn, requested), 200 if requested.state == erasures.DONE else 202
