"""What is meant for Pluggy itself: connect tokens, updates, MFA values. Its answers are given as they are."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response

from pluggy_sync.encryption import TooLongError
from pluggy_sync.engine import erasure, passing_on
from pluggy_sync.pluggy.client import PassedOn
from pluggy_sync.store import erased
from webhook_app.app_resources import resources
from webhook_app.pluggy_copy import bodies, query
from webhook_app.pluggy_copy.answers import PREFIX, RefusedError, answer

blueprint = Blueprint("pluggy_passing_on", __name__, url_prefix=PREFIX)


@blueprint.post("/connect_token")
def connect_token() -> Response:
    """Give a token for the widget (Pluggy facts 1.3)."""
    given, res = bodies.given(), resources()
    options = given.get("options")
    client_user_id = options.get("clientUserId") if isinstance(options, dict) else None
    if not isinstance(client_user_id, str):
        return _answer(lambda: passing_on.connect_token(res, given))
    with res.database.begin() as conn:
        if erasure.is_going_on(conn, client_user_id):
            raise RefusedError(HTTPStatus.CONFLICT, "This person is being erased. Ask again later.", "USER_ERASED")
    answered = _answer(lambda: passing_on.connect_token(res, given))
    if answered.status_code < HTTPStatus.BAD_REQUEST:
        erasure.let_return(res, client_user_id)
    return answered


@blueprint.patch("/items/<item_id>")
def update(item_id: str) -> Response:
    """Change an Item and start an execution (Pluggy facts 3.8)."""
    named, given = query.item_id(item_id), bodies.given()
    _refuse_erased(given)
    return _answer(lambda: passing_on.update_item(resources(), named, given))


@blueprint.post("/items/<item_id>/mfa")
def answer_mfa(item_id: str) -> Response:
    """Give an execution what it waits for (Pluggy facts 3.8)."""
    named, given = query.item_id(item_id), bodies.given()
    return _answer(lambda: passing_on.answer_mfa(resources(), named, given))


def _refuse_erased(given: Mapping[str, Any]) -> None:
    """
    Let nobody be called by the id of a person who was erased: their Item would be erased too.

    Raises:
        RefusedError: `clientUserId` is such an id.
    """
    client_user_id = given.get("clientUserId")
    if not isinstance(client_user_id, str):
        return
    with resources().database.begin() as conn:
        is_erased = erased.erasure_of_user(conn, client_user_id) is not None
    if is_erased:
        raise RefusedError(
            HTTPStatus.CONFLICT, "This person was erased. Only a new connect token brings them back.", "USER_ERASED"
        )


def _answer(ask: Callable[[], PassedOn]) -> Response:
    try:
        passed = ask()
    except TooLongError:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "parameters are too long to be encrypted") from None
    return answer(passed.body, passed.status)
