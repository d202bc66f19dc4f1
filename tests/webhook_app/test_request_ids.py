"""Each request has an id: the caller's if it is sane, in the answer, and in no log line of the next request."""

import uuid

import pytest
import structlog
from flask import Flask

from webhook_app import request_ids


@pytest.fixture
def client():
    app = Flask(__name__)
    request_ids.register(app)
    app.add_url_rule("/", view_func=lambda: {"bound": structlog.contextvars.get_contextvars().get("request_id")})
    app.add_url_rule("/fails", view_func=lambda: 1 / 0, endpoint="fails")
    return app.test_client()


def test_the_caller_s_id_is_in_the_answer_and_in_the_log(client):
    answer = client.get("/", headers={"X-Request-Id": "trace-1"})

    assert (answer.headers["X-Request-Id"], answer.json) == ("trace-1", {"bound": "trace-1"})


@pytest.mark.parametrize("given", ["", "x" * 65, 'x" injected', "a b", "ção"])
def test_an_id_that_is_not_sane_is_replaced(client, given):
    answer = client.get("/", headers={"X-Request-Id": given})

    assert uuid.UUID(answer.headers["X-Request-Id"])
    assert answer.json == {"bound": answer.headers["X-Request-Id"]}


def test_two_requests_have_two_ids(client):
    assert client.get("/").headers["X-Request-Id"] != client.get("/").headers["X-Request-Id"]


@pytest.mark.parametrize("path", ["/", "/fails"])
def test_what_is_logged_after_a_request_does_not_name_it(client, path):
    client.get(path)

    assert "request_id" not in structlog.contextvars.get_contextvars()
