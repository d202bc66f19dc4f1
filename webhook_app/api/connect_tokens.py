"""Tokens for the Pluggy Connect widget: for a new Item, and for updating one (Pluggy facts 1.3, 4.4)."""

from datetime import timedelta
from typing import Any

import marshmallow as ma
from marshmallow import validate

from pluggy_sync.engine import erasure
from pluggy_sync.pluggy.urgency import somebody_waits
from pluggy_sync.rules import refusals
from webhook_app.api.blueprint import ApiBlueprint
from webhook_app.api.fields import Instant
from webhook_app.api.items import living
from webhook_app.app_resources import resources
from webhook_app.problems import ProblemError

blueprint = ApiBlueprint("connect tokens", __name__, description="Tokens for the Pluggy Connect widget")

LIFE = timedelta(minutes=30)

_RETURN_URL = ma.fields.Str(
    data_key="oauthRedirectUri",
    validate=validate.Length(max=2000),
    metadata={"description": "Where the person lands after the bank's page: https, or a deep link of an app"},
)


class NewConnectTokenSchema(ma.Schema):
    client_user_id = ma.fields.Str(
        required=True,
        data_key="clientUserId",
        validate=validate.Length(min=1, max=256),
        metadata={"description": "Your id of the person; opaque, not an e-mail or CPF"},
    )
    oauth_redirect_uri = _RETURN_URL
    avoid_duplicates = ma.fields.Bool(
        data_key="avoidDuplicates", metadata={"description": "Refuse a second Item with the same credentials"}
    )


class NewUpdateTokenSchema(ma.Schema):
    oauth_redirect_uri = _RETURN_URL


class ConnectTokenSchema(ma.Schema):
    """A token for the widget. Use it for one attempt."""

    accessToken = ma.fields.Str(required=True)
    expiresAt = Instant(required=True)
    itemId = ma.fields.Str(
        required=True,
        allow_none=True,
        metadata={"description": "Give it to the widget as `updateItem`; null: new Item"},
    )


@blueprint.post("/connect-tokens")
@blueprint.arguments(NewConnectTokenSchema)
@blueprint.response(200, ConnectTokenSchema)
@blueprint.refuses("user-erased", "pluggy-busy", "pluggy-unavailable", refusals.REFUSED)
def create_connect_token(given: dict[str, Any]) -> dict[str, Any]:
    """
    Make a token with which a person connects a bank.

    A person who was erased comes back by it: what they connect from now on is stored.
    """
    res, client_user_id = resources(), given["client_user_id"]
    with res.database.begin() as conn:
        if erasure.is_going_on(conn, client_user_id):
            raise ProblemError("user-erased", "The person is being erased. Ask again once that is done.")
    token = _token(None, {_OPTIONS[name]: value for name, value in given.items()})
    erasure.let_return(res, client_user_id)
    return token


@blueprint.post("/items/<item_id>/connect-token")
@blueprint.arguments(NewUpdateTokenSchema)
@blueprint.response(200, ConnectTokenSchema)
@blueprint.refuses(
    "item-not-found", "item-deleted", refusals.GONE, "pluggy-busy", "pluggy-unavailable", refusals.REFUSED
)
def create_update_token(given: dict[str, Any], item_id: str) -> dict[str, Any]:
    """Make a token with which the person updates this Item: new credentials, a code, a renewed consent."""
    with resources().database.begin() as conn:
        living(conn, item_id)
    return _token(item_id, {_OPTIONS[name]: value for name, value in given.items()})


_OPTIONS = {
    "client_user_id": "clientUserId",
    "oauth_redirect_uri": "oauthRedirectUri",
    "avoid_duplicates": "avoidDuplicates",
}


def _token(item_id: str | None, options: dict[str, Any]) -> dict[str, Any]:
    res = resources()
    made_at = res.now()
    with somebody_waits():
        token = res.pluggy.connect_token(item_id, options)
    return {"accessToken": token, "expiresAt": made_at + LIFE, "itemId": item_id}
