"""What outlives a crash of the sandbox. A crash is what is on disk at that moment, copied and opened again."""

import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from pluggy_sandbox.state import snapshot
from pluggy_sandbox.state.keeper import FILE, Keeper, UnreadableStateError
from pluggy_sandbox.state.sandbox import Sandbox
from pluggy_sandbox.state.world import Origin, World
from pluggy_sandbox.testing import RunningSandbox, running_sandbox
from pluggy_sandbox.wire.encoding import decode_exact, encode
from pluggy_sync import tls
from tests.pluggy_sandbox.conftest import START
from tests.pluggy_sandbox.driver import Driver, Json

pytestmark = pytest.mark.slow

CODE, QR = 5, 19


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def sandbox(folder: Path) -> Iterator[RunningSandbox]:
    options = {"run_seconds": 0.0, "delivery_delays_seconds": (60.0, 60.0), "open_finance_quotas": True}
    with running_sandbox(seed=7, start=START, state=folder, **options) as running:
        yield running


def connected(driver: Driver) -> str:
    return driver.connect()


def a_wrong_password(driver: Driver) -> None:
    driver.connect(password="wrong")


def answered(driver: Driver) -> None:
    driver.mfa(driver.connect(connector=CODE), token="123456")


def approvers_pending(driver: Driver) -> None:
    driver.do(driver.connect_open_finance("238.242.640-30"), "approve")


def consent_given(driver: Driver) -> str:
    driver.settings(consentDays=90)
    item_id = driver.connect_open_finance()
    driver.do(item_id, "approve")
    return item_id


def consent_revoked(driver: Driver) -> None:
    driver.do(consent_given(driver), "revoke")


def quota_exhausted(driver: Driver) -> None:
    item_id = consent_given(driver)
    driver.do(item_id, "exhaust")
    driver.run(item_id)


def changed_at_the_bank(driver: Driver) -> str:
    item_id = driver.connect()
    driver.advance(days=2)
    driver.evolve(item_id, *({"kind": kind} for kind in ("add", "edit", "remove", "post_new_id", "post_same_id")))
    return item_id


def changed_and_collected(driver: Driver) -> None:
    driver.run(changed_at_the_bank(driver))


def put_into_a_category(driver: Driver) -> None:
    row = driver.transactions(driver.account(driver.connect())["id"])[0]
    assert driver.api.patch(f"/transactions/{row['id']}", json={"categoryId": "05000000"}).status_code == 200


def days_in_production(driver: Driver) -> None:
    driver.settings(mode="production")
    driver.connect()
    driver.advance(days=3)


def a_long_history(driver: Driver) -> None:
    driver.connect("user-ok-perf-100x")


def rows_in_bulk_put_into_a_category(driver: Driver) -> None:
    account_id = driver.account(driver.connect("user-ok-perf-100x"))["id"]
    for row in driver.transactions(account_id)[:30]:
        assert driver.api.patch(f"/transactions/{row['id']}", json={"categoryId": "05000000"}).status_code == 200


def one_item_of_two_deleted(driver: Driver) -> None:
    driver.connect()
    driver.api.delete(f"/items/{driver.connect()}")


def webhooks_and_deliveries(driver: Driver) -> None:
    driver.register("http://127.0.0.1:1/hook", headers={"X-Secret": "s"})
    gone = driver.register("http://127.0.0.1:1/gone")
    driver.settings(deliveryDelaysSeconds=[0, 0])
    driver.connect()
    driver.api.delete(f"/webhooks/{gone['id']}")


def a_replayed_delivery(driver: Driver) -> None:
    webhooks_and_deliveries(driver)
    driver.control.post(f"/deliveries/{driver.deliveries()[0]['id']}/replay")


def faults_on(driver: Driver) -> None:
    rule = {"endpoint": "GET /items/{id}", "do": "status", "times": 3}
    driver.faults(requests=[rule], deliveries={"delaySeconds": [0.1, 0.2]}, notFoundAfterEvent=2)
    item_id = driver.connect()
    driver.api.get(f"/items/{item_id}")


def switches(driver: Driver) -> None:
    item_id = driver.connect()
    driver.api.patch(f"/items/{item_id}/disable-auto-sync")
    driver.control.post(f"/items/{item_id}/break", json={"executionStatus": "SITE_NOT_AVAILABLE"})
    driver.control.put("/connectors/2/health", json={"status": "OFFLINE"})
    driver.control.put("/applications/other", json={"clientSecret": "s", "enabled": False})
    driver.control.post("/keys/expire")


def incidents_and_rules(driver: Driver) -> None:
    incident = driver.control.post("/incidents", json={"connectorIds": [2, 600], "type": "CONSENT_ERROR"}).json()
    driver.control.patch(f"/incidents/{incident['id']}", json={"state": "RESOLVED", "message": "Voltou."})
    driver.api.post("/categories/rules", json={"description": "PIX", "categoryId": "19000000", "matchType": "contains"})
    driver.connect()


def a_further_approval_missing(driver: Driver) -> None:
    item_id = driver.connect_open_finance()
    driver.control.put(f"/items/{item_id}/resources", json={"LOAN": "PENDING_AUTHORISATION"})
    driver.do(item_id, "approve")


def odd_and_settled_rows(driver: Driver) -> None:
    item_id = consent_given(driver)
    driver.evolve(item_id, *({"kind": kind} for kind in ("odd_text", "odd_date", "post_new_provider_id")))
    driver.run(item_id)
    driver.evolve(item_id, {"kind": "odd_text"})


def begun_again(driver: Driver) -> None:
    driver.connect()
    driver.control.post("/reset", json={"seed": 9})
    driver.connect("user-ok-two-checking-accounts")


@pytest.mark.parametrize(
    "story",
    [
        connected,
        a_wrong_password,
        lambda driver: driver.connect(connector=CODE),
        lambda driver: driver.connect(connector=QR),
        lambda driver: driver.connect("user-ok-auth-pending"),
        answered,
        lambda driver: driver.connect_open_finance(),
        consent_given,
        approvers_pending,
        consent_revoked,
        quota_exhausted,
        changed_at_the_bank,
        changed_and_collected,
        put_into_a_category,
        days_in_production,
        a_long_history,
        rows_in_bulk_put_into_a_category,
        one_item_of_two_deleted,
        webhooks_and_deliveries,
        a_replayed_delivery,
        faults_on,
        switches,
        incidents_and_rules,
        a_further_approval_missing,
        odd_and_settled_rows,
        begun_again,
    ],
)
def test_after_a_crash_the_world_is_what_it_was(
    driver: Driver, folder: Path, tmp_path: Path, story: Callable[[Driver], object]
) -> None:
    story(driver)
    driver.sandbox.settle()  # an answer: what it is based on is on disk

    with closing(after_a_crash(folder, tmp_path / "copy")) as again:
        assert written(again) == written(driver.sandbox.sandbox.world)
        assert views(again) == views(driver.sandbox.sandbox.world)


def after_a_crash(folder: Path, copy: Path) -> World:
    shutil.copytree(folder, copy)
    origin = Origin("00000000-0000-4000-8000-000000000001", "pluggy_sk_sandbox_not_a_real_secret", start=START)
    keeper = Keeper(copy)
    world = keeper.load(origin)
    keeper.close()
    assert world is not None
    return world


def written(world: World) -> Json:
    """Return what would be written of all of *world*; amounts are equal however many zeros they end with."""
    with world.lock:
        parts = {(part.kind, part.key): part.write() for part in snapshot.parts(world) if part.kind != "clock"}
        deliveries = {("delivery", delivery.id): encode(delivery) for delivery in world.courier.log}
        whole = parts | deliveries | {("now", ""): encode(world.clock.now)}
    values = {place: decode_exact(body) for place, body in whole.items()}
    for (kind, _), value in values.items():
        for account in value["accounts"] if kind == "customer" else ():
            account["touched"].sort()  # a set
    return values


def views(world: World) -> list[bytes]:
    """Return what the API serves of each Item, byte by byte."""
    with world.lock:
        held = [account for item in world.items.values() for account in item.holdings.accounts.values()]
        return [row for a in held for row in (encode(a.view), encode(a.bills), *a.ledger.everything())]


def test_a_new_sandbox_in_a_kept_folder_goes_on_where_the_last_one_stopped(folder: Path) -> None:
    with running_sandbox(seed=7, start=START, state=folder) as first, client(first) as api:
        driver = Driver(first, api)
        key = driver.sign_in()
        truth = driver.truth(driver.connect())

    with running_sandbox(seed=8, state=folder) as second, client(second) as api:
        api.headers["X-API-KEY"] = key
        driver = Driver(second, api)
        assert without_address(driver.truth(truth["item"]["id"]), second) == without_address(truth, first)
        assert driver.connect() != truth["item"]["id"]  # no id is given twice


def client(sandbox: RunningSandbox) -> httpx.Client:
    return httpx.Client(base_url=sandbox.url, timeout=30, trust_env=False, verify=tls.context())


def without_address(truth: Json, sandbox: RunningSandbox) -> str:
    return str(truth).replace(sandbox.url, "")


def test_what_is_kept_is_for_its_owner_only(driver: Driver, folder: Path) -> None:
    driver.connect()

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


def test_two_sandboxes_cannot_have_one_folder(sandbox: RunningSandbox, folder: Path) -> None:
    with pytest.raises(UnreadableStateError, match="in use by another sandbox"):
        Keeper(folder)


def test_a_file_that_is_something_else_is_refused_and_left_as_it_is(folder: Path) -> None:
    folder.mkdir()
    (folder / FILE).write_text("a diary " * 100)

    with pytest.raises(UnreadableStateError, match="is not a sandbox's state"):
        Keeper(folder)

    assert (folder / FILE).read_text() == "a diary " * 100


@pytest.mark.parametrize(
    "damage,problem",
    [
        ("PRAGMA user_version = 99", "has version 99"),
        ("UPDATE part SET body = '{}' WHERE kind = 'world'", "cannot be read"),
        ("DELETE FROM part WHERE kind = 'holdings'", "cannot be read"),
    ],
)
def test_a_state_that_cannot_be_read_is_refused_with_the_reason(folder: Path, damage: str, problem: str) -> None:
    with running_sandbox(seed=7, state=folder) as sandbox:
        parameters = {"user": "user-ok", "password": "password-ok"}
        sandbox.control.post("/items", json={"connectorId": 2, "parameters": parameters})
    with closing(sqlite3.connect(folder / FILE, isolation_level=None)) as db:
        db.execute(damage)

    with pytest.raises(UnreadableStateError, match=problem):
        Sandbox(Origin("me", "secret"), Keeper(folder))


def test_old_deliveries_leave_the_file_as_they_leave_the_log(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pluggy_sandbox.state.deliveries._KEPT", 5)
    with running_sandbox(seed=7, state=folder, delivery_delays_seconds=(0, 0)) as sandbox:
        sandbox.control.post("/webhooks", json={"url": "http://127.0.0.1:1/hook", "event": "all"})
        for _ in range(8):
            sandbox.control.post("/deliver", json={"payload": {"event": "item/updated"}})
            sandbox.settle()

    with closing(sqlite3.connect(folder / FILE)) as db:
        kept = {key for (key,) in db.execute("SELECT key FROM part WHERE kind = 'delivery'")}
    assert kept == {"d4", "d5", "d6", "d7", "d8"}
