"""What a client is told when no thread of ours takes its request, in the form that its area speaks."""

import json

import pytest

from tests.kit.documented import fault_in_answer
from webhook_app.front import unanswered
from webhook_app.front.areas import PLUGGY, PLUGGY_SIGN_IN

KINDS = (unanswered.unavailable, unanswered.too_many, unanswered.broken_off)


def headers_of(answer):
    return {name.decode(): value.decode() for name, value in answer.headers}


@pytest.mark.parametrize("area", ["webhooks", "api", "person", "health", PLUGGY])
@pytest.mark.parametrize("kind", KINDS, ids=lambda each: each.__name__)
def test_the_length_is_right_and_the_client_is_told_when_to_come_back(area, kind):
    answer = kind(area)
    headers = headers_of(answer)

    assert headers["content-length"] == str(len(answer.body))
    assert headers["retry-after"] == "5"


@pytest.mark.parametrize("area", [PLUGGY, PLUGGY_SIGN_IN])
def test_who_speaks_pluggys_language_is_answered_in_it(area):
    answer = unanswered.unavailable(area)

    assert answer.status == 503
    assert json.loads(answer.body)["code"] == 503
    assert json.loads(answer.body).keys() == {"code", "message"}


def test_pluggy_is_never_told_that_something_is_stored():
    answer = unanswered.unavailable("webhooks")

    assert (answer.status, json.loads(answer.body)) == (503, {"result": "not stored"})


@pytest.mark.parametrize(
    "kind, status, code",
    [
        (unanswered.unavailable, 503, "unavailable"),
        (unanswered.too_many, 429, "too-many-requests"),
        (unanswered.broken_off, 400, "invalid-request"),
    ],
)
def test_the_product_is_told_a_problem_with_its_code(kind, status, code):
    answer = kind("api")
    problem = json.loads(answer.body)

    assert answer.status == problem["status"] == status
    assert headers_of(answer)["content-type"] == "application/problem+json"
    assert (problem["code"], problem["type"]) == (code, f"/v1/docs/errors#{code}")


def test_a_person_sees_a_page_with_a_button_that_keeps_the_link_private():
    answer = unanswered.unavailable("person")
    headers = headers_of(answer)

    assert headers["content-type"].startswith("text/html")
    page = answer.body.decode()
    assert '<a class="primary button" href="">' in page
    # What the page's own script looks for. A page that loads itself again takes away what a person reads (WCAG 2.2.1).
    assert '<main class="card" id="main">' in page
    assert 'http-equiv="refresh"' not in page
    assert (headers["referrer-policy"], headers["cache-control"]) == ("no-referrer", "no-store")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize("kind", [unanswered.unavailable, unanswered.broken_off], ids=lambda each: each.__name__)
def test_the_problem_is_one_that_the_document_has(kind):
    answer = kind("api")

    fault = fault_in_answer("GET", "/v1/items", answer.status, "application/problem+json", answer.body)

    assert fault is None
