"""Signing in and connect tokens (Pluggy facts 1)."""

import time
from typing import Any

import jwt
import pytest

from tests.pluggy_sandbox.driver import Driver


def claims(token: str) -> dict[str, Any]:
    decoded: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return decoded


def connect_token(driver: Driver, **body: Any) -> str:
    token: str = driver.api.post("/connect_token", json=body).json()["accessToken"]
    return token


def test_an_api_key_is_a_jwt_that_lives_two_hours(driver: Driver) -> None:
    found = claims(driver.sign_in())

    assert found["exp"] - found["iat"] == 7200
    assert found["clientId"] == driver.sandbox.client_id
    assert abs(found["iat"] - time.time()) < 10


def test_non_expiring_is_tolerated(driver: Driver) -> None:
    body = {"clientId": driver.sandbox.client_id, "clientSecret": driver.sandbox.client_secret, "nonExpiring": False}

    assert driver.api.post("/auth", json=body).status_code == 200


@pytest.mark.parametrize("secret", ["wrong", None, 5])
def test_a_wrong_pair_is_401_with_its_code(driver: Driver, secret: object) -> None:
    answer = driver.api.post("/auth", json={"clientId": driver.sandbox.client_id, "clientSecret": secret})

    assert answer.status_code == 401
    assert answer.json()["codeDescription"] == "CLIENT_KEYS_UNAUTHORIZED"


def test_an_application_switched_off_is_401_with_its_code(driver: Driver) -> None:
    driver.control.put("/applications/other", json={"clientSecret": "s", "enabled": False})

    answer = driver.api.post("/auth", json={"clientId": "other", "clientSecret": "s"})

    assert (answer.status_code, answer.json()["codeDescription"]) == (401, "CLIENT_DISABLED")


def test_a_new_secret_ends_the_old_one_but_not_the_keys_already_issued(driver: Driver) -> None:
    driver.control.put("/applications/other", json={"clientSecret": "old"})
    key = driver.api.post("/auth", json={"clientId": "other", "clientSecret": "old"}).json()["apiKey"]

    driver.control.put("/applications/other", json={"clientSecret": "new"})

    assert driver.api.post("/auth", json={"clientId": "other", "clientSecret": "old"}).status_code == 401
    assert driver.using(key).get("/webhooks").status_code == 200


@pytest.mark.parametrize("key", ["", "nonsense", "a.b.c"])
def test_a_missing_or_malformed_key_is_403_without_a_code(driver: Driver, key: str) -> None:
    answer = driver.api.get("/webhooks", headers={"X-API-KEY": key})

    assert answer.status_code == 403
    assert "codeDescription" not in answer.json()


def test_an_expired_key_is_403(driver: Driver) -> None:
    driver.settings(apiKeySeconds=-1)
    driver.sign_in()

    assert driver.api.get("/webhooks").status_code == 403


def test_the_items_of_another_application_are_not_found(driver: Driver) -> None:
    item_id = driver.connect()
    driver.control.put("/applications/other", json={"clientSecret": "s"})
    key = driver.api.post("/auth", json={"clientId": "other", "clientSecret": "s"}).json()["apiKey"]

    assert driver.using(key).get(f"/items/{item_id}").status_code == 404


def test_a_connect_token_is_signed_rs256_and_lives_half_an_hour(driver: Driver) -> None:
    token = connect_token(driver, options={"clientUserId": "somebody-of-ours"})

    assert jwt.get_unverified_header(token)["alg"] == "RS256"
    assert claims(token)["exp"] - claims(token)["iat"] == 1800
    assert "somebody-of-ours" not in str(claims(token))


def test_a_connect_token_for_an_unknown_item_is_404(driver: Driver) -> None:
    answer = driver.api.post("/connect_token", json={"itemId": "00000000-0000-4000-8000-00000000dead"})

    assert (answer.status_code, answer.json()["codeDescription"]) == (404, "ITEM_NOT_FOUND")


def test_options_at_the_top_level_of_a_connect_token_are_ignored(driver: Driver) -> None:
    nested = driver.using(connect_token(driver, options={"clientUserId": "u1"}))
    flat = driver.using(connect_token(driver, clientUserId="u1"))
    body = {"connectorId": 2, "parameters": {"user": "user-ok", "password": "password-ok"}}

    assert nested.post("/items", json=body).json()["clientUserId"] == "u1"
    assert flat.post("/items", json=body).json()["clientUserId"] is None


def test_a_connect_token_sees_its_own_item_and_a_reduced_account_and_nothing_else(driver: Driver) -> None:
    stranger = driver.connect()
    own = driver.using(connect_token(driver))
    body = {"connectorId": 2, "parameters": {"user": "user-ok", "password": "password-ok"}}
    item_id = own.post("/items", json=body).json()["id"]
    driver.sandbox.settle()

    account = own.get("/accounts", params={"itemId": item_id}).json()["results"][0]

    assert own.get(f"/items/{item_id}").status_code == 200
    assert set(account) == {"id", "itemId", "type", "subtype", "number", "balance", "name", "currencyCode"}
    assert own.get(f"/items/{stranger}").status_code == 403
    for path in (
        f"/v2/transactions?accountId={account['id']}",
        f"/accounts/{account['id']}",
        "/webhooks",
        "/categories",
        f"/identity?itemId={item_id}",
        f"/investments?itemId={item_id}",
        f"/loans?itemId={item_id}",
    ):
        assert own.get(path).status_code == 403, path
    assert own.delete(f"/items/{item_id}").status_code == 403


def test_a_token_made_with_an_item_may_update_it_and_its_execution_is_triggered_by_the_user(driver: Driver) -> None:
    item_id = driver.connect()
    own = driver.using(connect_token(driver, itemId=item_id))

    assert own.patch(f"/items/{item_id}", json={}).status_code == 200


def test_there_is_no_list_of_items(driver: Driver) -> None:
    assert driver.api.get("/items").status_code == 401
