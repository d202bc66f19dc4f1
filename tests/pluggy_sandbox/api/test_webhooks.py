"""Webhook resources (Pluggy facts 2.1, 2.2)."""

import pytest

from tests.pluggy_sandbox.driver import Driver, Receiver

URL = "http://127.0.0.1:1/hook"


def test_a_webhook_is_made_shown_listed_changed_and_deleted(driver: Driver) -> None:
    made = driver.register(URL, "item/created", headers={"X-Secret": "s"})
    path = f"/webhooks/{made['id']}"

    assert driver.api.get(path).json() == made
    assert driver.api.get("/webhooks").json() == {"page": 1, "total": 1, "totalPages": 1, "results": [made]}
    changed = driver.api.patch(path, json={"event": "all", "headers": None, "url": URL + "2"}).json()
    assert (changed["event"], changed["headers"], changed["url"]) == ("all", {}, URL + "2")
    assert driver.api.delete(path).json() == {"count": 1}
    assert driver.api.get(path).json()["codeDescription"] == "WEBHOOK_NOT_FOUND"


def test_the_status_of_a_creation_can_be_that_of_the_specification(driver: Driver) -> None:
    driver.settings(webhookCreatedStatus=201)

    assert driver.api.post("/webhooks", json={"url": URL, "event": "all"}).status_code == 201


def test_five_webhooks_for_one_event_are_the_most(driver: Driver) -> None:
    for n in range(5):
        driver.register(f"{URL}{n}")

    assert driver.api.post("/webhooks", json={"url": f"{URL}6", "event": "all"}).status_code == 400
    assert driver.api.post("/webhooks", json={"url": f"{URL}6", "event": "item/error"}).status_code == 200


def test_one_pair_of_event_and_url_is_registered_once(driver: Driver) -> None:
    driver.register(URL)

    assert driver.api.post("/webhooks", json={"url": URL, "event": "all"}).status_code == 400


@pytest.mark.parametrize(
    "url",
    [
        "nonsense", "http://example.com/x", "https://127.0.0.1/x", "https://8.8.8.8/x", "https://[::1]/x",
        "https://localhost/x", "https://a.localhost/x", "https://a.local/x", "https://a.internal/x",
        "https://does-not-resolve.invalid/x", "https://a..b/x", f"https://{'a' * 64}.invalid/x", "https://[", "https://x:y/",
    ],
)  # fmt: skip
def test_outside_a_laptop_urls_must_be_public_https(driver: Driver, url: str) -> None:
    driver.settings(allowLocalWebhooks=False)

    answer = driver.api.post("/webhooks", json={"url": url, "event": "all"})

    assert answer.status_code == 400
    assert set(answer.json()) == {"code", "message"}
    assert driver.create(webhookUrl=url).status_code == 400


@pytest.mark.parametrize("body", [{"url": URL, "event": "item/login_error"}, {"url": URL}, {"event": "all"}])
def test_a_registration_without_sense_is_refused(driver: Driver, body: dict[str, str]) -> None:
    assert driver.api.post("/webhooks", json=body).status_code == 400


def test_item_all_hears_of_items_only(driver: Driver, receiver: Receiver) -> None:
    driver.register(receiver.url, "item/all")

    driver.connect()

    assert sorted(receiver.events) == ["item/created", "item/login_succeeded"]


def test_headers_go_with_resource_webhooks_only_and_both_kinds_carry_one_event_id(
    driver: Driver, receiver: Receiver
) -> None:
    driver.register(receiver.url + "/resource", headers={"X-Secret": "s"})

    driver.connect(webhookUrl=receiver.url + "/item")

    created = [r for r in receiver.received if r.payload["event"] == "item/created"]
    assert {(r.path, r.headers.get("x-secret")) for r in created} == {("/hook/resource", "s"), ("/hook/item", None)}
    assert len({r.payload["eventId"] for r in created}) == 1


def test_a_webhook_is_switched_off_after_failures_and_on_again(driver: Driver, receiver: Receiver) -> None:
    driver.settings(disableWebhookAfter=3, deliveryAttemptsPerBatch=1)
    receiver.status = lambda _: 401
    hook = driver.register(receiver.url)
    driver.connect()
    assert driver.api.get(f"/webhooks/{hook['id']}").json()["disabledAt"] is not None
    receiver.received.clear()
    driver.connect()
    assert receiver.received == []

    driver.api.patch(f"/webhooks/{hook['id']}", json={"enabled": True})
    driver.connect()

    assert receiver.received != []


def test_headers_of_a_rotated_secret_apply_at_once(driver: Driver, receiver: Receiver) -> None:
    hook = driver.register(receiver.url, headers={"X-Secret": "old"})
    driver.connect()
    driver.api.patch(f"/webhooks/{hook['id']}", json={"headers": {"X-Secret": "new"}})
    seen = len(receiver.received)
    driver.connect()

    assert {r.headers["x-secret"] for r in receiver.received[:seen]} == {"old"}
    assert {r.headers["x-secret"] for r in receiver.received[seen:]} == {"new"}
