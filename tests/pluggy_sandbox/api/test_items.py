"""Lists of Items, resources, the credit registry, and the form of errors (Pluggy facts 13)."""

from urllib.parse import parse_qs

import httpx
import pytest

from tests.pluggy_sandbox.driver import CPF, Driver, Json


def listed(driver: Driver, query: str = "") -> Json:
    answer = driver.api.get(f"/v2/items{query}")
    assert answer.status_code == 200, answer.text
    page: Json = answer.json()
    return page


@pytest.fixture
def enabled(driver: Driver) -> Driver:
    driver.settings(listItemsEnabled=True)
    return driver


def test_the_list_of_items_is_off_until_it_is_switched_on(driver: Driver) -> None:
    item_id = driver.connect()

    refused = driver.api.get("/v2/items")
    driver.settings(listItemsEnabled=True)

    assert (refused.status_code, refused.json()["codeDescription"]) == (403, "LIST_ITEMS_FEATURE_NOT_ENABLED")
    assert listed(driver) == {"results": [driver.item(item_id)], "next": None}


def test_items_are_listed_newest_first_page_by_page_and_each_once(enabled: Driver) -> None:
    enabled.settings(runSeconds=60, mode="production")
    made = [enabled.create().json()["id"] for _ in range(205)]

    pages = [listed(enabled)]
    while pages[-1]["next"] is not None:
        if len(pages) == 1:  # what is deleted meanwhile, the cursor's own Item even, does no harm
            enabled.api.delete(f"/items/{pages[0]['results'][-1]['id']}")
        pages.append(listed(enabled, pages[-1]["next"]))

    assert [item["id"] for page in pages for item in page["results"]] == made[::-1]
    assert [len(page["results"]) for page in pages] == [100, 100, 5]


def test_items_are_filtered_by_user_and_connector_on_every_page(enabled: Driver) -> None:
    enabled.settings(runSeconds=60, mode="production")
    wanted = [enabled.create(clientUserId="u&1").json()["id"] for _ in range(101)]
    enabled.create(clientUserId="u2")
    other = enabled.create(connector=8, clientUserId="u&1").json()["id"]

    first = listed(enabled, "?clientUserId=u%261&connectorId=2")
    rest = listed(enabled, first["next"])

    assert [item["id"] for item in first["results"] + rest["results"]] == wanted[::-1]
    assert parse_qs(first["next"][1:]).keys() == {"clientUserId", "connectorId", "after"}
    assert listed(enabled, "?connectorId=8")["results"][0]["id"] == other
    assert listed(enabled, "?connectorId=601") == {"results": [], "next": None}


@pytest.mark.parametrize(
    "query", ["page=1", "pageSize=5", "status=UPDATED", f"clientUserId={'x' * 256}", "connectorId=x", "after=x"]
)
def test_what_the_list_of_items_does_not_know_is_refused(enabled: Driver, query: str) -> None:
    answer = enabled.api.get(f"/v2/items?{query}")

    assert answer.status_code == 400
    assert answer.json()["errorId"]


def test_a_connect_token_lists_no_items(enabled: Driver) -> None:
    token = enabled.api.post("/connect_token", json={}).json()["accessToken"]

    assert enabled.using(token).get("/v2/items").status_code == 403


def consented(driver: Driver) -> str:
    item_id = driver.connect_open_finance()
    driver.do(item_id, "approve")
    return item_id


def resources(driver: Driver, item_id: str, query: str = "") -> Json:
    page: Json = driver.api.get(f"/items/{item_id}/resources{query}").json()
    return page


def test_the_bank_declares_what_a_consent_covers(driver: Driver) -> None:
    item_id = driver.connect_open_finance()
    before = driver.item(item_id)
    driver.do(item_id, "approve")
    after = driver.item(item_id)

    found = resources(driver, item_id)

    assert (before["resourcesCollectedAt"], before["hasResourcesPendingAuthorization"]) == (None, None)
    assert after["resourcesCollectedAt"] <= after["updatedAt"]
    assert after["hasResourcesPendingAuthorization"] is False
    assert {r["status"] for r in found["results"]} == {"AVAILABLE"}
    assert {"ACCOUNT", "CREDIT_CARD_ACCOUNT", "LOAN", "FINANCING"} < {r["type"] for r in found["results"]}
    assert resources(driver, item_id, "?pageSize=1&page=2")["results"] == found["results"][1:2]
    assert resources(driver, item_id, "?status=UNAVAILABLE")["total"] == 0
    assert driver.api.get(f"/items/{item_id}/resources?status=x").status_code == 400


def test_a_direct_connector_declares_nothing(driver: Driver) -> None:
    item_id = driver.connect()

    assert resources(driver, item_id) == {"page": 1, "total": 0, "totalPages": 0, "results": []}
    item = driver.item(item_id)
    assert (item["resourcesCollectedAt"], item["hasResourcesPendingAuthorization"]) == (None, None)


def test_an_updated_item_may_wait_for_a_further_approval(driver: Driver) -> None:
    item_id = driver.connect_open_finance()
    driver.control.put(f"/items/{item_id}/resources", json={"CREDIT_CARD_ACCOUNT": "PENDING_AUTHORISATION"})
    driver.do(item_id, "approve")

    waiting = driver.item(item_id)
    pending = resources(driver, item_id, "?status=PENDING_AUTHORISATION")["results"]

    assert (waiting["status"], waiting["executionStatus"]) == ("UPDATED", "PARTIAL_SUCCESS")
    assert waiting["hasResourcesPendingAuthorization"] is True
    assert waiting["statusDetail"]["creditCards"]["warnings"][0]["code"] == "002"
    assert [r["type"] for r in pending] == ["CREDIT_CARD_ACCOUNT"]
    assert [a["type"] for a in driver.accounts(item_id)] == ["BANK"]

    driver.do(item_id, "approve")

    assert driver.state(item_id) == "UPDATED SUCCESS"
    assert driver.item(item_id)["hasResourcesPendingAuthorization"] is False
    assert [a["type"] for a in driver.accounts(item_id)] == ["BANK", "CREDIT"]
    assert driver.control.post(f"/items/{item_id}/approve", json={}).status_code == 400


def test_all_resources_wait_while_further_holders_must_approve(driver: Driver) -> None:
    item_id = driver.connect_open_finance("238.242.640-30")
    driver.do(item_id, "approve")

    assert driver.item(item_id)["hasResourcesPendingAuthorization"] is True
    assert {r["status"] for r in resources(driver, item_id)["results"]} == {"PENDING_AUTHORISATION"}
    driver.advance(seconds=121)
    assert driver.item(item_id)["hasResourcesPendingAuthorization"] is False


def test_a_withdrawn_consent_declares_nothing(driver: Driver) -> None:
    item_id = consented(driver)

    driver.do(item_id, "revoke")

    assert resources(driver, item_id)["results"] == []


def scr(driver: Driver, item_id: str, **params: str) -> httpx.Response:
    return driver.api.get(f"/items/{item_id}/scr", params=params)


def test_the_credit_registry_tells_the_last_four_closed_months(driver: Driver) -> None:
    item_id = consented(driver)

    found = scr(driver, item_id).json()

    assert found["dtbConsult"] == "202510,202511,202512,202601"
    assert [month["dtb"] for month in found["lsDtb"]] == [202510, 202511, 202512, 202601]
    assert found["cdCli"] == "".join(filter(str.isdigit, CPF))
    assert all(month["lsOp"] for month in found["lsDtb"])
    assert scr(driver, item_id).json() == found
    assert [m["lsOp"] for m in scr(driver, item_id, **{"from": "202512", "to": "202603"}).json()["lsDtb"]][2:] == [
        [],
        [],
    ]


@pytest.mark.parametrize("window", [{"from": "2025"}, {"to": "202613"}, {"from": "202512", "to": "202511"}])
def test_months_without_sense_are_refused(driver: Driver, window: dict[str, str]) -> None:
    answer = scr(driver, consented(driver), **window)

    assert (answer.status_code, answer.json()["codeDescription"]) == (400, "SCR_INVALID_REQUEST")


def test_sixty_months_are_the_most(driver: Driver) -> None:
    item_id = consented(driver)

    assert scr(driver, item_id, **{"from": "202102", "to": "202601"}).status_code == 200
    assert scr(driver, item_id, **{"from": "202101", "to": "202601"}).status_code == 400


def test_the_credit_registry_is_for_open_finance_and_for_who_has_it(driver: Driver) -> None:
    direct, item_id = driver.connect(), consented(driver)

    assert scr(driver, direct).status_code == 422
    driver.settings(scrEnabled=False)
    assert scr(driver, item_id).status_code == 403
    driver.settings(scrEnabled=True)
    driver.do(item_id, "revoke")
    assert scr(driver, item_id).status_code == 422


def test_a_refusal_about_an_item_has_details_and_an_error_id(driver: Driver) -> None:
    answers = [driver.api.post("/items", json={"connectorId": 2, "parameters": {}}).json() for _ in range(2)]

    assert [sorted(answer) for answer in answers] == [["code", "codeDescription", "details", "errorId", "message"]] * 2
    assert answers[0]["errorId"] != answers[1]["errorId"]
