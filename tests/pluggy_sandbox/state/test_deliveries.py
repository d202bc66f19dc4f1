"""Deliveries: attempts, delays, faults, replay (Pluggy facts 2.5, 2.7)."""

import base64
import hmac
import statistics
import time
from collections import Counter
from itertools import pairwise

import pytest

from tests.pluggy_sandbox.driver import Driver, Received, Receiver

PAYLOAD = {"event": "item/updated", "eventId": "e1", "itemId": "i1"}


def deliver(driver: Driver, **more: object) -> None:
    driver.control.post("/deliver", json={"payload": PAYLOAD, **more})
    driver.sandbox.settle()


@pytest.mark.parametrize("status,attempts", [(200, 1), (202, 1), (299, 1), (401, 1), (500, 9), (404, 9), (302, 9)])
def test_what_a_receiver_answers_decides_how_often_it_is_asked(
    driver: Driver, receiver: Receiver, status: int, attempts: int
) -> None:
    driver.register(receiver.url)
    receiver.status = lambda _: status

    deliver(driver)

    (log,) = driver.deliveries()
    assert len(receiver.received) == len(log["attempts"]) == attempts
    assert {a["status"] for a in log["attempts"]} == {status}
    assert log["state"] == ("delivered" if status < 300 else "failed")


def test_attempts_come_in_three_batches_of_three(driver: Driver, receiver: Receiver) -> None:
    times: list[float] = []
    driver.settings(deliveryDelaysSeconds=[0.4, 0.8])
    driver.register(receiver.url)

    def refuse(_: Received) -> int:
        times.append(time.monotonic())
        return 500

    receiver.status = refuse
    deliver(driver)

    gaps = [later - earlier for earlier, later in pairwise(times)]
    within = [gaps[number] for number in (0, 1, 3, 4, 6, 7)]
    assert len(gaps) == 8
    assert (gaps[2] >= 0.4, gaps[5] >= 0.8) == (True, True)
    # One of them may be long on a busy machine.
    assert statistics.median(within) < 0.4


def test_login_succeeded_is_tried_three_times_only(driver: Driver, receiver: Receiver) -> None:
    driver.register(receiver.url, "item/login_succeeded")
    receiver.status = lambda _: 503

    driver.connect()

    assert receiver.events == ["item/login_succeeded"] * 3


def test_a_receiver_that_recovers_gets_the_same_event_id(driver: Driver, receiver: Receiver) -> None:
    driver.register(receiver.url, "item/created")
    receiver.status = lambda _: 500 if len(receiver.received) < 4 else 200

    driver.connect()

    assert len(receiver.received) == 4
    assert len({r.payload["eventId"] for r in receiver.received}) == 1
    assert driver.deliveries()[0]["state"] == "delivered"


def test_a_slow_receiver_runs_into_the_time_limit(driver: Driver, receiver: Receiver) -> None:
    driver.settings(deliveryTimeoutSeconds=0.2, deliveryAttemptsPerBatch=1)
    driver.register(receiver.url)
    released: list[bool] = []

    def slow(_: Received) -> int:
        deadline = time.monotonic() + 1
        # A receiver that dawdles is what is tested; it ends with the test.
        while not released and time.monotonic() < deadline:
            time.sleep(0.01)
        return 200

    receiver.status = slow
    deliver(driver)
    released.append(True)

    attempts = driver.deliveries()[0]["attempts"]
    assert [a["error"] for a in attempts] == ["ReadTimeout"] * 3
    assert all(a["status"] is None for a in attempts)


def test_nobody_listening_is_a_failed_delivery(driver: Driver) -> None:
    driver.register("http://127.0.0.1:1/hook")

    deliver(driver)

    assert driver.deliveries()[0]["state"] == "failed"


def test_a_lost_delivery_is_logged_and_never_sent(driver: Driver, receiver: Receiver) -> None:
    driver.register(receiver.url)
    driver.faults(deliveries={"loss": 1})

    deliver(driver)

    assert receiver.received == []
    assert [d["state"] for d in driver.deliveries()] == ["lost"]


def test_a_duplicated_delivery_comes_twice(driver: Driver, receiver: Receiver) -> None:
    driver.register(receiver.url)
    driver.faults(deliveries={"duplicate": 1})

    deliver(driver)

    assert [r.payload for r in receiver.received] == [PAYLOAD, PAYLOAD]


def test_a_delayed_delivery_waits(driver: Driver, receiver: Receiver) -> None:
    driver.register(receiver.url)
    driver.faults(deliveries={"delaySeconds": 0.3})
    began = time.monotonic()

    deliver(driver)

    assert time.monotonic() - began >= 0.3


def test_disorder_changes_the_order_and_loses_nothing(driver: Driver, receiver: Receiver) -> None:
    driver.register(receiver.url)
    driver.faults(deliveries={"disorder": True})
    sent = [f"e{n}" for n in range(12)]
    for event_id in sent:
        driver.control.post("/deliver", json={"payload": PAYLOAD | {"eventId": event_id}})
    driver.sandbox.settle()

    got = [r.payload["eventId"] for r in receiver.received]

    assert Counter(got) == Counter(sent)
    assert got != sent


def test_a_replay_sends_the_same_payload_and_headers_again(driver: Driver, receiver: Receiver) -> None:
    driver.register(receiver.url, headers={"X-Secret": "s"})
    deliver(driver)

    driver.control.post(f"/deliveries/{driver.deliveries()[0]['id']}/replay")
    driver.sandbox.settle()

    assert [(r.payload, r.headers["x-secret"]) for r in receiver.received] == [(PAYLOAD, "s")] * 2
    assert driver.control.post("/deliveries/nope/replay").status_code == 404


def test_a_forger_does_not_know_the_headers(driver: Driver, receiver: Receiver) -> None:
    driver.register(receiver.url, headers={"X-Secret": "s"})

    deliver(driver, headers={"X-Secret": "guess"})

    assert receiver.received[0].headers["x-secret"] == "guess"


@pytest.mark.parametrize("is_base64", [False, True])
def test_deliveries_are_signed_once_a_secret_is_set(driver: Driver, receiver: Receiver, is_base64: bool) -> None:
    driver.register(receiver.url)
    deliver(driver)
    secret = base64.b64encode(b"a secret").decode()

    driver.settings(signingSecret=secret, signingSecretIsBase64=is_base64)
    deliver(driver)

    unsigned, signed = receiver.received
    key = b"a secret" if is_base64 else secret.encode()
    assert "x-hmac-sha512-signature" not in unsigned.headers
    expected = base64.b64encode(hmac.digest(key, signed.body, "sha512")).decode()
    assert signed.headers["x-hmac-sha512-signature"] == expected


def test_a_secret_that_cannot_sign_fails_the_delivery_and_nothing_else(driver: Driver, receiver: Receiver) -> None:
    driver.register(receiver.url)
    driver.settings(signingSecret="x", signingSecretIsBase64=True, deliveryAttemptsPerBatch=1)

    deliver(driver)

    assert [d["state"] for d in driver.deliveries()] == ["failed"]
    assert receiver.received == []
