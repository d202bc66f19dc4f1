"""A person with a phone uses the wallet that `make up` serves: connects a bank, types a code, and comes back."""

from pathlib import Path

import httpx
import pytest

from pluggy_sync import tls
from standalone.polling import eventually

pytestmark = pytest.mark.slow

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots" / "wallet"


@pytest.fixture
def page(chromium):
    context = chromium.new_context(viewport={"width": 390, "height": 844}, device_scale_factor=2)
    context.set_default_timeout(45_000)
    page = context.new_page()
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page
    context.close()
    assert problems == []


def connect(page, connector):
    """Begin to connect the bank *connector* in the widget, as the test user to whom all goes well."""
    page.get_by_role("button", name="Connect a bank").click()
    page.locator(f'[data-connector="{connector}"]').click()
    page.locator('input[name="user"]').fill("user-ok")
    page.locator('input[name="password"]').fill("password-ok")
    page.locator("form:has(input[name=password]) button.main").click()


def close_the_widget(page):
    page.get_by_role("button", name="Fechar").first.click()


def screenshot(page, name):
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


def told(up, type_):
    with httpx.Client(base_url=up["WALLET_URL"], trust_env=False, verify=tls.context()) as client:
        return [each for each in client.get("/notifications").json()["results"] if each["type"] == type_]


def test_a_person_connects_two_banks_gives_a_code_and_comes_back(up, page):
    page.goto(up["WALLET_URL"])
    assert page.get_by_text("No bank is connected yet").is_visible()

    connect(page, 2)
    page.get_by_text("Conexão concluída").wait_for()
    close_the_widget(page)
    page.get_by_text("fresh").wait_for()
    assert page.locator("section li b").first.inner_text().startswith("BRL")
    page.get_by_role("heading", name="added").wait_for()
    screenshot(page, "connected")
    synced = eventually(lambda: told(up, "item.synced"), within_s=30, what="the wallet was told")
    assert synced[0]["data"]["clientUserId"] == "ana"

    connect(page, 5)
    # Ana closes the widget, and gives the code later.
    eventually(lambda: told(up, "item.action_required"), within_s=30, what="the wallet is told what the bank asks")
    close_the_widget(page)
    page.get_by_role("button", name="Continue", exact=True).wait_for()
    screenshot(page, "asked")
    page.get_by_role("button", name="Continue", exact=True).click()
    page.wait_for_url(f"{up['WEB_URL']}/act/**")
    screenshot(page, "the-persons-page")
    page.get_by_role("textbox").fill("123456")
    page.get_by_role("button", name="Enviar").or_(page.get_by_role("button", name="Send")).first.click()
    page.locator('main[data-screen="done"]').wait_for()
    page.get_by_role("link", name="Wallet").first.click()

    page.wait_for_url(f"{up['WALLET_URL']}/")
    page.get_by_role("button", name="Continue", exact=True).wait_for(state="detached")
    eventually(lambda: page.locator("section").count() == 2, within_s=30, what="both banks are shown")
    screenshot(page, "both")
