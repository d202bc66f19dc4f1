"""Signing in at `/pluggy`: a token in place of the secret, and a key that ends with it."""

import dataclasses
from datetime import UTC, datetime

import jwt
import pytest

from tests.kit.factories import API_TOKEN, a_settings
from webhook_app import pluggy_keys

PAIR = {"clientId": "any", "clientSecret": API_TOKEN}
NOW = datetime.now(UTC)


def sign_in(web, **options):
    return web.post("/pluggy/auth", **options)


def categories(web, key):
    return web.get("/pluggy/categories", headers={"X-API-KEY": key}).status_code


@pytest.mark.parametrize(
    "options", [{"json": PAIR}, {"json": {**PAIR, "nonExpiring": False}}, {"data": PAIR}], ids=["json", "more", "form"]
)
def test_a_token_gives_a_key_that_lives_two_hours(web, options):
    key = sign_in(web, **options).get_json()["apiKey"]

    claims = jwt.decode(key, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 7200
    assert API_TOKEN not in str(claims)
    assert categories(web, key) == 200


@pytest.mark.parametrize("path", ["/pluggy/auth", "/pluggy/auth/"])
def test_a_wrong_secret_is_refused_in_pluggys_words(web, path):
    answer = web.post(path, json={**PAIR, "clientSecret": API_TOKEN + "x"})

    assert answer.status_code == 401
    assert answer.get_json() == {
        "code": 401,
        "message": "Client keys are invalid",
        "codeDescription": "CLIENT_KEYS_UNAUTHORIZED",
    }


@pytest.mark.parametrize("sent", [{}, {"clientId": "any"}, {**PAIR, "clientSecret": 7}, [], "text"])
def test_what_is_no_pair_is_400(web, sent):
    answer = sign_in(web, json=sent)

    assert answer.status_code == 400
    assert answer.get_json()["code"] == 400


@pytest.mark.parametrize("body", [b"{", b"\xff", b'{"clientId": "\\u0000", "clientSecret": "x"}'])
def test_a_body_that_cannot_be_read_is_400(web, body):
    assert sign_in(web, data=body, content_type="application/json").status_code == 400


def test_a_secret_with_odd_characters_is_compared_and_refused(web):
    assert sign_in(web, json={**PAIR, "clientSecret": "ção"}).status_code == 401


def test_a_key_ends_after_two_hours(web, clock):
    key = sign_in(web, json=PAIR).get_json()["apiKey"]

    clock.advance(hours=1, minutes=59)
    assert categories(web, key) == 200
    clock.advance(minutes=2)
    assert categories(web, key) == 403


def test_without_a_key_everything_but_signing_in_is_403(web):
    for path in ("/pluggy/categories", "/pluggy/nowhere"):
        answer = web.get(path)
        assert (answer.status_code, answer.get_json()["code"]) == (403, 403)


def of_another_secret_key(settings):
    other = a_settings(SECRET_KEY="another-secret-key-of-the-tests-that-is-long")
    return pluggy_keys.sign_in(other, "any", API_TOKEN, now=NOW)


def unsigned(settings):
    claims = {"clientId": "any", "token": "x", "iat": 0, "exp": 2**33}
    return jwt.encode(claims, None, algorithm="none")


def changed(settings):
    head, claims, signature = pluggy_keys.sign_in(settings, "any", API_TOKEN, now=NOW).split(".")
    return ".".join([head, claims[:-2] + ("AA" if claims[-2:] != "AA" else "BB"), signature])


@pytest.mark.parametrize(
    "forge", [of_another_secret_key, unsigned, changed, lambda _: "nonsense", lambda _: "", lambda _: "x" * 5000]
)
def test_a_key_that_is_not_ours_is_refused(web, settings, forge):
    assert categories(web, forge(settings)) == 403


def test_a_key_ends_with_its_token_and_outlives_a_change_of_our_own_key(settings):
    key = pluggy_keys.sign_in(settings, "any", API_TOKEN, now=NOW)
    revoked = dataclasses.replace(settings, api_tokens=("another",))
    rotated = dataclasses.replace(
        settings,
        secret_key="a-new-secret-key-that-is-long-enough-to-be-one",
        previous_secret_keys=(settings.secret_key,),
    )

    assert pluggy_keys.is_valid(key, settings, now=NOW)
    assert not pluggy_keys.is_valid(key, revoked, now=NOW)
    assert pluggy_keys.is_valid(key, rotated, now=NOW)
