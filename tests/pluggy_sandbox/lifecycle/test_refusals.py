"""Updates and their refusals (Pluggy facts 3.7, 3.8, 4)."""

import httpx
import pytest

from pluggy_sandbox.settings import Settings
from tests.pluggy_sandbox.driver import Driver


def code(answer: httpx.Response) -> tuple[int, str | None]:
    return answer.status_code, answer.json().get("codeDescription")


def test_an_empty_update_means_sync_now(driver: Driver) -> None:
    item_id = driver.connect()
    before = driver.item(item_id)["lastUpdatedAt"]
    driver.advance(seconds=60)

    answer = driver.update(item_id)

    assert answer.json()["status"] == "UPDATING"
    assert driver.item(item_id)["lastUpdatedAt"] > before


def test_an_update_during_an_execution_is_refused(driver: Driver) -> None:
    driver.settings(runSeconds=60)
    item_id = driver.create().json()["id"]

    assert code(driver.api.patch(f"/items/{item_id}", json={})) == (400, "ITEM_ALREADY_UPDATING")

    driver.settings(alreadyUpdatingCode="ITEM_IS_ALREADY_UPDATING")
    assert code(driver.api.patch(f"/items/{item_id}", json={})) == (400, "ITEM_IS_ALREADY_UPDATING")
    driver.settings(alreadyUpdatingCode="")
    told = driver.api.patch(f"/items/{item_id}", json={})
    assert code(told) == (400, None)
    assert told.json()["message"] == "An update is already in progress, wait until the last execution ends"


def test_bad_credentials_need_new_ones(driver: Driver) -> None:
    item_id = driver.connect("user-bad")

    assert code(driver.update(item_id)) == (400, "LAST_EXECUTION_HAD_LOGIN_ERROR")
    assert code(driver.update(item_id, {"parameters": {}})) == (400, "PARAMETERS_NOT_PROVIDED")
    driver.update(item_id, {"parameters": {"user": "user-ok", "password": "password-ok"}})

    assert driver.state(item_id) == "UPDATED SUCCESS"
    assert driver.item(item_id)["consecutiveFailedLoginAttempts"] == 0


def test_after_two_failed_logins_fifteen_minutes_must_pass(driver: Driver) -> None:
    item_id = driver.connect("user-bad")
    again = {"parameters": {"user": "user-bad", "password": "x"}}
    driver.update(item_id, again)
    assert driver.item(item_id)["consecutiveFailedLoginAttempts"] == 2

    refused = driver.update(item_id, again)

    assert code(refused) == (400, "TOO_MANY_CONSECUTIVE_LOGIN_FAILURES")
    data = refused.json()["data"]
    assert data["maxConsecutiveFailedLoginAttempts"] == 2
    assert data["canRetryAfterDate"] > data["lastExecutionEndedAt"]
    driver.advance(seconds=14 * 60)
    assert code(driver.update(item_id, again))[0] == 400
    driver.advance(seconds=61)
    assert driver.update(item_id, again).status_code == 200


def test_more_than_five_errors_in_a_row_stop_updates(driver: Driver) -> None:
    item_id = driver.connect("user-unavailable")
    for _ in range(5):
        assert driver.update(item_id).status_code == 200

    assert code(driver.update(item_id)) == (400, "TOO_MANY_CONSECUTIVE_ERRORS")


def test_an_update_within_the_minimum_frequency_is_409_but_not_by_the_widget(driver: Driver) -> None:
    item_id = driver.connect()
    driver.settings(minUpdateFrequencyHours=1)
    token = driver.api.post("/connect_token", json={"itemId": item_id}).json()["accessToken"]

    refused = driver.update(item_id)

    assert code(refused) == (409, "CLIENT_IS_UPDATING_BEFORE_ALLOWED_FREQUENCY")
    assert refused.json()["data"]["minUpdateFrequencyAllowedInHours"] == 1
    assert refused.json()["data"]["lastUpdatedAt"] == driver.item(item_id)["lastUpdatedAt"]
    assert driver.api.patch(f"/items/{item_id}", json={}, headers={"X-API-KEY": token}).status_code == 200
    driver.sandbox.settle()
    driver.advance(seconds=3601)
    assert driver.update(item_id).status_code == 200


def test_the_minimum_frequency_is_an_hour_by_default_as_for_new_client_ids() -> None:
    assert Settings().min_update_frequency_hours == 1


def test_an_item_in_error_may_have_to_cool_down(driver: Driver) -> None:
    driver.settings(errorCooldownSeconds=600)
    item_id, fine = driver.connect("user-unavailable"), driver.connect()

    refused = driver.update(item_id)

    assert code(refused) == (409, "ITEM_IN_ERROR_COOLDOWN")
    assert refused.json()["data"]["canRetryAfterDate"] > refused.json()["data"]["lastExecutionEndedAt"]
    assert driver.update(fine).status_code == 200
    driver.advance(seconds=601)
    assert driver.update(item_id).status_code == 200


def test_a_one_step_token_is_needed_at_each_update_and_good_once(driver: Driver) -> None:
    item_id = driver.connect(connector=4, parameters={"token": "123456"})

    missing = driver.update(item_id)
    same = driver.update(item_id, {"parameters": {"token": "123456"}})

    assert code(missing) == (400, "CONNECTOR_REQUIRED_PARAMETER_VALIDATION_ERROR")
    assert missing.json()["data"] == {"parameter": "token"}
    assert code(same) == (400, "MFA_PARAMERTER_WAS_ALREADY_USED_ERROR")
    driver.advance(seconds=121)
    assert driver.update(item_id, {"parameters": {"token": "123456"}}).status_code == 200
    assert driver.state(item_id) == "UPDATED SUCCESS"


def test_the_credentials_of_another_person_are_refused(driver: Driver) -> None:
    item_id = driver.connect("user-ok")
    other = {"parameters": {"user": "user-ok-two-checking-accounts", "password": "password-ok"}}

    assert code(driver.update(item_id, other)) == (400, "ITEM_ORIGINAL_CONNECTED_WITH_DIFFERENT_ACCOUNT")


@pytest.mark.parametrize("refusal", ["CLIENT_HAS_ITEM_UPDATES_DISABLED", "SANDBOX_CLIENT_ITEM_UPDATE_NOT_ALLOWED"])
def test_a_plan_can_forbid_updates(driver: Driver, refusal: str) -> None:
    item_id = driver.connect()
    driver.settings(refuseUpdatesWith=refusal)

    assert code(driver.update(item_id)) == (400, refusal)


def test_items_of_meupluggy_cannot_be_updated(driver: Driver) -> None:
    item_id = driver.connect(connector=200)

    assert code(driver.update(item_id)) == (400, None)


def test_an_unknown_item_is_404(driver: Driver) -> None:
    assert code(driver.update("00000000-0000-4000-8000-00000000dead")) == (404, "ITEM_NOT_FOUND")
