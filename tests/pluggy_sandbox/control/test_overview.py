"""The page at `/` in a real browser, as a phone and as a desktop show it; skipped where there is none."""

import re
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.pluggy_sandbox.driver import Driver, Json, Receiver

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WIDTHS = {"phone": 390, "desktop": 1280}
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def browse(chromium: Any, driver: Driver) -> Iterator[Callable[..., Any]]:
    """Open a page; whatever it complains about, or asks of somebody else, fails the test at its end."""
    complaints: list[str] = []
    contexts = []

    def browse(path: str = "/", width: int = 1280, **options: Any) -> Any:
        context = chromium.new_context(viewport={"width": width, "height": 850}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request", lambda r: None if r.url.startswith((driver.sandbox.url, "data:")) else complaints.append(r.url)
        )
        page.goto(driver.sandbox.url + path)
        if path == "/":
            page.wait_for_selector("#now[datetime]")
        return page

    def foreign(url: str) -> list[str]:
        return [] if url.startswith((driver.sandbox.url, "data:")) else [url]

    yield browse
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def busy(driver: Driver, receiver: Receiver) -> Json:
    """A sandbox in which there is one of everything that the page shows; return the Item that waits for a consent."""
    receiver.status = lambda _: 401
    driver.register(receiver.url + "/" + "a-long-address" * 6)
    driver.connect(clientUserId="somebody-with-a-very-long-id-" * 4)
    driver.connect("user-account-need-actions-provider-message")
    driver.connect(connector=19)
    for user in ("user-ok-img", "user-ok-phone", "user-ok-auth-pending"):
        driver.connect(user)
    item = driver.item(driver.connect_open_finance())
    rule = {"endpoint": "GET /investments/{id}/transactions", "do": "slow", "seconds": 0.1}
    driver.faults(requests=[rule], deliveries={"loss": 0.5, "duplicate": 0.1, "disorder": True, "delaySeconds": [0, 1]})
    driver.control.put("/connectors/2/health", json={"status": "OFFLINE"})
    return item


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_nothing_overflows(browse: Callable[..., Any], busy: Json, width: int) -> None:
    page = browse(width=width)
    page.wait_for_selector(".question")
    page.evaluate("document.querySelectorAll('details').forEach((node) => { node.open = true; })")
    page.get_by_role("button", name="Statement").last.click()
    page.wait_for_selector(".accounts tr")
    for index in range(page.locator("#connector option").count()):
        page.select_option("#connector", index=index)
        assert overflow(page) <= 0

    for path in ("/_sandbox/docs", "/_sandbox/connect-demo", f"/_sandbox/bank/authorize?itemId={busy['id']}"):
        assert overflow(browse(path, width)) <= 0, path


def overflow(page: Any) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(browse: Callable[..., Any], busy: Json, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page = browse(width=390, color_scheme=scheme, bypass_csp=True)
    page.wait_for_selector(".question")
    page.evaluate("document.querySelectorAll('details').forEach((node) => { node.open = true; })")

    found = axe.Axe().run(page, options=RULES).response["violations"]

    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []


def test_no_page_may_load_or_run_what_is_not_a_file_of_ours(driver: Driver) -> None:
    item_id = driver.connect_open_finance()

    for path in ("/", "/_sandbox/docs", "/_sandbox/connect-demo", f"/_sandbox/bank/authorize?itemId={item_id}"):
        answer = driver.api.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'self';"), path
        assert "script-src" not in policy
        assert not re.search(r"<script(?![^>]* src=)|\sstyle=|\son[a-z]+=", answer.text), path


def test_a_test_user_is_connected_with_what_its_bank_asks(browse: Callable[..., Any], driver: Driver) -> None:
    page = browse(width=390)
    for connector, name in ((2, "user-ok Connects, with all data."), (600, "761.092.776-73"), (19, "Nothing is asked")):
        page.select_option("#connector", str(connector))
        page.get_by_role("button", name=name).click()
    page.wait_for_function("() => document.querySelectorAll('.item').length === 3")
    driver.sandbox.settle()
    page.wait_for_function("() => document.querySelectorAll('.question').length === 2")
    page.get_by_role("button", name="Approve").first.click()
    page.wait_for_function("() => document.querySelectorAll('.question').length === 1")
    driver.sandbox.settle()

    states = {i["connector"]["id"]: i["status"] for i in driver.control.get("/items").json()["results"]}
    assert states == {2: "UPDATED", 600: "WAITING_USER_INPUT", 19: "UPDATED"}


def test_a_code_is_given(browse: Callable[..., Any], driver: Driver) -> None:
    item_id = driver.connect("user-ok-phone")
    page = browse()

    page.get_by_role("button", name="Answer").click()
    page.get_by_label("Token", exact=True).fill("123456")
    page.get_by_role("button", name="Answer").click()
    page.wait_for_selector(".state.UPDATED")

    assert driver.state(item_id) == "UPDATED SUCCESS"


def test_the_clock_is_moved_and_its_speed_shown_and_set(browse: Callable[..., Any], driver: Driver) -> None:
    page = browse()
    assert page.input_value("#speed") == "0"
    before = page.get_attribute("#now", "datetime")

    page.get_by_role("button", name="Let a day pass").click()
    page.wait_for_function("(before) => document.getElementById('now').dateTime !== before", arg=before)
    page.select_option("#speed", "60")
    page.wait_for_function("() => document.getElementById('now').dateTime.slice(14, 16) !== '00'")

    clock = driver.control.get("/clock").json()
    assert clock["now"] > "2026-03-11T15:00"
    assert clock["speed"] == 60
    driver.control.post("/clock", json={"speed": 7})
    page.wait_for_function("() => document.getElementById('speed').value === '7'")


def test_faults_are_switched_on_shown_and_ended(browse: Callable[..., Any], driver: Driver) -> None:
    page = browse()
    page.get_by_text("Let requests go wrong").click()
    page.select_option("[name=endpoint]", "GET /items/{id}")
    page.select_option("[name=do]", "status 503")
    page.select_option("[name=times]", "3")
    page.get_by_role("button", name="Switch on").click()
    page.get_by_text("GET /items/{id}: 503, 3× more").wait_for()
    page.get_by_text("Let deliveries go wrong").click()
    page.get_by_label("lost, of 100").fill("20")
    page.locator("#delivery-faults button").click()
    page.get_by_text("deliveries: 20 of 100 lost").wait_for()
    page.get_by_text("Let an institution fail").click()
    page.locator("#health button").click()
    page.get_by_text("institution 2: OFFLINE").wait_for()

    item_id = driver.connect(connector=5)
    assert driver.api.get(f"/items/{item_id}").status_code == 503
    assert driver.control.get("/faults").json()["deliveries"]["loss"] == 0.2
    assert driver.create().json()["codeDescription"] == "CONNECTOR_OFFLINE"
    for left in (2, 1, 0):
        page.get_by_role("button", name="End", exact=True).first.click()
        page.wait_for_function("(left) => document.querySelectorAll('.faults li').length === left", arg=left)
    assert driver.state(item_id) == "WAITING_USER_INPUT WAITING_USER_INPUT"
    assert driver.create().status_code == 200


def test_a_delivery_shows_its_payload_and_attempts_and_is_sent_again(
    browse: Callable[..., Any], driver: Driver, receiver: Receiver
) -> None:
    receiver.status = lambda _: 500
    driver.settings(deliveryDelaysSeconds=[0, 0])
    driver.register(receiver.url, "item/created")
    item_id = driver.connect()
    page = browse()

    page.locator(".delivery summary").click()

    assert page.locator(".delivery tr").count() == 1 + 9
    assert item_id in page.locator(".delivery pre").inner_text()
    assert receiver.url in page.locator(".delivery dl").inner_text()
    receiver.status = lambda _: 200
    page.get_by_role("button", name="Send again").click()
    page.locator(".delivery .dot.delivered").wait_for()
    assert len({got.payload["eventId"] for got in receiver.received}) == 1
    # What somebody has open stays open while the list changes under it.
    assert page.locator(".delivery[open] .dot.failed").count() == 1
    page.select_option("#shown", "failed lost")
    page.wait_for_function("() => document.querySelectorAll('.delivery').length === 1")
