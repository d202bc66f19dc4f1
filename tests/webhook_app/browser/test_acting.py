"""The person's page in a real browser, with the whole service behind it: from the bank's question to a settled item."""

import re
from typing import Any


def the_code(phone: Any) -> Any:
    return phone.page.locator("#value")


def send(phone: Any) -> None:
    phone.page.get_by_role("button", name="Enviar").click()


def test_a_code_is_given_and_the_page_goes_on_by_itself(stack, browse):
    action = stack.connect(connector=5)
    phone = browse()
    phone.open(action["pageUrl"])
    phone.sees("form")

    the_code(phone).fill("123456")
    send(phone)

    phone.sees("progress")
    phone.sees("done")
    assert stack.state_of(action["id"]) == "resolved"
    phone.page.reload()
    phone.sees("done")


def test_the_keyboard_alone_is_enough(stack, browse):
    action = stack.connect(connector=5)
    phone = browse()
    phone.open(action["pageUrl"])

    phone.may_type()
    phone.page.keyboard.type("123456")
    phone.page.keyboard.press("Enter")

    phone.sees("done")


def test_a_code_of_a_wrong_form_is_not_sent(stack, browse):
    action = stack.connect(connector=5)
    phone = browse()
    phone.open(action["pageUrl"])
    the_code(phone).fill("12")
    send(phone)

    assert the_code(phone).evaluate("field => field.validationMessage") == "O código tem 6 dígitos"
    assert stack.state_of(action["id"]) == "open"


def test_a_wrong_code_is_said_and_a_new_one_asked_for(stack, browse):
    action = stack.connect(connector=5)
    phone = browse()
    phone.open(action["pageUrl"])
    the_code(phone).fill("654321")
    send(phone)

    phone.sees("start")
    assert phone.page.get_by_role("heading").inner_text() == "O código não foi aceito"
    phone.page.get_by_role("button", name="Começar a atualização").click()
    phone.sees("form")
    the_code(phone).fill("123456")
    send(phone)
    phone.sees("done")


def test_a_qr_code_repaints_as_it_rotates_and_goes_on_when_it_was_read(stack, browse):
    action = stack.connect(connector=19)
    phone = browse()
    phone.open(action["pageUrl"])
    phone.sees("qr")
    first = phone.page.locator("img.qr").get_attribute("src")

    phone.page.wait_for_function("first => document.querySelector('img.qr').src !== first", arg=first)
    stack.sandbox.control.post(f"/items/{action['itemId']}/approve", json={}).raise_for_status()

    phone.sees("done")


def test_after_two_failed_logins_the_wait_is_shown(stack, browse):
    action = stack.connect("user-bad")
    body = {"parameters": {"user": "user-bad", "password": "wrong-again"}}
    assert stack.api.post(f"/v1/actions/{action['id']}/credentials", json=body).status_code == 202
    phone = browse()
    phone.open(action["pageUrl"])

    phone.sees("wait")
    clock = phone.page.locator(".clock").inner_text()
    assert clock.startswith(("14:", "15:"))


def test_time_that_ends_while_the_page_is_open_is_said(stack, browse):
    action = stack.connect(connector=5)
    phone = browse()
    phone.open(action["pageUrl"])
    phone.sees("form")
    # Two minutes from Pluggy's now, which other tests have moved on.
    assert re.fullmatch(r"\d+:\d\d", phone.page.locator(".clock").inner_text())

    stack.sandbox.control.post("/clock", json={"advanceSeconds": 200}).raise_for_status()

    # The run ends for want of an answer, and the page moves on to what it asks then.
    phone.sees("start")
    assert phone.page.get_by_role("heading").inner_text() == "O tempo para informar o código acabou"


def test_two_tabs_and_back_are_handled(stack, browse):
    action = stack.connect(connector=5)
    one, other = browse(), browse()
    one.open(action["pageUrl"])
    other.open(action["pageUrl"])
    other.sees("form")

    the_code(one).fill("123456")
    send(one)

    one.sees("done")
    other.sees("done")
    one.page.go_back()
    assert one.page.locator('main[data-screen="form"]').count() == 0


def test_what_is_typed_survives_a_repaint(stack, browse):
    action = stack.connect(connector=5)
    phone = browse()
    phone.open(action["pageUrl"])
    the_code(phone).fill("1234")

    phone.page.evaluate("repaint()")

    assert the_code(phone).input_value() == "1234"


def test_english_and_the_dark_are_served_too(stack, browse):
    action = stack.connect(connector=5)
    phone = browse(locale="en-GB", color_scheme="dark")
    phone.open(action["pageUrl"])

    assert phone.page.get_by_role("heading").inner_text() == "Your bank asked for a code"
