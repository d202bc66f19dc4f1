"""The control surface, its description, and the page."""

import re

import pytest
from flask import Flask

from pluggy_sandbox.app import create_app
from pluggy_sandbox.control import openapi
from pluggy_sandbox.settings import Settings
from tests.pluggy_sandbox.driver import Driver, Json


@pytest.fixture
def app(driver: Driver) -> Flask:
    return create_app(driver.sandbox.sandbox)


def test_every_path_under_the_control_surface_is_described(driver: Driver, app: Flask) -> None:
    document = driver.control.get("/openapi.json").json()

    served = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/_sandbox/")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    described = {(path, method) for path, operations in document["paths"].items() for method in operations}
    assert described == served
    assert all(op["summary"] for operations in document["paths"].values() for op in operations.values())


def test_every_described_body_belongs_to_a_path(driver: Driver) -> None:
    document = driver.control.get("/openapi.json").json()

    for method, path in (*openapi.BODIES, *openapi.QUERIES):
        assert method in document["paths"][f"/_sandbox{path}"], path


def test_every_setting_is_described_and_can_be_set_to_what_it_is(driver: Driver) -> None:
    document = driver.control.get("/openapi.json").json()
    schema = document["paths"]["/_sandbox/settings"]["put"]["requestBody"]["content"]["application/json"]["schema"]
    values = Settings().as_json()

    assert set(schema["properties"]) == set(values)
    assert driver.control.put("/settings", json=values).json() == values


@pytest.mark.parametrize("body", [{"nonsense": 1}, {"mode": 5}, {"limits": "yes"}, {"payloads": {"x": True}}])
def test_a_setting_without_sense_is_refused(driver: Driver, body: Json) -> None:
    assert driver.control.put("/settings", json=body).status_code == 400


def test_the_truth_is_what_the_api_gives(driver: Driver) -> None:
    item_id = driver.connect()
    truth = driver.truth(item_id)

    assert truth["item"] == driver.item(item_id)
    assert truth["accounts"] == driver.accounts(item_id)
    assert {row["id"]: row for row in truth["transactions"]} == driver.everything(item_id)
    params = {"itemId": item_id}
    assert truth["investments"] == driver.api.get("/investments", params=params).json()["results"]
    assert truth["loans"] == driver.api.get("/loans", params=params).json()["results"]
    assert truth["identity"] == driver.api.get("/identity", params=params).json()
    card = {"accountId": driver.account(item_id, "CREDIT")["id"]}
    assert truth["bills"] == driver.api.get("/bills", params=card).json()["results"]


def test_settling_tells_when_something_is_still_under_way(driver: Driver) -> None:
    driver.settings(runSeconds=60)
    driver.create()

    assert driver.control.post("/settle", json={"timeoutSeconds": 0.05}).json()["settled"] is False


def test_a_reset_empties_everything_and_keeps_keys_good(driver: Driver) -> None:
    item_id = driver.connect()
    driver.register("http://127.0.0.1:1/hook")

    driver.control.post("/reset", json={"seed": 8})

    assert driver.api.get("/webhooks").json()["total"] == 0
    assert driver.api.get(f"/items/{item_id}").status_code == 404
    assert driver.control.get("/requests").json()[0]["path"] == "/webhooks"


def test_keys_can_be_made_void(driver: Driver) -> None:
    driver.control.post("/keys/expire")

    assert driver.api.get("/webhooks").status_code == 403


def test_an_item_of_nobody_is_404_everywhere(driver: Driver) -> None:
    for what in ("run", "evolve", "approve", "revoke", "reject", "exhaust", "break", "mfa"):
        assert driver.control.post(f"/items/nobody/{what}", json={}).status_code == 404, what
    assert driver.control.get("/items/nobody/truth").status_code == 404


def test_the_page_offers_every_test_user_and_its_parts_are_served(driver: Driver) -> None:
    page = driver.api.get("/").text

    for user in ("user-ok", "user-bad", "user-ok-phone", "user-ok-auth-pending"):
        assert f'data-user="{user}"' in page
    parts = re.findall(r'(?:src|href)="(/[^"]+)"', page)
    assert "/static/sandbox.js" in parts
    for path in (*parts, "/pluggy-connect.js", "/pluggy-connect/v2.9.2/pluggy-connect.js", "/_sandbox/connect-demo"):
        assert driver.api.get(path).status_code == 200, path


def test_the_page_can_connect_and_answer_without_a_key(driver: Driver) -> None:
    parameters = {"user": "user-ok", "password": "password-ok"}
    item_id = driver.control.post("/items", json={"connectorId": 5, "parameters": parameters}).json()["id"]
    driver.sandbox.settle()
    driver.do(item_id, "mfa", token="123456")

    statement = driver.control.get(f"/items/{item_id}/statement?size=3").json()["results"]

    assert driver.state(item_id) == "UPDATED SUCCESS"
    assert [len(account["transactions"]) for account in statement] == [3, 3]
