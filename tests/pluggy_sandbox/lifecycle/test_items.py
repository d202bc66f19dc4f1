"""Items: creation, errors of creation, deletion (Pluggy facts 3.8)."""

import base64
import json

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from pluggy_sandbox.lifecycle import encrypted
from tests.pluggy_sandbox.driver import Driver

NULLS = {"error", "statusDetail", "parameter", "userAction", "nextAutoSyncAt", "consentExpiresAt", "webhookUrl"}


def test_a_new_item_is_updating_and_shows_every_top_level_key(driver: Driver) -> None:
    driver.settings(runSeconds=60)

    item = driver.create(clientUserId="u1").json()

    assert (item["status"], item["executionStatus"]) == ("UPDATING", "CREATED")
    assert item["lastUpdatedAt"] is None
    assert item["clientUserId"] == "u1"
    assert {key for key in NULLS if item[key] is None} == NULLS
    assert item["connector"]["id"] == 2


def test_a_missing_parameter_is_told_by_name(driver: Driver) -> None:
    answer = driver.api.post("/items", json={"connectorId": 2, "parameters": {"user": "user-ok"}})

    assert (answer.status_code, answer.json()["codeDescription"]) == (400, "CONNECTOR_VALIDATION_ERROR")
    assert [(d["code"], d["parameter"]) for d in answer.json()["details"]] == [("001", "password")]


def test_an_address_that_is_not_allowed_is_told_before_the_parameters(driver: Driver) -> None:
    body = {"connectorId": 2, "parameters": {}, "webhookUrl": "nonsense"}

    answer = driver.api.post("/items", json=body)

    assert (answer.status_code, answer.json()["message"]) == (400, "url must be a valid URL")
    assert "details" not in answer.json()


def test_products_of_a_connect_token_are_for_requests_without_any(driver: Driver) -> None:
    def products(token_item: str | None, **sent: object) -> list[str]:
        options = {"products": ["IDENTITY"], "clientUserId": "of the token"}
        token = driver.api.post("/connect_token", json={"itemId": token_item, "options": options}).json()["accessToken"]
        parameters = {"user": "user-ok", "password": "password-ok"}
        body = {"connectorId": 2, "parameters": parameters, "clientUserId": "of the browser", **sent}
        if token_item is None:
            item = driver.using(token).post("/items", json=body).json()
            assert item["clientUserId"] == "of the token"
        else:
            item = driver.using(token).patch(f"/items/{token_item}", json=sent).json()
        driver.sandbox.settle()
        found: list[str] = item["products"]
        return found

    existing = driver.connect()

    assert products(None) == products(None, products=[]) == products(None, products=None) == ["IDENTITY"]
    assert products(None, products=["ACCOUNTS"]) == ["ACCOUNTS"]
    assert products(existing, products=["LOANS"]) == ["LOANS"]
    assert products(existing) == ["IDENTITY"]


@pytest.mark.parametrize("token", ["12", "abcdef"])
def test_a_parameter_that_fails_its_pattern_is_told_by_name(driver: Driver, token: str) -> None:
    answer = driver.create(connector=4, parameters={"token": token})

    assert [(d["code"], d["parameter"]) for d in answer.json()["details"]] == [("002", "token")]


def test_validation_without_an_item_tells_the_same(driver: Driver) -> None:
    answer = driver.api.post("/connectors/4/validate", json={"user": "user-ok", "token": "1"})

    assert answer.status_code == 200
    assert {e["code"] + e["parameter"] for e in answer.json()["errors"]} == {"001password", "002token"}
    assert answer.json()["parameters"]["user"] == "user-ok"


def test_avoid_duplicates_refuses_the_same_credentials(driver: Driver) -> None:
    first = driver.connect()

    answer = driver.create(avoidDuplicates=True)

    assert (answer.status_code, answer.json()["codeDescription"]) == (400, "ITEM_USER_ALREADY_EXISTS")
    assert answer.json()["items"] == [first]


def test_an_offline_connector_refuses_creation_and_update(driver: Driver) -> None:
    item_id = driver.connect()
    driver.control.put("/connectors/2/health", json={"status": "OFFLINE"})

    assert driver.create().json()["codeDescription"] == "CONNECTOR_OFFLINE"
    assert driver.update(item_id).json()["codeDescription"] == "CONNECTOR_OFFLINE"


def test_a_development_application_has_a_limit_of_items(driver: Driver) -> None:
    driver.settings(itemLimit=1)
    driver.connect()

    answer = driver.create()

    assert (answer.status_code, answer.json()["codeDescription"]) == (409, "ITEM_CREATION_LIMIT_EXCEEDED")
    assert answer.json()["data"] == {"itemsLimit": 1}


def test_a_free_plan_creates_through_the_widget_only(driver: Driver) -> None:
    driver.settings(refuseCreationWith="CREATE_ITEMS_API_FREE_DISABLED")
    token = driver.api.post("/connect_token", json={}).json()["accessToken"]

    refused = driver.create()
    body = {"connectorId": 2, "parameters": {"user": "user-ok", "password": "password-ok"}}
    allowed = driver.api.post("/items", json=body, headers={"X-API-KEY": token})

    assert refused.json()["codeDescription"] == "CREATE_ITEMS_API_FREE_DISABLED"
    assert allowed.status_code == 200


def test_parameters_may_come_encrypted(driver: Driver) -> None:
    key = serialization.load_pem_public_key(encrypted.public_key().encode())
    assert isinstance(key, rsa.RSAPublicKey)
    oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)
    secret = base64.b64encode(key.encrypt(json.dumps({"user": "user-ok", "password": "password-ok"}).encode(), oaep))

    item = driver.api.post("/items", json={"connectorId": 2, "parameters": secret.decode()}).json()
    driver.sandbox.settle()

    assert driver.state(item["id"]) == "UPDATED SUCCESS"
    assert driver.api.post("/items", json={"connectorId": 2, "parameters": "bm9uc2Vuc2U="}).status_code == 400


def test_a_deleted_item_is_gone_and_its_accounts_are_an_empty_list(driver: Driver) -> None:
    item_id = driver.connect()

    answer = driver.api.delete(f"/items/{item_id}")

    assert (answer.status_code, answer.json()) == (200, {"count": 1})
    assert driver.api.get(f"/items/{item_id}").json()["codeDescription"] == "ITEM_NOT_FOUND"
    assert driver.api.delete(f"/items/{item_id}").status_code == 404
    assert driver.accounts(item_id) == []


def test_deletion_can_be_told_to_answer_as_the_checklist_says(driver: Driver) -> None:
    item_id = driver.connect()
    driver.settings(itemDeletedStatus=204, deletedItemAccounts="404")

    assert driver.api.delete(f"/items/{item_id}").status_code == 204
    assert driver.api.get("/accounts", params={"itemId": item_id}).status_code == 404


def test_an_untouched_item_is_cleaned_up_after_thirty_days(driver: Driver) -> None:
    item_id = driver.connect()

    driver.advance(days=29)
    assert driver.api.get(f"/items/{item_id}").status_code == 200
    driver.advance(days=2)

    assert driver.api.get(f"/items/{item_id}").status_code == 404


def test_product_data_can_be_limited_to_some_products(driver: Driver) -> None:
    item_id = driver.connect(products=["ACCOUNTS", "TRANSACTIONS"])

    assert driver.item(item_id)["products"] == ["ACCOUNTS", "TRANSACTIONS"]
    assert [a["type"] for a in driver.accounts(item_id)] == ["BANK"]
    assert driver.api.get("/identity", params={"itemId": item_id}).json()["codeDescription"] == "IDENTITY_NOT_FOUND"
