"""Signing in at `/pluggy`: a token in place of the secret, and a key that ends with it."""

import base64
import dataclasses
from datetime import UTC, datetime

import jwt
import pytest

from pluggy_sync.rules.scopes import Scope
from pluggy_sync.store import api_tokens as store
from pluggy_sync.store.api_tokens import digest_of
from tests.kit.factories import API_TOKEN, a_settings
from webhook_app import api_tokens, pluggy_keys

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


def a_key(settings):
    return pluggy_keys.make(settings, "any", digest_of(API_TOKEN), now=NOW)


def of_another_secret_key(settings):
    return a_key(a_settings(SECRET_KEY="another-secret-key-of-the-tests-that-is-long"))


def unsigned(settings):
    return jwt.encode(jwt.decode(a_key(settings), options={"verify_signature": False}), None, algorithm="none")


def changed(settings):
    head, claims, signature = a_key(settings).split(".")
    return ".".join([head, claims[:-2] + ("AA" if claims[-2:] != "AA" else "BB"), signature])


@pytest.mark.parametrize(
    "forge", [of_another_secret_key, unsigned, changed, lambda _: "nonsense", lambda _: "", lambda _: "x" * 5000]
)
def test_a_key_that_is_not_ours_is_refused(web, settings, forge):
    assert categories(web, a_key(settings)) == 200
    assert categories(web, forge(settings)) == 403


def test_a_key_outlives_a_change_of_our_own_key(settings):
    rotated = dataclasses.replace(
        settings,
        secret_key="a-new-secret-key-that-is-long-enough-to-be-one",
        previous_secret_keys=(settings.secret_key,),
    )

    assert pluggy_keys.digest_in(a_key(settings), rotated, now=NOW) == digest_of(API_TOKEN)
    assert pluggy_keys.digest_in(a_key(rotated), rotated, now=NOW) == digest_of(API_TOKEN)
    assert pluggy_keys.digest_in(a_key(rotated), settings, now=NOW) is None


def test_what_the_key_is_made_from_cannot_be_read_from_it(settings):
    claims = jwt.decode(a_key(settings), options={"verify_signature": False})

    assert digest_of(API_TOKEN).hex() not in str(claims)
    assert base64.urlsafe_b64encode(digest_of(API_TOKEN)).decode()[:20] not in str(claims)


@pytest.fixture
def make_token(database):
    def make_token(name, scope):
        with database.begin() as conn:
            return store.create(conn, name, scope, now=NOW)

    return make_token


def test_a_named_token_is_given_by_its_name_its_id_or_pluggys_client_id(web, settings, make_token):
    token, text = make_token("reports", Scope.READ)

    statuses = {
        name: sign_in(web, json={"clientId": name, "clientSecret": text}).status_code
        for name in ("reports", token.id, settings.pluggy_client_id, "another", "")
    }

    assert [*statuses.values()] == [200, 200, 200, 401, 401]


def test_what_the_token_may_do_its_key_may_do(web, make_token):
    _, reads = make_token("reads", Scope.READ)
    _, acts = make_token("acts", Scope.ACT)

    answers = {}
    for name, text in (("reads", reads), ("acts", acts)):
        key = sign_in(web, json={"clientId": name, "clientSecret": text}).get_json()["apiKey"]
        assert categories(web, key) == 200
        answers[name] = web.post("/pluggy/connect_token", json={}, headers={"X-API-KEY": key})

    assert answers["reads"].status_code == 403
    assert "`act`" in answers["reads"].get_json()["message"]
    assert answers["acts"].status_code == 200


def test_a_key_opens_nothing_more_once_its_token_is_revoked_and_the_use_is_noted(
    web, database, make_token, monkeypatch
):
    monkeypatch.setattr(api_tokens, "READ_EVERY_S", 0.0)
    monkeypatch.setattr(api_tokens, "READ_FOR_STRANGERS_EVERY_S", 0.0)
    _, text = make_token("short", Scope.READ)
    key = sign_in(web, json={"clientId": "short", "clientSecret": text}).get_json()["apiKey"]
    assert categories(web, key) == 200

    with database.begin() as conn:
        assert store.all_(conn)[0].last_used_at is not None
        store.revoke(conn, "short", now=NOW)

    assert categories(web, key) == 403
    assert sign_in(web, json={"clientId": "short", "clientSecret": text}).status_code == 401
