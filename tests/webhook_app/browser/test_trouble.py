"""What goes wrong on a phone: no network, a link that ends, too many tries, a widget that must be left alone."""

from typing import Any

import httpx


def the_code(phone: Any) -> Any:
    return phone.page.locator("#value")


def send(phone: Any) -> None:
    phone.page.get_by_role("button", name="Enviar").click()


def test_what_is_sent_without_a_network_is_not_lost(stack, browse):
    action = stack.connect(connector=5)
    phone = browse()
    phone.open(action["pageUrl"])
    the_code(phone).fill("123456")

    phone.page.context.set_offline(True)
    send(phone)

    phone.page.get_by_text("Você está sem internet").wait_for()
    assert the_code(phone).input_value() == "123456"
    assert stack.state_of(action["id"]) == "open"
    phone.page.context.set_offline(False)
    send(phone)
    phone.sees("done")


def test_a_page_that_polls_notices_that_its_link_is_over(stack, browse):
    action = stack.connect(connector=5)
    phone = browse()
    # No stream is free: the page polls.
    phone.page.route("**/changes", lambda route: route.fulfill(status=503))
    phone.open(action["pageUrl"])
    phone.sees("form")

    stack.pluggy.delete(f"/items/{action['itemId']}").raise_for_status()

    phone.page.wait_for_selector('main[data-notice="gone"]')
    assert phone.page.get_by_role("heading").inner_text() == "Este link não é mais válido"
    phone.go_back()


def test_too_many_tries_show_a_clock_and_then_a_button(stack, browse):
    action = stack.connect(connector=5)
    for _ in range(10):
        httpx.post(action["pageUrl"], data={"do": "mfa", "value": "1"}, trust_env=False)
    phone = browse()
    phone.open(action["pageUrl"])
    the_code(phone).fill("123456")
    send(phone)

    phone.page.wait_for_selector('main[data-notice="busy"]')
    assert phone.page.locator(".clock").inner_text().startswith(("0:", "1:00"))
    assert not phone.page.locator("#again").is_visible()
    # The time passes.
    phone.page.evaluate(
        "const box = main().querySelector('.countdown'); box.dataset.until = box.dataset.now; countDown()"
    )
    phone.page.get_by_role("link", name="Tentar de novo").click()
    phone.sees("form")


def test_trouble_while_the_page_is_open_takes_nothing_away(stack, browse):
    action = stack.connect(connector=5)
    phone = browse()
    phone.open(action["pageUrl"])
    the_code(phone).fill("1234")
    phone.page.route(action["pageUrl"], lambda route: route.fulfill(status=503, body="<main>away</main>"))

    phone.page.evaluate("repaint()")

    assert the_code(phone).input_value() == "1234"
    phone.page.unroute(action["pageUrl"])
    phone.page.evaluate("repaint()")
    phone.sees("form")


def test_the_widget_is_left_alone_while_it_is_open(stack, browse):
    action = stack.connect("user-bad")
    phone = browse()
    phone.open(action["pageUrl"])
    phone.page.get_by_role("button", name="Abrir a janela da Pluggy").click()
    phone.page.get_by_label("Usuário").fill("user-o")
    asked = []
    phone.page.on("request", lambda request: asked.append(request.url) if "/act/" in request.url else None)

    # What the page shows is over, and it would show so at once. Coming back to the tab is a reason to look, too.
    stack.api.post(f"/v1/actions/{action['id']}/cancel").raise_for_status()
    phone.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    phone.page.evaluate("repaint()")
    phone.page.evaluate("heard('another version')")

    assert phone.page.get_by_label("Usuário").input_value() == "user-o"
    assert asked == []
    phone.page.get_by_label("Fechar").click()
    phone.sees("cancelled")


def test_an_error_in_the_widget_is_read_there_before_the_page_goes_on(stack, browse):
    action = stack.connect("user-bad")
    phone = browse()
    phone.open(action["pageUrl"])
    phone.page.get_by_role("button", name="Abrir a janela da Pluggy").click()
    phone.page.get_by_label("Usuário").fill("user-bad")
    phone.page.get_by_label("Senha").fill("still-wrong")
    phone.page.get_by_role("button", name="Conectar").click()

    phone.page.get_by_text("Não foi possível conectar").wait_for()
    phone.page.get_by_label("Fechar").click()

    # Two failed logins in a row.
    phone.sees("wait")


def test_on_the_phone_that_must_read_the_code_another_device_is_asked_for(stack, browse):
    action = stack.connect(connector=19)
    phone = browse(has_touch=True, is_mobile=True, permissions=["clipboard-read", "clipboard-write"])
    phone.open(action["pageUrl"])
    phone.sees("qr")

    assert phone.page.get_by_text("abra esta página em outro aparelho").is_visible()
    assert not phone.page.get_by_text("leia o código QR").is_visible()
    phone.page.get_by_role("button", name="Copiar o link").click()
    phone.page.get_by_role("button", name="Link copiado").wait_for()
    assert phone.page.evaluate("navigator.clipboard.readText()") == phone.page.url


def test_on_a_desktop_there_is_one_hint_and_it_speaks_of_the_phone(stack, browse):
    action = stack.connect(connector=19)
    desktop = browse(viewport={"width": 1280, "height": 800})
    desktop.open(action["pageUrl"])
    desktop.sees("qr")

    # Here the bank has a hint of its own, which is shown in the place of ours.
    assert desktop.page.get_by_text("leia o código QR").is_visible()
    assert not desktop.page.get_by_text("outro aparelho").first.is_visible()


def test_a_paste_in_groups_becomes_the_code(stack, browse):
    action = stack.connect(connector=5)
    phone = browse(permissions=["clipboard-read", "clipboard-write"])
    phone.open(action["pageUrl"])
    phone.page.evaluate("navigator.clipboard.writeText('123 456')")
    the_code(phone).focus()
    phone.page.keyboard.press("Control+V")
    phone.page.keyboard.press("Enter")

    phone.sees("done")


def test_a_logo_that_does_not_load_becomes_a_letter(stack, browse):
    action = stack.connect(connector=5)
    phone = browse()
    phone.page.route("**/logo.svg", lambda route: route.abort())
    phone.open(action["pageUrl"])

    phone.page.wait_for_selector("header .letter")
    assert phone.page.locator("header .letter").first.inner_text() == "L"
