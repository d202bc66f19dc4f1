"""What persons must do: list, one, and the answers of products with screens of their own."""

from typing import Any

import marshmallow as ma
from marshmallow import validate

from pluggy_sync import return_urls
from pluggy_sync.engine import submissions
from pluggy_sync.notifications import action_view
from pluggy_sync.rules import answers, refusals
from pluggy_sync.rules.action_states import STATES, UNSETTLED
from pluggy_sync.rules.needs import Kind
from pluggy_sync.store import user_actions
from pluggy_sync.store.user_actions import Action
from webhook_app.api import access, paging
from webhook_app.api.blueprint import ApiBlueprint
from webhook_app.api.fields import Described, Instant, ItemId, PageQuery, page_of
from webhook_app.app_resources import resources
from webhook_app.problems import INVALID_REQUEST, ProblemError

blueprint = ApiBlueprint("actions", __name__, description="What persons must do")

# An answer may meet what has become of the action, and whatever Pluggy says (`rules/refusals.py`).
_OF_ANSWERS = (
    "action-not-found",
    "action-submitted",
    "action-settled",
    "action-expired",
    "wrong-kind",
    *refusals.OF_PLUGGY,
    "pluggy-busy",
    "pluggy-unavailable",
)


class TextSchema(ma.Schema):
    title = ma.fields.Str(required=True)
    body = ma.fields.Str(required=True)


class TextsSchema(ma.Schema):
    pt = ma.fields.Nested(TextSchema, required=True)
    en = ma.fields.Nested(TextSchema, required=True)


class ParameterSchema(ma.Schema):
    """What is asked: give it with `POST /v1/actions/{id}/mfa`."""

    name = ma.fields.Str(required=True)
    type = ma.fields.Str(
        required=True, metadata={"description": "text, password, number, image, select, oauth; open to new ones"}
    )
    label = ma.fields.Str(required=True, allow_none=True)
    placeholder = ma.fields.Str(allow_none=True)
    assistiveText = ma.fields.Str(allow_none=True)
    instructions = ma.fields.Str(allow_none=True)
    options = ma.fields.List(Described("Option"), required=True, allow_none=True)
    data = ma.fields.Str(required=True, allow_none=True, metadata={"description": "A picture in base64, or an address"})
    validation = ma.fields.Str(allow_none=True)
    validationMessage = ma.fields.Str(allow_none=True)


class ActionSchema(ma.Schema):
    """One thing that a person must do."""

    id = ma.fields.Str(required=True)
    itemId = ma.fields.Str(required=True)
    clientUserId = ma.fields.Str(required=True, allow_none=True)
    kind = ma.fields.Str(required=True, validate=validate.OneOf([str(kind) for kind in Kind]))
    reason = ma.fields.Str(required=True)
    state = ma.fields.Str(required=True, validate=validate.OneOf(STATES))
    text = ma.fields.Nested(TextsSchema, required=True, metadata={"description": "Words for the person"})
    providerMessage = ma.fields.Str(
        required=True, allow_none=True, metadata={"description": "The bank's own words, in Portuguese"}
    )
    parameter = ma.fields.Nested(ParameterSchema, required=True, allow_none=True)
    userAction = Described("UserAction", allow_none=True)
    expiresAt = Instant(required=True, allow_none=True)
    retryAt = Instant(
        allow_none=True,
        metadata={"description": "When it may be tried again: the person must wait after failed logins"},
    )
    pageUrl = ma.fields.Str(
        required=True,
        allow_none=True,
        metadata={"description": "The person's page; null once settled, and for a token of the scope `read`"},
    )
    createdAt = Instant(required=True)
    submittedAt = Instant(allow_none=True)
    settledAt = Instant(required=True, allow_none=True)
    outcome = ma.fields.Str(required=True, allow_none=True)
    attempts = ma.fields.Int()


class NewPageLinkSchema(ma.Schema):
    return_url = ma.fields.Str(
        load_default=None,
        data_key="returnUrl",
        allow_none=True,
        validate=validate.Length(min=1, max=return_urls.MAX_LENGTH),
        metadata={
            "description": (
                "Where the page leads back to: an address under one of `PRODUCT_RETURN_URLS`. "
                "Without it, the first of those"
            )
        },
    )


class PageLinkSchema(ma.Schema):
    """A link to the person's page of one action."""

    pageUrl = ma.fields.Str(required=True)
    expiresAt = Instant(required=True)


def view(row: Action) -> dict[str, Any]:
    """Return the action as `ActionSchema` dumps it for the present request's token."""
    return access.without_link(action_view.of_row(row, resources().links, resources().texts))


class ActionsQuery(PageQuery):
    state = ma.fields.Str(load_default=None, validate=validate.OneOf(STATES))
    client_user_id = ma.fields.Str(load_default=None, data_key="clientUserId")
    item_id = ItemId(load_default=None, data_key="itemId")


class MfaAnswerSchema(ma.Schema):
    value = ma.fields.Str(required=True, validate=validate.Length(min=1, max=answers.MAX_LENGTH))


class _TextOrFlag(ma.fields.Field[str | bool]):
    """A value of the bank's form: a text, or true or false where the form's field is a boolean."""

    def __init__(self) -> None:
        super().__init__(metadata={"anyOf": [{"type": "string", "maxLength": 10_000}, {"type": "boolean"}]})

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str | bool:
        if isinstance(value, bool) or (isinstance(value, str) and len(value) <= 10_000):
            return value
        raise ma.ValidationError("Give a text of at most 10,000 characters, or true or false.")


class NewCredentialsSchema(ma.Schema):
    parameters = ma.fields.Dict(
        keys=ma.fields.Str(validate=validate.Length(min=1, max=100)),
        values=_TextOrFlag(),
        validate=validate.Length(min=1, max=20),
        metadata={"description": "As the connector's `credentials` name them. Passed to Pluggy, never stored"},
    )
    encrypted_parameters = ma.fields.Str(
        data_key="encryptedParameters",
        validate=validate.Length(min=1, max=10_000),
        metadata={
            "description": "Instead of `parameters`: their JSON, RSA-OAEP (SHA-1) for the public key that Pluggy gave "
            "you, in base64. Then they cannot be read here either"
        },
    )

    @ma.validates_schema
    def _one_of_both(self, data: dict[str, Any], **_: Any) -> None:
        if len(data) != 1:
            raise ma.ValidationError("Give either parameters or encryptedParameters.", field_name="parameters")


@blueprint.get("/actions")
@blueprint.arguments(ActionsQuery, location="query")
@blueprint.response(200, page_of(ActionSchema, "ActionPage"))
@blueprint.refuses("invalid-cursor")
def list_actions(query: dict[str, Any]) -> dict[str, Any]:
    """List actions, newest first."""
    position = paging.position_of(query["after"], paging.moment, paging.text)
    with resources().database.begin() as conn:
        rows = user_actions.before(
            conn,
            None if position is None else (position[0], position[1]),
            state=query["state"],
            client_user_id=query["client_user_id"],
            item_id=query["item_id"],
            limit=query["limit"] + 1,
        )
    return paging.page(
        rows,
        query["limit"],
        lambda row: [row.created_at.isoformat(), row.id],
        view,
    )


@blueprint.get("/actions/<action_id>")
@blueprint.response(200, ActionSchema)
@blueprint.refuses("action-not-found")
def get_action(action_id: str) -> dict[str, Any]:
    """Read one action."""
    with resources().database.begin() as conn:
        row = user_actions.get(conn, action_id)
    if row is None:
        raise ProblemError("action-not-found")
    return view(row)


@blueprint.post("/actions/<action_id>/mfa")
@blueprint.arguments(MfaAnswerSchema)
@blueprint.response(202, ActionSchema)
@blueprint.refuses(*_OF_ANSWERS, "nothing-asked", "invalid-value")
def answer_mfa(answer: dict[str, Any], action_id: str) -> dict[str, Any]:
    """Give the code, choice or text that the bank asked for. It goes to Pluggy and is not stored."""
    action = submissions.answer_mfa(resources(), action_id, answer["value"])
    return view(action)


@blueprint.post("/actions/<action_id>/credentials")
@blueprint.arguments(NewCredentialsSchema)
@blueprint.response(202, ActionSchema)
@blueprint.refuses(*_OF_ANSWERS, "invalid-parameters")
def give_credentials(given: dict[str, Any], action_id: str) -> dict[str, Any]:
    """Give new credentials. They go to Pluggy and are not stored."""
    credentials = given.get("parameters") or given["encrypted_parameters"]
    action = submissions.give_credentials(resources(), action_id, credentials)
    return view(action)


@blueprint.post("/actions/<action_id>/restart")
@blueprint.response(202, ActionSchema)
@blueprint.refuses(*_OF_ANSWERS)
def restart_action(action_id: str) -> dict[str, Any]:
    """
    Start the update again, because the person is ready.

    For what the person does at the bank, and for a bank that asks for its code only during the update.
    """
    return view(submissions.restart(resources(), action_id))


@blueprint.post("/actions/<action_id>/cancel")
@blueprint.response(200, ActionSchema)
@blueprint.refuses("action-not-found", "action-submitted", "action-settled")
def cancel_action(action_id: str) -> dict[str, Any]:
    """Cancel an open action. It ends as `superseded` with the outcome `cancelled`, and is not asked again for now."""
    return view(submissions.cancel(resources(), action_id))


@blueprint.post("/actions/<action_id>/page-link")
@blueprint.arguments(NewPageLinkSchema)
@blueprint.response(200, PageLinkSchema)
@blueprint.refuses("action-not-found", "action-settled")
def create_page_link(asked: dict[str, Any], action_id: str) -> dict[str, Any]:
    """Make a new link to the person's page of an unsettled action."""
    res = resources()
    return_url = asked["return_url"]
    if return_url is not None and not return_urls.is_allowed(return_url, res.settings.product_return_urls):
        fault = {"where": "json", "field": "returnUrl", "message": "Lies under none of PRODUCT_RETURN_URLS."}
        raise ProblemError(INVALID_REQUEST, more={"errors": [fault]})
    with res.database.begin() as conn:
        row = user_actions.get(conn, action_id)
    if row is None:
        raise ProblemError("action-not-found")
    if row.state not in UNSETTLED:
        raise ProblemError("action-settled", f"The action is {row.state}.")
    return {"pageUrl": res.links.to(row.id, return_url), "expiresAt": res.links.end_of_link(res.now())}
