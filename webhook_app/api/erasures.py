"""Erasures of persons: how far each is, its receipt, and the keys with which receipts are checked."""

from typing import Any

import marshmallow as ma
from marshmallow import validate
from sqlalchemy import Connection

from pluggy_sync.engine import erasure as erasing
from pluggy_sync.engine import receipts
from pluggy_sync.store import erasures
from pluggy_sync.store.erasures import Erasure
from webhook_app.api.blueprint import ApiBlueprint
from webhook_app.api.fields import Instant
from webhook_app.app_resources import resources
from webhook_app.problems import ProblemError

blueprint = ApiBlueprint("erasures", __name__, description="Erasures of persons, and their receipts")

_WAITS_FOR = [erasing.OPERATION, erasing.PLUGGY, erasing.REDIS, erasing.SECRET_KEY, erasing.SPILL, erasing.TRANSACTIONS]
_TROUBLES = ["pluggy-busy", "pluggy-shows-no-item", "pluggy-unavailable", "refused-by-pluggy"]


class ItemsOfErasureSchema(ma.Schema):
    """What became of the person's Items at Pluggy."""

    deletedAtPluggy = ma.fields.Int(required=True, metadata={"description": "Pluggy deleted them"})
    absentAtPluggy = ma.fields.Int(
        required=True, metadata={"description": "Pluggy did not have them any more, while it showed others of ours"}
    )
    waiting = ma.fields.Int(required=True, metadata={"description": "Pluggy has not answered yet, or refuses"})


class ReceiptSchema(ma.Schema):
    """What was done, and that nothing but digests remains. It names nobody."""

    iss = ma.fields.Str(required=True, metadata={"description": "The address of the service"})
    jti = ma.fields.Str(required=True, metadata={"description": "Id of the erasure"})
    iat = ma.fields.Int(required=True, metadata={"description": "When it was signed, in seconds since 1970"})
    requestedAt = Instant(required=True)
    completedAt = Instant(required=True)
    items = ma.fields.Nested(ItemsOfErasureSchema, required=True)
    removed = ma.fields.Dict(keys=ma.fields.Str(), values=ma.fields.Int(), required=True)
    remains = ma.fields.Dict(keys=ma.fields.Str(), values=ma.fields.Int(), required=True)


class ErasureSchema(ma.Schema):
    """The erasure of a person. It names nobody: keep its id."""

    id = ma.fields.Str(required=True)
    state = ma.fields.Str(required=True, validate=validate.OneOf([erasures.RUNNING, erasures.DONE]))
    requestedAt = Instant(required=True)
    completedAt = Instant(required=True, allow_none=True, metadata={"description": "null while it runs"})
    waitsFor = ma.fields.Str(
        required=True,
        allow_none=True,
        validate=validate.OneOf(_WAITS_FOR),
        metadata={"description": "What it waits for, and tries again by itself; null: it goes on, or is done"},
    )
    nextTryAt = Instant(required=True, allow_none=True, metadata={"description": "null: it is done"})
    troubles = ma.fields.List(
        ma.fields.Str(validate=validate.OneOf(_TROUBLES)),
        required=True,
        metadata={"description": "Why Pluggy has not deleted all Items yet"},
    )
    items = ma.fields.Nested(ItemsOfErasureSchema, required=True)
    removed = ma.fields.Dict(
        keys=ma.fields.Str(),
        values=ma.fields.Int(),
        required=True,
        metadata={
            "description": "How many rows were removed so far, by table. Of `inbox` they were emptied; `redis` counts "
            "keys and messages"
        },
    )
    receipt = ma.fields.Nested(
        ReceiptSchema, required=True, allow_none=True, metadata={"description": "null: not done"}
    )
    signedReceipt = ma.fields.Str(
        required=True,
        allow_none=True,
        metadata={"description": "The receipt as a JWS, signed with Ed25519 by a key of `GET /v1/erasure-keys`"},
    )


class ErasureKeySchema(ma.Schema):
    """A public key as a JWK (RFC 8037)."""

    kty = ma.fields.Str(required=True)
    crv = ma.fields.Str(required=True)
    x = ma.fields.Str(required=True)
    kid = ma.fields.Str(required=True, metadata={"description": "As in the header of a receipt"})
    alg = ma.fields.Str(required=True)
    use = ma.fields.Str(required=True)


class ErasureKeysSchema(ma.Schema):
    """A JWK set (RFC 7517)."""

    keys = ma.fields.List(ma.fields.Nested(ErasureKeySchema), required=True)


@blueprint.get("/erasures/<erasure_id>")
@blueprint.response(200, ErasureSchema)
@blueprint.refuses("erasure-not-found")
def get_erasure(erasure_id: str) -> dict[str, Any]:
    """Read how far an erasure is; once it is done, with its receipt."""
    with resources().database.begin() as conn:
        found = erasures.get(conn, erasure_id)
        if found is None:
            raise ProblemError("erasure-not-found")
        return view(conn, found)


@blueprint.get("/erasure-keys")
@blueprint.response(200, ErasureKeysSchema)
def list_erasure_keys() -> dict[str, Any]:
    """
    List the public keys that check receipts, newest first: a JWK set.

    No token is needed. Keys that sign no more stay listed.
    """
    with resources().database.begin() as conn:
        return {"keys": receipts.published(conn)}


def view(conn: Connection, erasure: Erasure) -> dict[str, Any]:
    """Return the erasure as `ErasureSchema` dumps it."""
    found = erasures.items_of(conn, erasure.id)
    is_done = erasure.state == erasures.DONE
    receipt = erasure.receipt if is_done else None
    return {
        "id": erasure.id,
        "state": erasure.state,
        "requestedAt": erasure.requested_at,
        "completedAt": erasure.completed_at if is_done else None,
        "waitsFor": erasure.waits_for,
        "nextTryAt": None if is_done else erasure.due_at,
        "troubles": sorted({each.trouble for each in found if each.trouble is not None}),
        "items": erasing.counts_of_items(found),
        "removed": erasure.removed,
        "receipt": None if receipt is None else receipts.claims_of(receipt),
        "signedReceipt": receipt,
    }
