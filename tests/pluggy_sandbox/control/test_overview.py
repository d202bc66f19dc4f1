"""The page at `/` in a real browser, as a phone and as a desktop show it; skipped where there is none."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.kit import axe
from tests.kit.chromium import Window
from tests.pluggy_sandbox.driver import Driver, Json, Receiver

WIDTHS = {"phone": 390, "desktop": 1280}


@pytest.fixture
def browse(open_window: Callable[..., Window], driver: Driver) -> Iterator[Callable[..., Any]]:
    """Open a page; whatever it complains about, or asks of somebody else, fails the test at its end."""
    windows = []

    def browse(path: str = "/", width: int = 1280, **options: Any) -> Any:
        window = open_window({"width": width, "height": 850}, **options)
        windows.append(window)
        window.page.goto(driver.sandbox.url + path)
        if path == "/":
            window.page.wait_for_selector("#now[datetime]")
        return window.page

    yield browse
    ours = (driver.sandbox.url, "data:")
    for window in windows:
        # With its answer comes all that was said before.
        window.page.evaluate("0")
        assert window.errors == []
        assert [text for type_, text in window.said if type_ == "error"] == []
        assert [url for url in window.asked if not url.startswith(ours)] == []
        # Nothing of it goes on while another test runs.
        window.page.goto("about:blank")


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


@pytest.mark.usefixtures("busy")
def test_everybody_can_use_it(browse: Callable[..., Any]) -> None:
    page = browse(width=390, color_scheme="light", bypass_csp=True)
    page.wait_for_selector(".question")
    page.evaluate("document.querySelectorAll('details').forEach((node) => { node.open = true; })")

    assert axe.faults(page, axe.WCAG) == []
    page.emulate_media(color_scheme="dark")
    assert axe.faults(page, axe.COLORS) == []


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
    users = ((2, "user-ok Connects, with all data."), (600, "761.092.776-73"), (19, "Nothing is asked"))
    for number, (connector, name) in enumerate(users, start=1):
        page.select_option("#connector", str(connector))
        page.get_by_role("button", name=name).click()
        # Two that connect at once may be listed in either order.
        page.wait_for_function(f"() => document.querySelectorAll('.item').length === {number}")
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


def test_what_was_ended_is_not_in_the_form_any_more(browse: Callable[..., Any], driver: Driver) -> None:
    page = browse()
    page.get_by_text("Let deliveries go wrong").click()
    page.get_by_label("lost, of 100").fill("50")
    page.get_by_label("out of order").check()
    page.locator("#delivery-faults button").click()
    page.get_by_text("deliveries: 50 of 100 lost, out of order").wait_for()

    page.get_by_role("button", name="End", exact=True).click()
    page.wait_for_function("() => document.querySelector('[name=loss]').value === '0'")
    page.get_by_label("sent twice, of 100").fill("10")
    page.locator("#delivery-faults button").click()
    page.get_by_text("deliveries: 10 of 100 twice").wait_for()

    deliveries = driver.control.get("/faults").json()["deliveries"]
    assert (deliveries["loss"], deliveries["duplicate"], deliveries["disorder"]) == (0, 0.1, False)


def test_the_form_shows_the_faults_that_somebody_else_switched_on(browse: Callable[..., Any], driver: Driver) -> None:
    driver.faults(deliveries={"loss": 0.25, "disorder": True, "delaySeconds": [0, 3]})

    page = browse()

    page.wait_for_function("() => document.querySelector('[name=loss]').value === '25'")
    assert page.input_value("[name=delaySeconds]") == "3"
    assert page.is_checked("[name=disorder]")


def test_each_button_of_an_item_says_what_came_of_it_and_delete_asks_before(
    browse: Callable[..., Any], driver: Driver
) -> None:
    item_id = driver.connect()
    page = browse()
    said = "(words) => document.getElementById('toast').textContent === words"
    page.get_by_role("button", name="Break next execution").click()
    page.wait_for_function(said, arg="The next execution will find the bank down.")

    page.get_by_role("button", name="Execute").click()
    page.wait_for_function(said, arg="An execution has begun.")
    driver.sandbox.settle()
    questions = []
    page.once("dialog", lambda dialog: (questions.append(dialog.message), dialog.dismiss()))
    page.get_by_role("button", name="Delete").click()
    assert driver.state(item_id) == "OUTDATED SITE_NOT_AVAILABLE"
    assert item_id in questions[0]
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete").click()
    page.wait_for_function(said, arg="The Item is deleted.")

    assert driver.api.get(f"/items/{item_id}").status_code == 404


@pytest.mark.parametrize("real", [True, False])
def test_the_page_says_so_if_what_a_person_is_asked_for_is_due_in_real_time(
    browse: Callable[..., Any], driver: Driver, real: bool
) -> None:
    driver.settings(realDeadlines=real)
    driver.connect("user-ok-phone")

    page = browse()
    page.wait_for_selector(".question")

    assert page.locator("#deadlines").is_visible() == real
    assert ("in real time" in page.locator(".question").inner_text()) == real


def test_one_day_is_one_day(browse: Callable[..., Any], driver: Driver) -> None:
    now = datetime.fromisoformat(driver.control.get("/clock").json()["now"])
    page = browse()
    for days, words in ((1, "1 day ahead"), (2, "2 days ahead")):
        ahead = datetime.now(UTC) + timedelta(days=days, minutes=1) - now
        if ahead < timedelta(0):
            pytest.skip("the clock of the tests is ahead of the machine's")
        for part in (ahead / 10,) * 10:  # at most a year at a time
            driver.advance(seconds=part.total_seconds())
        page.get_by_text(words, exact=False).wait_for()
        now += ahead


def test_the_page_says_where_deliveries_go_before_there_is_one(browse: Callable[..., Any], driver: Driver) -> None:
    page = browse()
    page.get_by_text("Register a webhook with POST /webhooks").wait_for()

    driver.register("http://127.0.0.1:9/somewhere")

    page.get_by_text("is sent to http://127.0.0.1:9/somewhere").wait_for()
    assert "POST /webhooks" not in page.locator("#deliveries").inner_text()


def test_a_joint_account_is_connected_with_its_code(browse: Callable[..., Any], driver: Driver) -> None:
    page = browse()
    assert page.locator("#code").is_hidden()
    page.select_option("#connector", "9")
    page.get_by_text("000000 connects a joint account").wait_for()

    page.get_by_label("with the code").fill("000000")
    page.get_by_role("button", name="user-ok Connects, with all data.").click()
    page.wait_for_selector(".state.UPDATED")
    joint = {
        each["number"] for each in driver.api.get("/accounts", params={"itemId": item_of(driver)}).json()["results"]
    }
    page.get_by_label("with the code").fill("123456")
    page.get_by_role("button", name="user-ok Connects, with all data.").click()
    page.wait_for_function("() => document.querySelectorAll('.state.UPDATED').length === 2")

    single = {
        each["number"] for each in driver.api.get("/accounts", params={"itemId": item_of(driver)}).json()["results"]
    }
    assert joint
    assert single
    assert joint != single


def item_of(driver: Driver) -> str:
    """Return the newest Item."""
    newest: str = driver.control.get("/items").json()["results"][-1]["id"]
    return newest


def test_the_fields_of_a_form_are_of_one_height(browse: Callable[..., Any]) -> None:
    page = browse()

    heights = page.evaluate("['connector', 'client-user'].map((id) => document.getElementById(id).offsetHeight)")

    assert heights[0] == heights[1] > 0
