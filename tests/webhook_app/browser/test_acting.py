"""The person's page in a real browser, with the whole service behind it: from the bank's question to a settled item."""

import re
from typing import Any

import pytest


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

    # The only field has the focus.
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


@pytest.mark.parametrize("user", ["user-ok-select", "user-ok-img"])
def test_choices_and_pictures_are_answered(stack, browse, user):
    action = stack.connect(user, connector=5)
    phone = browse()
    phone.open(action["pageUrl"])
    phone.sees("form")

    if user == "user-ok-select":
        phone.page.get_by_label("123456").check()
    else:
        assert phone.page.locator("img.picture").evaluate("image => image.complete && image.naturalWidth > 0")
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


def test_credentials_are_given_in_the_widget(stack, browse):
    action = stack.connect("user-bad")
    phone = browse()
    phone.open(action["pageUrl"])
    phone.sees("connect")

    phone.page.get_by_role("button", name="Abrir a janela da Pluggy").click()
    phone.page.get_by_label("Usuário").fill("user-ok")
    phone.page.get_by_label("Senha").fill("password-ok")
    phone.page.get_by_role("button", name="Conectar").click()

    phone.sees("done")
    assert stack.state_of(action["id"]) == "resolved"


def test_what_is_done_at_the_bank_is_shown_with_its_message(stack, browse):
    action = stack.connect("user-account-need-actions-provider-message")
    phone = browse()
    phone.open(action["pageUrl"])
    phone.sees("at_bank")

    assert action["providerMessage"] in phone.page.inner_text("blockquote")


def test_an_approval_is_waited_for(stack, browse):
    action = stack.connect("user-ok-auth-pending")
    phone = browse()
    phone.open(action["pageUrl"])

    phone.sees("approve")
    assert phone.page.locator("input[type=password]").count() == 0


def test_an_open_finance_consent_is_given_at_the_banks_page(stack, browse):
    action = stack.connect(connector=600, cpf="761.092.776-73")
    phone = browse()
    phone.open(action["pageUrl"])
    phone.sees("go_to_bank")

    link = phone.page.get_by_role("link", name="Ir para o banco")
    assert link.get_attribute("rel") == "noopener noreferrer external"
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


def test_without_script_the_page_still_works(stack, browse):
    action = stack.connect(connector=5)
    phone = browse(java_script_enabled=False)
    phone.open(action["pageUrl"])
    the_code(phone).fill("123456")
    send(phone)

    phone.sees("done", within_s=30)


def test_english_and_the_dark_are_served_too(stack, browse):
    action = stack.connect(connector=5)
    phone = browse(locale="en-GB", color_scheme="dark")
    phone.open(action["pageUrl"])

    assert phone.page.get_by_role("heading").inner_text() == "Your bank asked for a code"


def test_a_link_that_is_over_says_so(stack, browse):
    phone = browse()
    phone.open(f"{stack.address}/act/over")

    assert phone.page.get_by_role("heading").inner_text() == "Este link não é mais válido"
