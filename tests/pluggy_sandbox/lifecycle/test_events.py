"""Which events an execution sends, and what is in them (Pluggy facts 2.3, 2.4, 4.2, 11.3)."""

from uuid import UUID

import pytest

from tests.pluggy_sandbox.driver import Driver, Receiver


@pytest.fixture
def heard(driver: Driver, receiver: Receiver) -> Receiver:
    driver.register(receiver.url)
    return receiver


def test_a_first_good_execution_tells_of_login_rows_and_creation_once(driver: Driver, heard: Receiver) -> None:
    driver.connect()

    assert sorted(heard.events) == [
        "item/created", "item/login_succeeded", "transactions/created", "transactions/created"
    ]  # fmt: skip


def test_an_execution_that_brings_nothing_tells_of_no_transactions(driver: Driver, heard: Receiver) -> None:
    item_id = driver.connect()
    heard.received.clear()

    driver.run(item_id)

    assert sorted(heard.events) == ["item/login_succeeded", "item/updated"]


def test_the_error_code_is_the_execution_status(driver: Driver, heard: Receiver) -> None:
    driver.connect("user-locked")

    assert heard.events == ["item/error"]
    assert heard.received[0].payload["error"]["code"] == "ACCOUNT_LOCKED"


def test_waiting_is_told_for_input_and_for_action(driver: Driver, heard: Receiver) -> None:
    driver.connect(connector=5)
    driver.api.post("/items", json={"connectorId": 19, "parameters": {}})
    driver.sandbox.settle()

    assert heard.events == ["item/waiting_user_input", "item/waiting_user_action"]


def test_who_triggered_an_execution_is_told(driver: Driver, heard: Receiver) -> None:
    item_id = driver.connect()
    token = driver.api.post("/connect_token", json={"itemId": item_id}).json()["accessToken"]
    driver.using(token).patch(f"/items/{item_id}", json={})
    driver.sandbox.settle()
    driver.run(item_id)

    told = [p["triggeredBy"] for p in (*heard.of("item/created"), *heard.of("item/updated"))]

    assert told == ["CLIENT", "USER", "SYNC"]


def test_a_deletion_is_told_without_a_trigger(driver: Driver, heard: Receiver) -> None:
    item_id = driver.connect(clientUserId="u1")
    driver.api.delete(f"/items/{item_id}")
    driver.sandbox.settle()

    (payload,) = heard.of("item/deleted")

    assert (payload["itemId"], payload["clientUserId"]) == (item_id, "u1")
    assert "triggeredBy" not in payload


def test_the_usual_payload_has_these_keys(driver: Driver, heard: Receiver) -> None:
    driver.connect(clientUserId="u1")

    (created,) = heard.of("item/created")

    assert set(created) == {"event", "eventId", "itemId", "triggeredBy", "clientUserId", "clientId"}
    assert UUID(created["eventId"]).version == 4
    assert created["clientId"] == driver.sandbox.client_id
    rows = heard.of("transactions/created")[0]
    assert "/v2/transactions?accountId=" in rows["createdTransactionsLinkV2"]
    assert "/transactions?accountId=" in rows["createdTransactionsLink"]


def test_changed_rows_are_told_in_chunks_of_four_hundred(driver: Driver, receiver: Receiver) -> None:
    item_id = driver.connect()
    account_id = driver.account(item_id)["id"]
    driver.settings(overlapDays=365)
    world = driver.sandbox.sandbox.world
    for row in world.items[item_id].holdings.accounts[account_id].source.rows:
        row.category = "19000000"
    driver.register(receiver.url)

    driver.run(item_id)

    told = receiver.of("transactions/updated")
    sizes = [payload["transactionsCount"] for payload in told]
    assert len(sizes) > 1
    assert sorted(sizes)[1:] == [400] * (len(sizes) - 1)
    assert [len(payload["transactionIds"]) for payload in told] == sizes
    ids = [row_id for payload in told for row_id in payload["transactionIds"]]
    assert sorted(ids) == sorted({row["id"] for row in driver.transactions(account_id)})
    assert len({payload["eventId"] for payload in told}) == len(told)


def test_every_variant_of_a_payload_can_be_sent(driver: Driver, heard: Receiver) -> None:
    driver.settings(
        payloads={"id": True, "clientId": False, "clientUserId": False, "linksV2": False, "unknownKeys": True}
    )
    item_id = driver.connect(clientUserId="u1")

    (created,) = heard.of("item/created")
    rows = heard.of("transactions/created")[0]

    assert set(created) == {"event", "eventId", "itemId", "triggeredBy", "id", "somethingNew"}
    assert created["id"] == item_id
    assert rows["id"] == rows["accountId"]
    assert "createdTransactionsLinkV2" not in rows
    assert "/v2/transactions?" in rows["createdTransactionsLink"]


def test_a_connectors_health_is_told_and_shown(driver: Driver, heard: Receiver) -> None:
    driver.control.put("/connectors/5/health", json={"status": "UNSTABLE"})
    driver.sandbox.settle()

    (payload,) = heard.of("connector/status_updated")

    assert (payload["connectorId"], payload["data"]) == (5, {"status": "UNSTABLE"})
    assert "itemId" not in payload
    assert driver.api.get("/connectors/5").json()["health"]["status"] == "UNSTABLE"


def test_a_hand_made_event_goes_to_those_who_want_it(driver: Driver, heard: Receiver) -> None:
    driver.register(heard.url + "/other", "item/deleted")

    driver.control.post("/deliver", json={"payload": {"event": "something/new", "eventId": "e1"}})
    driver.sandbox.settle()

    assert [(r.path, r.payload) for r in heard.received] == [("/hook", {"event": "something/new", "eventId": "e1"})]


def test_an_item_is_not_found_for_a_while_after_each_event_when_told_so(driver: Driver) -> None:
    driver.faults(notFoundAfterEvent=2)
    item_id = driver.connect()

    statuses = [driver.api.get(f"/items/{item_id}").status_code for _ in range(3)]

    assert statuses == [404, 404, 200]
