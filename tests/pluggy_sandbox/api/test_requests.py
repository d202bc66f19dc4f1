"""What a request may look like: forms, slashes, repeated parameters, pages; and what is of the wrong kind."""

from typing import Any

import httpx
import pytest

from tests.pluggy_sandbox.driver import Driver

UNKNOWN = "00000000-0000-4000-8000-00000000dead"


def pair(driver: Driver) -> dict[str, str]:
    return {"clientId": driver.sandbox.client_id, "clientSecret": driver.sandbox.client_secret}


def test_a_form_signs_in(driver: Driver) -> None:
    key = driver.api.post("/auth", data=pair(driver)).json()["apiKey"]

    assert driver.using(key).get("/webhooks").status_code == 200
    assert driver.api.post("/auth", data=pair(driver) | {"clientSecret": "x"}).status_code == 401


def test_json_that_is_called_a_form_is_json(driver: Driver) -> None:
    # `curl -d '{...}'` says so of every body.
    headers = {"Content-Type": "application/x-www-form-urlencoded"}

    answer = driver.api.post("/connect_token", content=b'{"itemId": 5}', headers=headers)

    assert (answer.status_code, answer.json()["message"]) == (400, "itemId must be a string")


def test_a_slash_at_the_end_changes_nothing(driver: Driver) -> None:
    item_id = driver.connect()

    for path in ("/connectors", "/connectors/2", f"/items/{item_id}", f"/accounts?itemId={item_id}", "/categories"):
        head, _, query = path.partition("?")
        with_slash = driver.api.get(f"{head}/?{query}")
        assert with_slash.json() == driver.api.get(path).json(), path
    assert driver.api.post("/auth/", json=pair(driver)).status_code == 200


def test_ids_may_be_repeated_or_have_commas_or_both(driver: Driver) -> None:
    account_id = driver.account(driver.connect())["id"]
    rows = driver.transactions(account_id)[:3]
    a, b, c = (row["id"] for row in rows)

    for ids in ([f"{a},{b},{c}"], [a, b, c], [f"{a},{b}", c]):
        found = driver.api.get("/v2/transactions", params={"accountId": account_id, "ids": ids}).json()["results"]
        assert found == rows


def test_five_hundred_ids_are_the_most_however_they_come(driver: Driver) -> None:
    account_id = driver.account(driver.connect())["id"]

    answer = driver.api.get("/v2/transactions", params={"accountId": account_id, "ids": [UNKNOWN] * 501})

    assert answer.json()["codeDescription"] == "IDS_PARAMETER_EXCEEDS_MAX_LENGTH"


def lists(driver: Driver) -> dict[str, dict[str, str]]:
    """Return every list in pages with what it must be asked with."""
    driver.settings(openFinanceQuotas=False)
    item_id = driver.connect_open_finance()
    driver.do(item_id, "approve")
    of_item, of_card = {"itemId": item_id}, {"accountId": driver.account(item_id, "CREDIT")["id"]}
    fixed = driver.api.get("/investments", params=of_item).json()["results"][0]["id"]
    driver.register("http://127.0.0.1:1/hook")
    named = dict.fromkeys(("/accounts", "/investments", "/loans", "/consents"), of_item)
    free: dict[str, dict[str, str]] = {"/connectors": {"sandbox": "true"}, "/categories": {}, "/webhooks": {}}
    return named | free | {"/bills": of_card, f"/investments/{fixed}/transactions": {}}


def test_every_list_has_pages(driver: Driver) -> None:
    for path, params in lists(driver).items():
        whole = driver.api.get(path, params=params).json()
        pages = [
            driver.api.get(path, params={**params, "pageSize": 1, "page": n}).json()
            for n in range(1, whole["total"] + 2)
        ]

        assert whole["total"] == len(whole["results"]) > 0, path
        assert [page["results"] for page in pages] == [*([row] for row in whole["results"]), []], path
        assert {(page["total"], page["totalPages"]) for page in pages} == {(whole["total"], whole["total"])}, path


@pytest.mark.parametrize("params", [{"page": "0"}, {"pageSize": "501"}, {"page": "x"}, {"pageSize": "1.5"}])
def test_a_page_that_is_none_is_refused_in_every_list(driver: Driver, params: dict[str, str]) -> None:
    for path, needed in lists(driver).items():
        refused(driver.api.get(path, params=needed | params))


def test_what_may_be_given_once_is_refused_twice(driver: Driver) -> None:
    refused(driver.api.get("/accounts", params={"itemId": [driver.connect(), UNKNOWN]}))


def refused(answer: httpx.Response) -> None:
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] == 400
    assert answer.json()["message"]


ODD: list[Any] = [5, 1.5, True, ["x"], {"a": 1}]
CREATE = {"connectorId": 2, "parameters": {"user": "user-ok", "password": "password-ok"}}


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize("name", ["clientUserId", "webhookUrl", "oauthRedirectUri", "products", "parameters"])
def test_an_option_of_the_wrong_kind_is_refused_everywhere(driver: Driver, name: str, value: Any) -> None:
    if (name, value) == ("products", ["ACCOUNTS"]) or (name == "parameters" and value == {"a": 1}):
        return
    item_id = driver.connect()

    refused(driver.api.post("/items", json=CREATE | {name: value}))
    refused(driver.control.post("/items", json=CREATE | {name: value}))
    refused(driver.api.patch(f"/items/{item_id}", json={name: value}))
    refused(driver.control.post(f"/items/{item_id}/update", json={name: value}))
    if name != "parameters":
        refused(driver.api.post("/connect_token", json={"options": {name: value}}))
        refused(driver.control.post("/connect_token", json={"options": {name: value}}))
    assert [item["id"] for item in driver.control.get("/items").json()["results"]] == [item_id]


@pytest.mark.parametrize("connector_id", [None, "2", True, 2.5, [2], {"id": 2}, -1, 10**30])
def test_a_connector_that_is_none_is_refused(driver: Driver, connector_id: object) -> None:
    refused(driver.api.post("/items", json=CREATE | {"connectorId": connector_id}))


@pytest.mark.parametrize("value", [True, ["x"], {"a": 1}])
def test_a_credential_is_a_text_or_a_number(driver: Driver, value: object) -> None:
    waiting = driver.connect(connector=5)

    refused(driver.api.post("/items", json={"connectorId": 2, "parameters": {"user": value, "password": "x"}}))
    refused(driver.api.post("/connectors/2/validate", json={"user": value}))
    refused(driver.api.post(f"/items/{waiting}/mfa", json={"token": value}))
    assert driver.mfa(waiting, token=123456).status_code == 200  # a number, as some clients send
    assert driver.state(waiting) == "UPDATED SUCCESS"


CONTROL: list[tuple[str, str, Any]] = [
    ("POST", "/clock", {"advanceDays": "1"}),
    ("POST", "/clock", {"advanceSeconds": 1e300}),
    ("POST", "/clock", {"advanceDays": -1}),
    ("POST", "/clock", {"speed": []}),
    ("POST", "/settle", {"timeoutSeconds": "x"}),
    ("POST", "/reset", {"seed": "x"}),
    ("POST", "/deliver", {"payload": []}),
    ("POST", "/deliver", {"payload": {}, "headers": ["x"]}),
    ("POST", "/deliver", {"payload": {}, "headers": {"a b": "c"}}),
    ("PUT", "/faults", {"requests": [{"do": "slow", "seconds": "x"}]}),
    ("PUT", "/faults", {"requests": [{"do": "status", "times": "x"}]}),
    ("PUT", "/faults", {"requests": ["x"]}),
    ("PUT", "/faults", {"deliveries": {"loss": 2}}),
    ("PUT", "/faults", {"deliveries": {"delaySeconds": "x"}}),
    ("PUT", "/settings", {"deliveryDelaysSeconds": [1]}),
    ("PUT", "/settings", {"deliveryAttemptsPerBatch": 0}),
    ("PUT", "/settings", {"autoSyncHours": 0}),
    ("PUT", "/settings", {"firstRunDays": 10**9}),
    ("PUT", "/settings", {"openingDay": "2026-02-31"}),
    ("PUT", "/settings", {"mode": "x"}),
    ("PUT", "/settings", []),
    ("PUT", "/applications/other", {"clientSecret": 5}),
    ("PUT", "/applications/other", {"enabled": "no"}),
    ("PUT", "/connectors/2/health", {"status": ["ONLINE"]}),
    ("PUT", "/connectors/x/health", {"status": "ONLINE"}),
    ("POST", "/items/{item}/run", {"triggeredBy": 5}),
    ("POST", "/items/{item}/evolve", {"changes": [{"kind": "add", "count": "x"}]}),
    ("POST", "/items/{item}/evolve", {"changes": [{"kind": "add", "count": 10**9}]}),
    ("POST", "/items/{item}/evolve", {"changes": ["add"]}),
    ("POST", "/items/{item}/evolve", {"changes": [{}]}),
    ("POST", "/items/{item}/evolve", {"accountId": ["x"]}),
    ("POST", "/items/{item}/exhaust", {"products": "ACCOUNTS"}),
    ("POST", "/items/{item}/break", {"executionStatus": ["x"]}),
    ("GET", "/requests?since=x", None),
    ("GET", "/deliveries?latest=-1", None),
    ("GET", "/items/{item}/statement?size=x", None),
]


@pytest.mark.parametrize("method,path,body", CONTROL)
def test_the_control_surface_refuses_what_is_of_the_wrong_kind(
    driver: Driver, method: str, path: str, body: Any
) -> None:
    refused(driver.control.request(method, path.format(item=driver.connect()), json=body))


@pytest.mark.parametrize(
    "query",
    [
        "dateFrom=0001-01-01T00:00:00%2B14:00", "dateTo=9999-12-31T23:59:59-14:00", "createdAtFrom=x",
        "dateTo=2026-02-30",
    ],
)  # fmt: skip
def test_an_instant_that_no_calendar_has_is_refused(driver: Driver, query: str) -> None:
    account_id = driver.account(driver.connect())["id"]

    refused(driver.api.get(f"/v2/transactions?accountId={account_id}&{query}"))


def test_the_first_and_last_days_of_the_calendar_are_days(driver: Driver) -> None:
    account_id = driver.account(driver.connect())["id"]

    found = driver.transactions(account_id, dateFrom="0001-01-01", dateTo="9999-12-31")

    assert found == driver.transactions(account_id)


@pytest.mark.parametrize("body", [b"x", b"[]", b"5", b'"x"', b"\xff", b"[" * 9_000, b'{"a":\xff}', b'{"a":"\\ud800"}'])
def test_a_body_that_is_no_json_object_is_refused(driver: Driver, body: bytes) -> None:
    refused(driver.api.post("/items", content=body, headers={"Content-Type": "application/json"}))
    refused(driver.control.put("/settings", content=body))
