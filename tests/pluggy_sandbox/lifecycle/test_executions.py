"""Executions that start by themselves (Pluggy facts 3.3, 4.2, 7.5)."""

from datetime import datetime

from tests.pluggy_sandbox.driver import Driver, Receiver


def now(driver: Driver) -> datetime:
    return datetime.fromisoformat(driver.control.get("/clock").json()["now"])


def test_a_development_application_has_no_auto_sync(driver: Driver, receiver: Receiver) -> None:
    driver.register(receiver.url, "item/updated")
    item_id = driver.connect()
    assert driver.item(item_id)["nextAutoSyncAt"] is None

    driver.advance(days=3)

    assert receiver.received == []


def test_an_execution_in_progress_goes_on_at_the_pace_that_is_set(driver: Driver, receiver: Receiver) -> None:
    driver.register(receiver.url, "item/created")
    driver.settings(runSeconds=600)
    item_id = driver.create().json()["id"]
    assert driver.item(item_id)["status"] == "UPDATING"

    driver.settings(runSeconds=0)
    driver.sandbox.settle()

    assert driver.state(item_id) == "UPDATED SUCCESS"
    assert driver.everything(item_id)
    assert len(receiver.received) == 1


def test_an_execution_that_waits_for_its_person_waits_on_at_any_pace(driver: Driver) -> None:
    item_id = driver.connect(connector=5)

    driver.settings(runSeconds=1)
    driver.settings(runSeconds=0)
    driver.sandbox.settle()

    assert driver.state(item_id) == "WAITING_USER_INPUT WAITING_USER_INPUT"


def test_in_production_an_item_syncs_every_day_by_itself(driver: Driver, receiver: Receiver) -> None:
    driver.settings(mode="production")
    driver.register(receiver.url, "item/updated")
    item = driver.item(driver.connect())
    last, following = (datetime.fromisoformat(item[key]) for key in ("lastUpdatedAt", "nextAutoSyncAt"))
    assert (following - last).total_seconds() == 86400

    driver.advance(days=7.5)

    assert [p["triggeredBy"] for p in receiver.of("item/updated")] == ["SYNC"] * 7


def test_auto_sync_comes_as_often_as_the_plan_says(driver: Driver, receiver: Receiver) -> None:
    driver.settings(mode="production", autoSyncHours=8)
    driver.register(receiver.url, "item/updated")
    driver.connect()

    driver.advance(days=1.1)

    assert len(receiver.received) == 3


def test_a_change_of_mode_counts_for_items_that_are_there_already(driver: Driver, receiver: Receiver) -> None:
    items = [driver.connect(user) for user in ("user-ok", "user-unavailable", "user-bad")]
    driver.connect(connector=5)
    driver.advance(seconds=600)
    driver.register(receiver.url, "all")

    driver.settings(mode="production")

    last, following = (datetime.fromisoformat(driver.item(items[0])[key]) for key in ("updatedAt", "nextAutoSyncAt"))
    assert (following - last).total_seconds() == 86400
    driver.advance(days=1)
    assert [p["itemId"] for p in receiver.of("item/updated") if p["triggeredBy"] == "SYNC"] == [items[0]]
    # It is tried every hour, a few times.
    assert [p["itemId"] for p in receiver.of("item/error")] == [items[1]] * 5

    driver.settings(mode="development")

    assert driver.item(items[0])["nextAutoSyncAt"] is None
    told = len(receiver.received)
    driver.advance(days=2)
    assert len(receiver.received) == told


def test_an_item_that_was_due_before_the_mode_was_changed_syncs_as_soon_as_time_moves(driver: Driver) -> None:
    item_id = driver.connect()
    driver.advance(days=3)

    driver.settings(mode="production")
    assert driver.item(item_id)["nextAutoSyncAt"] == driver.control.get("/clock").json()["now"]
    driver.advance(seconds=1)

    assert driver.item(item_id)["lastUpdatedAt"] > "2026-03-13"


def test_a_login_error_stops_auto_sync(driver: Driver) -> None:
    driver.settings(mode="production")

    assert driver.item(driver.connect("user-bad"))["nextAutoSyncAt"] is None


def test_other_errors_are_tried_hourly_five_times(driver: Driver, receiver: Receiver) -> None:
    driver.settings(mode="production")
    driver.register(receiver.url, "item/error")
    item_id = driver.connect("user-unavailable")

    driver.advance(days=2)

    assert len(receiver.received) == 1 + 5
    assert driver.item(item_id)["nextAutoSyncAt"] is None


def test_an_item_that_asks_each_time_never_syncs_by_itself(driver: Driver) -> None:
    driver.settings(mode="production")
    item_id = driver.connect(connector=5)
    driver.mfa(item_id, token="123456")

    assert driver.item(item_id)["nextAutoSyncAt"] is None


def test_auto_sync_can_be_switched_off_until_the_next_update(driver: Driver) -> None:
    driver.settings(mode="production")
    item_id = driver.connect()

    off = driver.api.patch(f"/items/{item_id}/disable-auto-sync").json()
    assert off["nextAutoSyncAt"] is None
    assert off["autoSyncDisabledAt"] is not None
    driver.advance(days=2)
    assert driver.item(item_id)["lastUpdatedAt"] < "2026-03-11"
    driver.update(item_id)

    assert driver.item(item_id)["nextAutoSyncAt"] is not None
