"""Errors as the product sees them: what is wrong with the request is said, what is wrong with us is only named."""

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DataError, OperationalError
from werkzeug.exceptions import NotFound

from pluggy_sync.engine.errors import CannotActError
from pluggy_sync.pluggy.errors import PluggyLimitedError, PluggyRefusedError, PluggyUnavailableError
from pluggy_sync.rules import refusals
from tests.kit.factories import a_settings
from webhook_app.api_tokens import CannotTellError
from webhook_app.app import create_app
from webhook_app.problems import ProblemError

SECRET = "Jacaranda7Q"


@pytest.fixture
def answer_to():
    """Return a function that answers a request whose handling fails with the given exception."""
    app = create_app(a_settings())
    raised = []

    @app.get("/v1-fails")
    @app.get("/act/fails", endpoint="page_fails")
    def fails():
        raise raised[-1]

    def answer_to(error, path="/v1-fails"):
        raised.append(error)
        return app.test_client().get(path)

    return answer_to


@pytest.mark.parametrize(
    "error, status, code, retry_after",
    [
        (ProblemError("too-large"), 413, "too-large", None),
        (NotFound(), 404, "not-found", None),
        (PluggyLimitedError(SECRET, retry_after_s=12.4), 503, "pluggy-busy", "12"),
        (PluggyUnavailableError(SECRET), 503, "pluggy-unavailable", "10"),
        (PluggyRefusedError(SECRET, status=400), 400, "invalid-request", None),
        (PluggyRefusedError(SECRET, status=403), 502, "refused-by-pluggy", None),
        (PluggyRefusedError(SECRET, status=404), 410, "item-gone-at-pluggy", None),
        (CannotTellError(), 503, "unavailable", "5"),
        (DataError(SECRET, None, Exception(SECRET)), 400, "invalid-request", None),
        (OperationalError(SECRET, None, Exception(SECRET)), 503, "unavailable", "5"),
        (sa.exc.TimeoutError(SECRET), 503, "unavailable", "5"),
        (ZeroDivisionError(SECRET), 500, "internal-error", None),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, Exception) else None,
)
def test_each_kind_of_trouble_has_its_status_and_code_and_tells_no_more(answer_to, error, status, code, retry_after):
    answer = answer_to(error)

    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
    assert (answer.json["code"], answer.json["status"]) == (code, status)
    assert answer.json["type"] == f"/v1/docs/errors#{code}"
    assert answer.json["requestId"] == answer.headers["X-Request-Id"]
    assert answer.headers.get("Retry-After") == retry_after
    assert SECRET not in answer.text


@pytest.mark.parametrize("status", [400, 403, 404])
def test_the_code_of_a_refusal_of_pluggy_is_said(answer_to, status):
    answer = answer_to(PluggyRefusedError(SECRET, status=status, code="CLIENT_NOT_ALLOWED"))

    assert answer.json["pluggyCode"] == "CLIENT_NOT_ALLOWED"


@pytest.mark.parametrize("code", sorted(refusals.STATUS_OF_CODE))
def test_each_refusal_is_answered_with_its_status_and_what_the_caller_can_do(answer_to, code):
    answer = answer_to(CannotActError(code, more={"pluggyCode": "X"}))

    assert answer.status_code == refusals.STATUS_OF_CODE[code]
    assert (answer.json["code"], answer.json["pluggyCode"]) == (code, "X")
    assert answer.json["detail"]


def test_headers_and_further_members_of_a_problem_are_in_its_answer(answer_to):
    answer = answer_to(
        ProblemError("invalid-request", "Try again.", headers={"X-Odd": "1"}, more={"errors": [{"a": 1}]})
    )

    assert (answer.headers["X-Odd"], answer.json["detail"], answer.json["errors"]) == ("1", "Try again.", [{"a": 1}])


@pytest.mark.parametrize("error", [ZeroDivisionError(SECRET), NotFound(), PluggyUnavailableError(SECRET)], ids=repr)
def test_a_person_is_shown_a_page_instead(answer_to, error):
    answer = answer_to(error, "/act/fails")

    assert answer.mimetype == "text/html"
    assert answer.status_code >= 400
    assert SECRET not in answer.text
