"""One served sandbox per process, begun again for every test at the same virtual instant."""

from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest

from pluggy_sandbox.testing import RunningSandbox, running_sandbox
from pluggy_sync import tls
from tests.pluggy_sandbox.driver import Driver, Receiver, running_receiver

START = datetime(2026, 3, 10, 15, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def served_sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox(seed=7, start=START, run_seconds=0.0, delivery_delays_seconds=(0.02, 0.04)) as running:
        yield running


@pytest.fixture
def sandbox(served_sandbox: RunningSandbox) -> RunningSandbox:
    served_sandbox.control.post("/reset", json={"seed": 7})
    return served_sandbox


@pytest.fixture
def driver(sandbox: RunningSandbox) -> Iterator[Driver]:
    with httpx.Client(base_url=sandbox.url, timeout=30, trust_env=False, verify=tls.context()) as api:
        driver = Driver(sandbox, api)
        driver.sign_in()
        yield driver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as running:
        yield running
