"""Faults, limits, the log of requests, and what must stay private (Pluggy facts 6)."""

import logging
import time

import httpx
import pytest

from tests.pluggy_sandbox.driver import Driver, Receiver

SECRETS = ("hush-password", "hush-user", "271828", "hook-secret", "pluggy_sk_sandbox")


@pytest.mark.parametrize("status", [500, 503])
def test_an_endpoint_can_fail_some_times_and_then_work(driver: Driver, status: int) -> None:
    item_id = driver.connect()
    driver.faults(requests=[{"endpoint": "GET /items/{id}", "do": "status", "status": status, "times": 2, "skip": 1}])

    statuses = [driver.api.get(f"/items/{item_id}").status_code for _ in range(4)]

    assert statuses == [200, status, status, 200]
    assert driver.api.get("/webhooks").status_code == 200


def test_too_many_requests_come_with_their_headers(driver: Driver) -> None:
    driver.faults(requests=[{"endpoint": "*", "do": "status", "status": 429}])

    answer = driver.api.get("/webhooks")

    assert answer.status_code == answer.json()["code"] == 429
    assert {"ratelimit-limit", "ratelimit-reset"} <= set(answer.headers)
    assert answer.headers["retry-after"] == "60"


def test_updates_are_counted_twenty_a_minute_and_reads_are_not(driver: Driver) -> None:
    item_id = driver.connect()
    driver.settings(limits=True)

    answers = [driver.api.patch(f"/items/{item_id}", json={}) for _ in range(21)]

    assert {a.status_code for a in answers[:20]} <= {200, 400}
    assert answers[20].status_code == 429
    assert answers[20].headers["ratelimit-limit"] == "20"
    assert 0 < int(answers[20].headers["ratelimit-reset"]) <= 60
    assert driver.api.get(f"/items/{item_id}").status_code == 200
    assert "ratelimit-limit" not in answers[0].headers


def test_a_window_of_the_limits_ends(driver: Driver) -> None:
    driver.settings(limits=True, limitWindowSeconds=0.3)
    unknown = "/items/00000000-0000-4000-8000-00000000dead"
    deadline = time.monotonic() + 10
    while driver.api.patch(unknown, json={}).status_code != 429:
        assert time.monotonic() < deadline

    while driver.api.patch(unknown, json={}).status_code == 429:
        assert time.monotonic() < deadline


def test_three_hundred_and_sixty_sign_ins_a_minute(driver: Driver) -> None:
    driver.settings(limits=True)
    body = {"clientId": "x", "clientSecret": "y"}

    statuses = [driver.api.post("/auth", json=body).status_code for _ in range(361)]

    assert statuses == [401] * 360 + [429]


def test_a_slow_answer_is_slow(driver: Driver) -> None:
    driver.faults(requests=[{"endpoint": "GET /webhooks", "do": "slow", "seconds": 0.3}])
    began = time.monotonic()

    assert driver.api.get("/webhooks").status_code == 200

    assert time.monotonic() - began >= 0.3


def test_a_dropped_connection_is_an_error_of_the_transport(driver: Driver) -> None:
    driver.faults(requests=[{"endpoint": "GET /webhooks", "do": "drop", "times": 1}])

    with pytest.raises(httpx.TransportError):
        driver.api.get("/webhooks")
    assert driver.api.get("/webhooks").status_code == 200


def test_an_empty_answer_is_an_empty_page(driver: Driver) -> None:
    account_id = driver.account(driver.connect())["id"]
    driver.faults(requests=[{"endpoint": "GET /v2/transactions", "do": "empty"}])

    answer = driver.api.get("/v2/transactions", params={"accountId": account_id}).json()

    assert (answer["results"], answer["next"]) == ([], None)


def test_a_key_can_expire_between_two_pages(driver: Driver) -> None:
    account_id = driver.account(driver.connect())["id"]
    driver.faults(requests=[{"endpoint": "GET /v2/transactions", "do": "expire_keys", "skip": 1, "times": 1}])
    first = driver.api.get("/v2/transactions", params={"accountId": account_id}).json()

    assert driver.api.get(f"/v2/transactions{first['next']}").status_code == 403

    driver.sign_in()
    assert driver.api.get(f"/v2/transactions{first['next']}").status_code == 200


def test_a_cursor_can_go_bad(driver: Driver) -> None:
    account_id = driver.account(driver.connect())["id"]
    driver.faults(requests=[{"endpoint": "GET /v2/transactions", "do": "bad_cursor", "skip": 1, "times": 1}])
    first = driver.api.get("/v2/transactions", params={"accountId": account_id}).json()

    assert driver.api.get(f"/v2/transactions{first['next']}").json()["message"] == "Invalid cursor"
    assert driver.api.get(f"/v2/transactions{first['next']}").status_code == 200


def test_the_texts_of_an_answer_can_come_broken(driver: Driver) -> None:
    account_id = driver.account(driver.connect())["id"]
    whole = driver.api.get("/v2/transactions", params={"accountId": account_id}).json()["results"]
    driver.faults(requests=[{"do": "odd_text", "times": 2}])

    odd = driver.api.get("/v2/transactions", params={"accountId": account_id}).json()["results"]
    account = driver.api.get(f"/accounts/{account_id}").json()

    assert all(row["description"].endswith("\ud83d\x00") for row in odd)
    assert [row["id"] for row in odd] == [row["id"] for row in whole]
    assert [row["amount"] for row in odd] == [row["amount"] for row in whole]
    assert account["owner"].endswith("\ud83d\x00")
    assert driver.api.get("/v2/transactions", params={"accountId": account_id}).json()["results"] == whole


def test_faults_that_make_no_sense_are_refused_and_all_can_be_ended(driver: Driver) -> None:
    for body in ({"nonsense": 1}, {"requests": [{"do": "nonsense"}]}, {"requests": [{"do": "slow", "x": 1}]}):
        assert driver.control.put("/faults", json=body).status_code == 400
    driver.faults(requests=[{"do": "status"}])
    driver.control.delete("/faults")

    assert driver.api.get("/webhooks").status_code == 200


def test_requests_are_logged_since_a_number(driver: Driver) -> None:
    driver.connect()
    last = driver.control.get("/requests").json()[-1]["n"]
    driver.api.get("/webhooks?x=1")

    assert driver.control.get("/requests", params={"since": last}).json() == [
        {
            "n": last + 1,
            "method": "GET",
            "path": "/webhooks",
            "endpoint": "GET /webhooks",
            "query": "x=1",
            "status": 200,
        }
    ]


def test_nothing_private_is_in_a_log(driver: Driver, receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="pluggy_sandbox")
    driver.register(receiver.url, headers={"X-Secret": "hook-secret"})
    driver.connect("hush-user", password="hush-password")
    driver.mfa(driver.connect(connector=5), token="271828")
    world = driver.sandbox.sandbox.world

    told = driver.control.get("/requests").text + driver.control.get("/deliveries").text + caplog.text
    shown = driver.control.get("/items").text + repr(world.items) + repr(world.webhooks) + repr(world.origin)

    assert [secret for secret in SECRETS if secret in told + shown] == []


def test_pages_of_other_origins_may_call(driver: Driver) -> None:
    answer = driver.api.options("/items")

    assert answer.headers["access-control-allow-origin"] == "*"
    assert "X-API-KEY" in answer.headers["access-control-allow-headers"]


def test_a_path_that_is_none_is_told_in_the_apis_own_form(driver: Driver) -> None:
    answers: list[httpx.Response] = [driver.api.get("/nothing"), driver.api.put("/items/x")]

    assert [a.json()["code"] for a in answers] == [404, 405]
