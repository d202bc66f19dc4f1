"""Every screen of the person's page, checked with axe at phone size, light and dark, by the rules of WCAG 2.1 AA."""

from typing import Any

import pytest

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")

RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}}


def assert_clean(phone: Any) -> None:
    """Check that axe finds nothing on what is shown."""
    found = axe.Axe().run(phone.page, options=RULES).response["violations"]
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "user, connector, screen",
    [
        ("user-ok", 5, "form"),
        ("user-ok-select", 5, "form"),
        ("user-ok-img", 5, "form"),
        ("user-ok", 19, "qr"),
        ("user-bad", 2, "connect"),
        ("user-account-need-actions-provider-message", 2, "at_bank"),
        ("user-ok-auth-pending", 2, "approve"),
    ],
)
def test_every_need_is_shown_so_that_everyone_can_act(stack, browse, user, connector, screen, scheme):
    action = stack.connect(user, connector=connector)
    phone = browse(color_scheme=scheme, bypass_csp=True)
    phone.open(action["pageUrl"])
    phone.sees(screen)

    assert_clean(phone)


def test_what_follows_an_answer_is_accessible_too(stack, browse):
    action = stack.connect(connector=5)
    phone = browse(bypass_csp=True)
    phone.open(action["pageUrl"])
    phone.page.locator("#value").fill("654321")
    phone.page.get_by_role("button", name="Enviar").click()
    phone.sees("start")
    assert_clean(phone)
    # A screen reader begins to read where the page has changed.
    assert phone.page.evaluate("document.activeElement.tagName") == "H1"
    phone.page.evaluate("repaint()")
    assert phone.page.evaluate("document.activeElement.tagName") == "H1"

    phone.page.get_by_role("button", name="Começar a atualização").click()
    phone.sees("form")
    phone.page.locator("#value").fill("123456")
    phone.page.get_by_role("button", name="Enviar").click()
    phone.sees("done")
    assert_clean(phone)


def test_an_error_in_the_form_is_said_to_everyone(stack, browse):
    action = stack.connect(connector=5)
    phone = browse(bypass_csp=True, java_script_enabled=True)
    phone.open(action["pageUrl"])
    phone.page.evaluate("document.querySelector('[data-form]').removeAttribute('data-form')")
    phone.page.locator("#value").fill("12")
    phone.page.get_by_role("button", name="Enviar").click()

    phone.page.wait_for_selector("#error")
    assert phone.page.locator("#value").get_attribute("aria-describedby").split()[-1] == "error"
    phone.screenshot("form-error")
    assert_clean(phone)


def test_a_link_that_is_over_is_accessible(stack, browse):
    phone = browse(bypass_csp=True)
    phone.open(f"{stack.address}/act/over")

    assert_clean(phone)
