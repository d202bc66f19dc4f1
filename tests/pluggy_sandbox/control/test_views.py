"""The control surface."""

import pytest

from tests.pluggy_sandbox.driver import Driver, Json


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
