"""Whatever goes wrong under `/pluggy` is said in Pluggy's form."""

import dataclasses

import pytest

from pluggy_sync.store.database import WEB, create_engine
from tests.kit.factories import API_TOKEN
from webhook_app import app_resources


@pytest.fixture
def headers(web):
    key = web.post("/pluggy/auth", json={"clientId": "x", "clientSecret": API_TOKEN}).get_json()["apiKey"]
    return {"X-API-KEY": key}


@pytest.mark.parametrize("path", ["/pluggy/connectors", "/pluggy/payments/requests", "/pluggy/nowhere"])
def test_what_is_not_copied_says_where_to_ask(web, headers, path):
    answer = web.get(path, headers=headers)

    assert answer.status_code == 404
    assert answer.get_json()["code"] == 404
    assert "Ask Pluggy itself" in answer.get_json()["message"]
    assert path.removeprefix("/pluggy") in answer.get_json()["message"]


def test_another_method_is_405(web, headers):
    answer = web.delete("/pluggy/categories", headers=headers)

    assert answer.status_code == 405
    assert answer.get_json()["code"] == 405


def test_a_database_that_is_away_is_503_and_to_be_tried_again(web, headers, resources, monkeypatch, shared_app):
    away = create_engine("postgresql://127.0.0.1:1/none", WEB)
    app_resources.keep(shared_app, dataclasses.replace(resources, database=away))

    answer = web.get("/pluggy/categories", headers=headers)

    assert answer.status_code == 503
    assert answer.get_json()["code"] == 503
    assert answer.headers["Retry-After"]


def test_a_body_that_is_too_large_is_413(web, headers):
    to_sign_in = web.post("/pluggy/auth", data=b"x" * 5000)
    to_ask = web.post("/pluggy/connect_token", data=b"x" * 70_000, headers=headers)

    for answer in (to_sign_in, to_ask):
        assert answer.status_code == 413
        assert answer.get_json()["code"] == 413
