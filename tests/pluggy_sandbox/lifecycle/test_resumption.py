"""What goes on after `kill -9`: a process is killed and another one started on the same folder."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.pluggy_sandbox.driver import CPF, Driver, Json, Receiver
from tests.pluggy_sandbox.process import Process, served_process

pytestmark = pytest.mark.slow

CODE, QR = 5, 19


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@contextmanager
def served(folder: Path, key: str = "", *options: str) -> Iterator[Driver]:
    """Serve what is kept in *folder*; use *key*, or sign in if there is none."""
    options = (f"--state={folder}", "--run-seconds=0", "--no-limits", *options)
    with served_process(*options) as process, httpx.Client(base_url=process.url, timeout=30, trust_env=False) as api:
        driver = Driver(process, api)
        if key:
            api.headers["X-API-KEY"] = key
        else:
            driver.sign_in()
        yield driver


def killed(driver: Driver) -> str:
    """Kill the sandbox of *driver*, and return the key that was good for it."""
    process = driver.sandbox
    assert isinstance(process, Process)
    process.kill()
    return str(driver.api.headers["X-API-KEY"])


def comparable(truth: Json, driver: Driver) -> str:
    return str(truth).replace(driver.sandbox.url, "")


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_items_rows_webhooks_and_keys_are_there_again(folder: Path, receiver: Receiver) -> None:
    with served(folder) as before:
        hook = before.register(receiver.url, headers={"X-Secret": "s"})
        item_id = before.connect()
        before.connect("user-ok-perf-100x")
        truth = comparable(before.truth(item_id), before)
        rows = before.everything(item_id)
        token = before.api.post("/connect_token", json={"itemId": item_id}).json()["accessToken"]
        key = killed(before)

    with served(folder, key) as after:
        assert after.api.get("/webhooks").json()["results"] == [hook]
        assert len(after.control.get("/items").json()["results"]) == 2
        assert comparable(after.truth(item_id), after) == truth
        assert after.everything(item_id) == rows
        assert after.using(token).get(f"/items/{item_id}").json()["id"] == item_id
        seen = len(receiver.received)
        after.run(item_id)
        assert "item/updated" in [got.payload["event"] for got in receiver.received[seen:]]


QUESTIONS: dict[str, tuple[int, Json, tuple[str, Json]]] = {
    "a code": (CODE, {"user": "user-ok", "password": "password-ok"}, ("mfa", {"token": "123456"})),
    "a picture": (QR, {}, ("approve", {})),
    "a consent": (600, {"cpf": CPF}, ("approve", {})),
}


def now(driver: Driver) -> datetime:
    return datetime.fromisoformat(driver.control.get("/clock").json()["now"])


# One kill for all that goes on afterwards in the same way, each with an Item of its own: the clock moves for all.
def test_the_clock_questions_approvals_and_consents_go_on_where_they_were(folder: Path) -> None:
    with served(folder) as before:
        before.advance(days=10)
        then = now(before)
        awaits_approval = before.connect_open_finance("238.242.640-30")
        before.do(awaits_approval, "approve")
        assert before.state(awaits_approval) == "OUTDATED USER_AUTHORIZATION_PENDING"
        before.settings(consentDays=2)
        with_consent = before.connect_open_finance()
        before.do(with_consent, "approve")
        asked = {}
        for what, (connector, parameters, _) in QUESTIONS.items():
            body = {"connectorId": connector, "parameters": parameters}
            item_id = before.api.post("/items", json=body).json()["id"]
            before.sandbox.settle()
            asked[what] = (item_id, before.state(item_id))
        key = killed(before)

    with served(folder, key) as after:
        assert timedelta(0) <= now(after) - then < timedelta(minutes=5)

        for what, (item_id, question) in asked.items():
            assert question.startswith("WAITING_USER")
            assert after.state(item_id) == question
            how, value = QUESTIONS[what][2]
            after.do(item_id, how, **value)
            assert after.state(item_id) == "UPDATED SUCCESS"
            assert after.everything(item_id)

        after.advance(seconds=121)
        assert after.state(awaits_approval) == "UPDATED SUCCESS"

        assert not after.truth(with_consent)["hidden"]
        after.advance(days=2.5)
        assert after.truth(with_consent)["hidden"]


def test_an_execution_that_was_cut_off_comes_to_its_end(folder: Path) -> None:
    with served(folder, "", "--run-seconds=60") as before:
        item_id = before.create().json()["id"]
        assert before.item(item_id)["status"] == "UPDATING"
        key = killed(before)

    with served(folder, key, "--run-seconds=0.1") as after:
        after.sandbox.settle()

        assert after.state(item_id) == "UPDATED SUCCESS"
        assert after.everything(item_id)


def test_a_delivery_that_was_not_taken_is_tried_again(folder: Path, receiver: Receiver) -> None:
    receiver.status = lambda _: 500
    with served(folder) as before:
        before.settings(deliveryDelaysSeconds=[600, 600])
        before.register(receiver.url, "item/created")
        before.create()
        until(lambda: len(receiver.received) == 3)
        until(lambda: [len(d["attempts"]) for d in before.deliveries()] == [3])
        key = killed(before)
    receiver.status = lambda _: 200

    with served(folder, key) as after:
        # The wait between two batches of attempts begins anew.
        assert [d["state"] for d in after.deliveries()] == ["pending"]
        after.settings(deliveryDelaysSeconds=[0, 0])
        killed(after)
    with served(folder, key) as after:
        until(lambda: [d["state"] for d in after.deliveries()] == ["delivered"])

    assert len({got.payload["eventId"] for got in receiver.received}) == 1


def test_auto_sync_goes_on(folder: Path) -> None:
    with served(folder, "", "--mode=production") as before:
        item_id = before.connect()
        last = before.item(item_id)["lastUpdatedAt"]
        key = killed(before)

    with served(folder, key) as after:
        after.advance(days=1.5)

        assert after.item(item_id)["lastUpdatedAt"] > last


def test_what_the_command_names_wins_over_what_was_kept(folder: Path) -> None:
    with served(folder, "", "--mode=production", "--seed=5") as before:
        before.settings(overlapDays=7, cleanupDays=3)
        key = killed(before)

    with served(folder, key, "--mode=development", "--speed=2", "--seed=6") as after:
        settings = after.control.get("/settings").json()
        assert (settings["mode"], settings["overlapDays"], settings["cleanupDays"]) == ("development", 7, 3)
        assert after.control.get("/clock").json()["speed"] == 2
        assert after.control.post("/reset").json()["seed"] == 5


def test_a_second_sandbox_on_the_same_folder_says_why_it_does_not_start(folder: Path) -> None:
    with served(folder), pytest.raises(AssertionError, match="in use by another sandbox"), served(folder):
        pass
