"""What is meant for Pluggy itself: connect tokens, updates, MFA values. Its answers are given as they are."""

from collections.abc import Callable
from http import HTTPStatus

from flask import Blueprint, Response

from pluggy_sync.encryption import TooLongError
from pluggy_sync.engine import passing_on
from pluggy_sync.pluggy.client import PassedOn
from pluggy_sync.store import erased
from webhook_app.app_resources import resources
from webhook_app.pluggy_copy import bodies, query
from webhook_app.pluggy_copy.answers import PREFIX, RefusedError, answer

blueprint = Blueprint("pluggy_passing_on", __name__, url_prefix=PREFIX)


@blueprint.post("/connect_token")
def connect_token() -> Response:
    """Give a token for the widget (Pluggy facts 1.3)."""
    given = bodies.given()
    options = given.get("options")
    _refuse_erased(options.get("clientUserId") if isinstance(options, dict) else None)
    return _answer(lambda: passing_on.connect_token(resources(), given))


@blueprint.patch("/items/<item_id>")
def update(item_id: str) -> Response:
    """Change an Item and start an execution (Pluggy facts 3.8)."""
    named, given = query.item_id(item_id), bodies.given()
    return _answer(lambda: passing_on.update_item(resources(), named, given))


@blueprint.post("/items/<item_id>/mfa")
def answer_mfa(item_id: str) -> Response:
    """Give an execution what it waits for (Pluggy facts 3.8)."""
    named, given = query.item_id(item_id), bodies.given()
    return _answer(lambda: passing_on.answer_mfa(resources(), named, given))


def _refuse_erased(client_user_id: object) -> None:
    """Give no token to a person who was erased: nothing that came of it would be taken."""
    if not isinstance(client_user_id, str):
        return
    with resources().database.begin() as conn:
        if erased.erasure_of_user(conn, client_user_id) is not None:
            raise RefusedError(HTTPStatus.CONFLICT, "The person was erased, or is being erased.")


def _answer(ask: Callable[[], PassedOn]) -> Response:
    try:
        passed = ask()
    except TooLongError:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "parameters are too long to be encrypted") from None
    return answer(passed.body, passed.status)
