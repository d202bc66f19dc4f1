"""Virtual time, and the real time that a person lives in."""

import time
from datetime import datetime

from tests.pluggy_sandbox.conftest import START
from tests.pluggy_sandbox.driver import Driver


def now(driver: Driver) -> datetime:
    return datetime.fromisoformat(driver.control.get("/clock").json()["now"])


def test_the_clock_stands_still_until_it_is_told(driver: Driver) -> None:
    driver.connect()
    assert now(driver) == START

    driver.advance(days=1)

    assert (now(driver) - START).total_seconds() == 86400
    assert driver.control.post("/clock", json={"advanceDays": -1}).status_code == 400


def test_the_clock_can_run_at_a_speed_and_stop(driver: Driver) -> None:
    driver.control.post("/clock", json={"speed": 100_000})
    deadline = time.monotonic() + 10
    while (now(driver) - START).total_seconds() < 10_000:
        assert time.monotonic() < deadline
    driver.control.post("/clock", json={"speed": 0})

    stopped = now(driver)

    assert now(driver) == stopped
