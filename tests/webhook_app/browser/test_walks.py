"""Every kind of need, from the notification that the product received to the button that leads back to it."""

from typing import Any

import pytest


def told(stack: Any, opened: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return the action that was opened as the product was told of it."""
    action: dict[str, Any] = stack.told_of(opened)
    assert action["kind"] == kind
    assert action["pageUrl"].startswith(stack.address)
    return action


def walk(stack: Any, browse: Any, action: dict[str, Any], screen: str, **options: Any) -> Any:
    phone = browse(**options)
    phone.open(action["pageUrl"])
    phone.sees(screen)
    assert "Loja X" in phone.page.inner_text("header")
    return phone


def press(phone: Any, name: str) -> None:
    phone.page.get_by_role("button", name=name).click()


def arrive(stack: Any, phone: Any, action: dict[str, Any]) -> None:
    phone.sees("done")
    assert stack.state_of(action["id"]) == "resolved"
    phone.go_back()


@pytest.mark.parametrize("user", ["user-ok", "user-ok-select", "user-ok-img"])
def test_what_the_bank_asks_for_is_given(stack, browse, user):
    action = told(stack, stack.connect(user, connector=5), "mfa")
    phone = walk(stack, browse, action, "form")

    if user == "user-ok-img":
        assert phone.page.locator("img.picture").evaluate("image => image.complete && image.naturalWidth > 0")
    if user == "user-ok-select":
        phone.page.get_by_label("123456").check()
    else:
        # A code may come in groups; what a picture shows is sent as it was typed.
        phone.page.locator("#value").fill("123 456" if user == "user-ok" else "123456")
    press(phone, "Enviar")

    arrive(stack, phone, action)


def test_a_code_that_the_bank_sends_only_during_the_update(stack, browse):
    first = stack.connect(connector=5)
    refused = stack.api.post(f"/v1/actions/{first['id']}/mfa", json={"value": "654321"})
    assert refused.status_code == 202
    action = stack.action_of(first["itemId"], reason="INVALID_CREDENTIALS_MFA")
    phone = walk(stack, browse, told(stack, action, "mfa"), "start")

    press(phone, "Começar a atualização")
    phone.sees("form")
    phone.may_type()
    phone.page.keyboard.type("123456")
    press(phone, "Enviar")

    phone.sees("done")
    phone.go_back()


def test_a_qr_code_is_read_with_another_device(stack, browse):
    action = told(stack, stack.connect(connector=19), "authorize")
    item_id = action["itemId"]
    phone = walk(stack, browse, action, "qr")

    stack.control("POST", f"/items/{item_id}/approve")

    arrive(stack, phone, action)


def test_a_consent_is_given_at_the_banks_page(stack, browse):
    action = told(stack, stack.connect(connector=600, cpf="761.092.776-73"), "authorize")
    item_id = action["itemId"]
    phone = walk(stack, browse, action, "go_to_bank")
    link = phone.page.get_by_role("link", name="Ir para o banco")
    assert link.get_attribute("rel") == "noopener noreferrer external"

    stack.control("POST", f"/items/{item_id}/approve")

    arrive(stack, phone, action)


def pending(stack: Any) -> Any:
    """Connect an Item of which the bank keeps a part back until somebody approves it; return the action."""
    item_id = str(stack.connect(connector=600, cpf="761.092.776-73")["itemId"])
    stack.control("PUT", f"/items/{item_id}/resources", CREDIT_CARD_ACCOUNT="PENDING_AUTHORISATION")
    stack.control("POST", f"/items/{item_id}/approve")
    return stack.action_of(item_id, reason="RESOURCES_PENDING_AUTHORIZATION")


def test_a_part_that_waits_for_an_approval_is_approved(stack, browse):
    action = told(stack, pending(stack), "authorize")
    phone = walk(stack, browse, action, "approve")

    stack.control("POST", f"/items/{action['itemId']}/approve")

    arrive(stack, phone, action)


@pytest.mark.parametrize(
    "user, kind, button",
    [
        ("user-bad", "credentials", "Abrir a janela da Pluggy"),
        ("user-locked", "bank", "Já desbloqueei, continuar"),
        ("user-account-credentials-reset", "bank", "Já criei, continuar"),
    ],
)
def test_credentials_are_given_in_the_widget(stack, browse, user, kind, button):
    action = told(stack, stack.connect(user), kind)
    phone = walk(stack, browse, action, "connect")

    press(phone, button)
    phone.page.get_by_label("Usuário").fill("user-ok")
    phone.page.get_by_label("Senha").fill("password-ok")
    press(phone, "Conectar")
    if user != "user-bad":
        # Who does not close the widget sees it close after some seconds.
        phone.page.get_by_text("Fechar", exact=True).click()

    arrive(stack, phone, action)


def test_a_consent_that_was_withdrawn_is_renewed_in_the_widget(stack, browse):
    first = stack.connect(connector=600, cpf="761.092.776-73")
    item_id = first["itemId"]
    stack.control("POST", f"/items/{item_id}/approve")
    stack.told_of(first, "item.action_resolved")
    stack.control("POST", f"/items/{item_id}/revoke")
    # The next update finds it.
    stack.control("POST", f"/items/{item_id}/run", triggeredBy="SYNC")
    action = told(stack, stack.action_of(item_id), "consent")
    phone = walk(stack, browse, action, "connect")

    press(phone, "Abrir a janela da Pluggy")
    phone.page.get_by_text("Ir para o banco").wait_for()
    stack.control("POST", f"/items/{item_id}/approve")

    # On the way the bank's page was another need, which took the place of the first.
    phone.sees("done")
    phone.go_back()


def test_what_is_done_at_the_bank_is_said_and_a_vain_try_too(stack, browse):
    action = told(stack, stack.connect("user-account-need-actions-provider-message"), "bank")
    item_id = action["itemId"]
    phone = walk(stack, browse, action, "at_bank")
    assert action["providerMessage"] in phone.page.inner_text("blockquote")

    press(phone, "Já fiz isso")
    phone.page.get_by_text("O banco respondeu que isto ainda não foi resolvido").wait_for()

    # Now it is settled.
    stack.pluggy.patch(f"/items/{item_id}", json={"parameters": {"user": "user-ok", "password": "password-ok"}})
    phone.sees("done")
    phone.go_back()


def test_an_approval_that_is_outstanding_goes_on_by_itself(stack, browse):
    action = told(stack, stack.connect("user-ok-auth-pending"), "bank")
    phone = walk(stack, browse, action, "approve")
    assert phone.page.locator("input").count() == 1  # the hidden one of the button

    stack.control("POST", "/clock", advanceSeconds=130)
    press(phone, "Já fiz isso")

    arrive(stack, phone, action)


def test_where_nothing_can_be_done_the_way_back_is_all_there_is(stack, browse):
    action = told(stack, stack.connect("user-not-supported"), "bank")
    phone = walk(stack, browse, action, "not_possible")

    assert phone.page.get_by_role("button").count() == 0
    phone.go_back()


def test_what_was_cancelled_meanwhile_leads_back(stack, browse):
    action = told(stack, stack.connect("user-bad"), "credentials")
    phone = walk(stack, browse, action, "connect")

    stack.api.post(f"/v1/actions/{action['id']}/cancel").raise_for_status()

    phone.sees("cancelled")
    phone.go_back()


def test_a_link_with_a_way_back_of_its_own_leads_there(stack, browse):
    action = told(stack, stack.connect("user-not-supported"), "bank")
    asked = {"returnUrl": f"{stack.product.url}/conta/7?aba=bancos"}
    made = stack.api.post(f"/v1/actions/{action['id']}/page-link", json=asked).json()
    phone = browse()
    phone.open(made["pageUrl"])

    phone.go_back()

    assert phone.page.url == asked["returnUrl"]


def test_a_link_that_is_over_leads_back(stack, browse):
    phone = browse()
    phone.open(f"{stack.address}/act/over")

    assert phone.page.get_by_role("heading").inner_text() == "Este link não é mais válido"
    phone.go_back()


def test_without_script_the_way_back_is_there_too(stack, browse):
    action = told(stack, stack.connect(connector=5), "mfa")
    phone = walk(stack, browse, action, "form", java_script_enabled=False)
    phone.page.locator("#value").fill("123 456")
    press(phone, "Enviar")

    phone.sees("done")
    phone.go_back()
