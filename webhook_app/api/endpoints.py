"""Where notifications go: the product's endpoints, how each does, and sending again."""

from typing import Any

import marshmallow as ma
from flask import Response
from marshmallow import validate

from pluggy_sync.notifications import endpoints as use
from pluggy_sync.notifications.messages import TYPES
from pluggy_sync.store import deliveries, endpoints
from pluggy_sync.store.endpoints import Endpoint
from webhook_app.api import paging
from webhook_app.api.blueprint import ApiBlueprint
from webhook_app.api.fields import Instant, PageQuery, page_of
from webhook_app.app_resources import resources
from webhook_app.problems import INVALID_REQUEST, ProblemError

blueprint = ApiBlueprint("endpoints", __name__, description="Where notifications go")

_NOT_FOUND = "endpoint-not-found"
_OF_SETTINGS = "endpoint-of-settings"

_URL = validate.Length(min=1, max=2000)
_TYPES = ma.fields.List(
    ma.fields.Str(validate=validate.OneOf(TYPES)),
    allow_none=True,
    validate=validate.Length(min=1),
    metadata={"description": "Only these types are sent; null: all"},
)
_DESCRIPTION = ma.fields.Str(allow_none=True, validate=validate.Length(max=500))
_SECRET = ma.fields.Str(
    load_default=None,
    validate=validate.Length(max=200),
    metadata={"description": "`whsec_` and base64 of at least 16 bytes; absent: one is made"},
)


class NewEndpointSchema(ma.Schema):
    url = ma.fields.Str(required=True, validate=_URL, metadata={"description": "https, at a public address"})
    secret = _SECRET
    description = ma.fields.Str(load_default=None, allow_none=True, validate=validate.Length(max=500))
    types = ma.fields.List(
        ma.fields.Str(validate=validate.OneOf(TYPES)),
        load_default=None,
        allow_none=True,
        validate=validate.Length(min=1),
        metadata={"description": "Only these types are sent; null: all"},
    )
    enabled = ma.fields.Bool(load_default=True, truthy={True}, falsy={False})


class EndpointChangeSchema(ma.Schema):
    url = ma.fields.Str(validate=_URL, metadata={"description": "The state begins anew there"})
    description = _DESCRIPTION
    types = _TYPES
    enabled = ma.fields.Bool(truthy={True}, falsy={False})


class NewSecretSchema(ma.Schema):
    secret = _SECRET


class RecoverSinceSchema(ma.Schema):
    since = Instant(required=True, metadata={"description": "Notifications written from then on"})


class EndpointSchema(ma.Schema):
    """An endpoint. Its secret is shown only when it is made."""

    id = ma.fields.Str(required=True)
    url = ma.fields.Str(
        required=True, allow_none=True, metadata={"description": "null for the endpoint of PRODUCT_WEBHOOK_URL"}
    )
    description = ma.fields.Str(required=True, allow_none=True)
    types = ma.fields.List(
        ma.fields.Str(), required=True, allow_none=True, metadata={"description": "Only these are sent; null: all"}
    )
    enabled = ma.fields.Bool(required=True, metadata={"description": "Nothing is written for one that is not"})
    state = ma.fields.Str(
        required=True,
        validate=validate.OneOf(["working", "failing", "stopped", "disabled", "unset"]),
        metadata={
            "description": "`failing`: one notification at a time is tried; `stopped`: nothing is sent until it is "
            "resumed; `unset`: PRODUCT_WEBHOOK_URL is not set"
        },
    )
    failingSince = Instant(required=True, allow_none=True)
    retryAt = Instant(required=True, allow_none=True)
    stoppedAt = Instant(required=True, allow_none=True)
    stopReason = ma.fields.Str(
        required=True,
        allow_none=True,
        validate=validate.OneOf(["gone", "failing"]),
        metadata={"description": "`gone`: it answered 410; `failing`: it failed for days"},
    )
    previousSecretUntil = Instant(
        required=True,
        allow_none=True,
        metadata={"description": "Until then the secret before the last one signs too"},
    )
    createdAt = Instant(required=True)


class EndpointWithSecretSchema(EndpointSchema):
    """An endpoint and its new secret."""

    secret = ma.fields.Str(required=True, metadata={"description": "Keep it: it is not shown again"})


class NotificationSentSchema(ma.Schema):
    """A notification that was queued."""

    id = ma.fields.Str(required=True, metadata={"description": "As in the header `webhook-id`"})


class RecoverySchema(ma.Schema):
    """What is sent again."""

    deliveries = ma.fields.Int(required=True, metadata={"description": "Notifications that are due now"})


class AttemptSchema(ma.Schema):
    """One attempt to deliver a notification. The operator sees more."""

    id = ma.fields.Str(required=True)
    notificationId = ma.fields.Str(required=True)
    type = ma.fields.Str(required=True)
    startedAt = Instant(required=True)
    durationMs = ma.fields.Int(required=True)
    statusCode = ma.fields.Int(required=True, allow_none=True, metadata={"description": "null: no answer came"})
    error = ma.fields.Str(required=True, allow_none=True, metadata={"description": "Why none came"})


@blueprint.get("/endpoints")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, page_of(EndpointSchema, "EndpointPage"))
@blueprint.refuses("invalid-cursor")
def list_endpoints(query: dict[str, Any]) -> dict[str, Any]:
    """List the endpoints, by id."""
    position = paging.position_of(query["after"], paging.text)
    with resources().database.begin() as conn:
        endpoints.follow_settings(conn, resources().settings.product_webhook_url)
        found = sorted(endpoints.all_(conn), key=lambda endpoint: endpoint.id)
    rest = [each for each in found if position is None or each.id > position[0]]
    return paging.page(rest, query["limit"], lambda endpoint: [endpoint.id], _view)


@blueprint.post("/endpoints")
@blueprint.arguments(NewEndpointSchema)
@blueprint.response(201, EndpointWithSecretSchema)
def create_endpoint(given: dict[str, Any]) -> dict[str, Any]:
    """Make an endpoint. It gets the notifications that are written from now on."""
    try:
        endpoint, secret = use.create(resources(), **given)
    except use.UnusableError as exc:
        raise _unusable(exc) from None
    return {**_view(endpoint), "secret": secret}


@blueprint.get("/endpoints/<endpoint_id>")
@blueprint.response(200, EndpointSchema)
@blueprint.refuses(_NOT_FOUND)
def show_endpoint(endpoint_id: str) -> dict[str, Any]:
    """Show an endpoint and how it does."""
    with resources().database.begin() as conn:
        return _view(_there(endpoints.get(conn, endpoint_id)))


@blueprint.patch("/endpoints/<endpoint_id>")
@blueprint.arguments(EndpointChangeSchema)
@blueprint.response(200, EndpointSchema)
@blueprint.refuses(_NOT_FOUND, _OF_SETTINGS)
def change_endpoint(given: dict[str, Any], endpoint_id: str) -> dict[str, Any]:
    """Change what is given, and leave the rest. What waits for a disabled endpoint is sent when it is enabled."""
    try:
        return _view(_there(use.change(resources(), endpoint_id, given)))
    except use.UnusableError as exc:
        raise _unusable(exc) from None
    except use.OfSettingsError:
        raise ProblemError(_OF_SETTINGS) from None


@blueprint.delete("/endpoints/<endpoint_id>")
@blueprint.response(204)
@blueprint.refuses(_NOT_FOUND, _OF_SETTINGS)
def delete_endpoint(endpoint_id: str) -> Response:
    """Delete an endpoint, with what waits for it."""
    try:
        if not use.delete(resources(), endpoint_id):
            raise ProblemError(_NOT_FOUND)
    except use.OfSettingsError:
        raise ProblemError(_OF_SETTINGS) from None
    # Anything else would get a body: `null`.
    return Response(status=204)


@blueprint.post("/endpoints/<endpoint_id>/ping")
@blueprint.response(202, NotificationSentSchema)
@blueprint.refuses(_NOT_FOUND)
def ping_endpoint(endpoint_id: str) -> dict[str, Any]:
    """Send the endpoint `endpoint.ping`, whatever its filter. Its attempts show what became of it."""
    notification_id = use.ping(resources(), endpoint_id)
    if notification_id is None:
        raise ProblemError(_NOT_FOUND)
    return {"id": notification_id}


@blueprint.post("/endpoints/<endpoint_id>/rotate-secret")
@blueprint.arguments(NewSecretSchema)
@blueprint.response(200, EndpointWithSecretSchema)
@blueprint.refuses(_NOT_FOUND, _OF_SETTINGS)
def rotate_secret(given: dict[str, Any], endpoint_id: str) -> dict[str, Any]:
    """Give the endpoint a new secret. For a day each notification carries a signature of both."""
    try:
        rotated = use.rotate_secret(resources(), endpoint_id, given["secret"])
    except use.UnusableError as exc:
        raise _unusable(exc) from None
    except use.OfSettingsError:
        raise ProblemError(_OF_SETTINGS) from None
    if rotated is None:
        raise ProblemError(_NOT_FOUND)
    endpoint, secret = rotated
    return {**_view(endpoint), "secret": secret}


@blueprint.post("/endpoints/<endpoint_id>/resume")
@blueprint.response(200, EndpointSchema)
@blueprint.refuses(_NOT_FOUND)
def resume_endpoint(endpoint_id: str) -> dict[str, Any]:
    """Send to a stopped endpoint again, first what has waited."""
    return _view(_there(use.resume(resources(), endpoint_id)))


@blueprint.post("/endpoints/<endpoint_id>/recover")
@blueprint.arguments(RecoverSinceSchema)
@blueprint.response(202, RecoverySchema)
@blueprint.refuses(_NOT_FOUND)
def recover_endpoint(given: dict[str, Any], endpoint_id: str) -> dict[str, Any]:
    """Send what was written since then and the endpoint did not get: given up, or written while it was not there."""
    sent = use.recover(resources(), endpoint_id, since=given["since"])
    if sent is None:
        raise ProblemError(_NOT_FOUND)
    return {"deliveries": sent}


@blueprint.get("/endpoints/<endpoint_id>/attempts")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, page_of(AttemptSchema, "AttemptPage"))
@blueprint.refuses(_NOT_FOUND, "invalid-cursor")
def list_attempts(query: dict[str, Any], endpoint_id: str) -> dict[str, Any]:
    """List the attempts to deliver to the endpoint, newest first."""
    position = paging.position_of(query["after"], paging.number)
    with resources().database.begin() as conn:
        _there(endpoints.get(conn, endpoint_id))
        before = None if position is None else position[0]
        found = deliveries.attempts_before(conn, endpoint_id, before, limit=query["limit"] + 1)
    return paging.page(found, query["limit"], lambda attempt: [attempt.id], _attempt)


def _there(endpoint: Endpoint | None) -> Endpoint:
    if endpoint is None:
        raise ProblemError(_NOT_FOUND)
    return endpoint


def _unusable(error: use.UnusableError) -> ProblemError:
    fault = {"where": "json", "field": error.field, "message": str(error)}
    return ProblemError(INVALID_REQUEST, str(error), more={"errors": [fault]})


def _view(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "description": endpoint.description,
        "types": endpoint.types,
        "enabled": endpoint.enabled,
        "state": endpoint.state,
        "failingSince": endpoint.failing_since,
        "retryAt": endpoint.retry_at,
        "stoppedAt": endpoint.stopped_at,
        "stopReason": endpoint.stop_reason,
        "previousSecretUntil": endpoint.previous_secret_until,
        "createdAt": endpoint.created_at,
    }


def _attempt(attempt: deliveries.Attempt) -> dict[str, Any]:
    return {
        "id": str(attempt.id),
        "notificationId": attempt.notification_id,
        "type": attempt.type,
        "startedAt": attempt.started_at,
        "durationMs": attempt.duration_ms,
        "statusCode": attempt.status_code,
        "error": attempt.error,
    }
