"""How long a person has, where the sandbox is served and its clock runs. The machine's time is made up here."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from pluggy_sandbox.lifecycle import resumption
from pluggy_sandbox.server.app import create_app
from pluggy_sandbox.settings import Settings
from pluggy_sandbox.state.keeper import Keeper
from pluggy_sandbox.state.sandbox import Sandbox
from pluggy_sandbox.state.world import Origin
from tests.pluggy_sandbox.driver import CPF, Json

PAIR = {"user": "user-ok", "password": "password-ok"}
CODE, QR, CONSENT = (5, PAIR), (19, {}), (600, {"cpf": CPF})


@dataclass
class Machine:
    """The time of a machine on which an hour passes when told."""

    now: datetime = datetime(2026, 3, 10, 12, tzinfo=UTC)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self) -> datetime:
        with self._lock:
            return self.now

    def pass_time(self, **by: float) -> None:
        with self._lock:
            self.now += timedelta(**by)


class Served:
    """A sandbox as `pluggy-sandbox serve` makes it, on *machine*."""

    def __init__(self, sandbox: Sandbox, machine: Machine) -> None:
        self.world = sandbox.world
        self.machine = machine
        self._http: FlaskClient = create_app(sandbox).test_client()

    def ask(self, method: str, path: str, body: Json | None = None) -> Json:
        answer = self._http.open(f"/_sandbox{path}", method=method, json=body)
        assert answer.status_code == 200, answer.text
        value: Json = answer.get_json()
        return value

    def let_pass(self, **by: float) -> None:
        """Let the machine's time pass, and wait until the sandbox has taken it in."""
        self.machine.pass_time(**by)
        with self.world.lock:
            assert self.world.changed.wait_for(lambda: self.world.clock.seen >= self.machine.now, 60)

    def waiting(self, connector: int, parameters: Json) -> Json:
        """Connect somebody who is asked for something, and return what is asked."""
        item = self.ask("POST", "/items", {"connectorId": connector, "parameters": parameters})
        self.ask("POST", "/settle", {})
        item = self.state(item["id"])
        assert item["status"].startswith("WAITING"), item
        return item

    def state(self, item_id: str) -> Json:
        found: Json = self.ask("GET", f"/items/{item_id}/truth")["item"]
        return found


def deadline(item: Json) -> datetime:
    return datetime.fromisoformat((item["parameter"] or item["userAction"])["expiresAt"])


@contextmanager
def serving(machine: Machine, folder: Path | None = None) -> Iterator[Served]:
    settings = Settings(run_seconds=0, open_finance_quotas=False, real_deadlines=True)
    keeper = Keeper(folder) if folder else None
    sandbox = Sandbox(Origin("me", "secret", settings=settings, speed=1, real=machine), keeper)
    resumption.resume(sandbox.world)
    yield Served(sandbox, machine)
    sandbox.close()


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(Machine()) as served:
        yield served


@pytest.mark.parametrize("way", [CODE, QR, CONSENT])
def test_ten_minutes_after_the_start_a_person_has_two_minutes(served: Served, way: tuple[int, Json]) -> None:
    served.let_pass(minutes=10)

    item = served.waiting(*way)

    assert deadline(item) - served.machine() == timedelta(minutes=2)
    served.let_pass(seconds=119)
    assert served.state(item["id"])["status"] == item["status"]
    served.let_pass(seconds=2)
    assert served.state(item["id"])["executionStatus"] in ("USER_INPUT_TIMEOUT", "USER_AUTHORIZATION_NOT_GRANTED")


@pytest.mark.parametrize("way", [CODE, QR, CONSENT])
def test_after_a_jump_of_a_day_a_person_has_two_minutes(served: Served, way: tuple[int, Json]) -> None:
    served.ask("POST", "/clock", {"advanceDays": 1})

    item = served.waiting(*way)

    assert datetime.fromisoformat(item["updatedAt"]) - served.machine() >= timedelta(days=1)
    assert deadline(item) - served.machine() == timedelta(minutes=2)
    served.let_pass(seconds=119)
    assert served.state(item["id"])["status"] == item["status"]


def test_a_jump_takes_nothing_from_a_person_who_is_asked_already(served: Served) -> None:
    item = served.waiting(*CODE)

    served.ask("POST", "/clock", {"advanceDays": 1})
    served.let_pass(seconds=100)
    served.ask("POST", f"/items/{item['id']}/mfa", {"token": "123456"})
    served.ask("POST", "/settle", {})

    assert served.state(item["id"])["executionStatus"] == "SUCCESS"


def test_the_clock_runs_with_the_machine_and_a_jump_stays(served: Served) -> None:
    began = datetime.fromisoformat(served.ask("GET", "/clock")["now"])
    served.ask("POST", "/clock", {"advanceDays": 1})
    served.let_pass(minutes=10)

    now = datetime.fromisoformat(served.ask("GET", "/clock")["now"])

    assert now - began == timedelta(days=1, minutes=10)


def test_a_restart_gives_a_person_no_more_time_and_no_less(tmp_path: Path) -> None:
    machine = Machine()
    with serving(machine, tmp_path) as before:
        before.ask("POST", "/clock", {"advanceDays": 1})
        item_id = before.waiting(*CODE)["id"]
    machine.pass_time(seconds=60)

    with serving(machine, tmp_path) as after:
        after.let_pass(seconds=59)
        assert after.state(item_id)["status"] == "WAITING_USER_INPUT"
        after.let_pass(seconds=2)
        assert after.state(item_id)["executionStatus"] == "USER_INPUT_TIMEOUT"


def test_time_goes_on_while_the_sandbox_is_down_but_never_quicker_than_it_is(tmp_path: Path) -> None:
    machine = Machine()
    with serving(machine, tmp_path) as before:
        before.ask("POST", "/clock", {"speed": 3600})
        then = datetime.fromisoformat(before.ask("GET", "/clock")["now"])
    machine.pass_time(hours=8)

    with serving(machine, tmp_path) as after:
        now = datetime.fromisoformat(after.ask("GET", "/clock")["now"])

    assert now - then == timedelta(hours=8)
