"""
What a company builds on `make up`: a person uses the wallet with a phone, and an engineer follows docs/integrate.md.

In one file, so that the service is started once.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from pluggy_sync import tls
from standalone.polling import PATIENCE_S, eventually

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "build" / "screenshots" / "wallet"


@pytest.fixture
def page(chromium):
    context = chromium.new_context(viewport={"width": 390, "height": 844}, device_scale_factor=2)
    context.set_default_timeout(PATIENCE_S * 1000)
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


def told_of_ana(up, type_):
    """Return the notifications of that type about the wallet's person; another test has a person of its own."""
    with httpx.Client(base_url=up["WALLET_URL"], trust_env=False, verify=tls.context()) as client:
        results = client.get("/notifications").json()["results"]
    return [each for each in results if each["type"] == type_ and each["data"]["clientUserId"] == "ana"]


def test_a_person_connects_two_banks_gives_a_code_and_comes_back(up, page):
    page.goto(up["WALLET_URL"])
    assert page.get_by_text("No bank is connected yet").is_visible()

    connect(page, 2)
    page.get_by_text("Conexão concluída").wait_for()
    close_the_widget(page)
    page.get_by_text("fresh").wait_for()
    assert page.locator("section li b").first.inner_text().lstrip("-").startswith("R$")
    page.get_by_role("heading", name="added").wait_for()
    screenshot(page, "connected")
    eventually(lambda: told_of_ana(up, "item.synced"), what="the wallet was told")

    connect(page, 5)
    # Ana closes the widget, and gives the code later.
    eventually(lambda: told_of_ana(up, "item.action_required"), what="the wallet is told what the bank asks")
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
    eventually(lambda: page.locator("section").count() == 2, what="both banks are shown")
    screenshot(page, "both")


TUTORIAL = (ROOT / "docs" / "integrate.md").read_text()
# What `pip` would install stands in our own environment already.
WITHOUT_INSTALLING = {"pip install -q flask httpx standardwebhooks": "true"}


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", TUTORIAL, re.MULTILINE | re.DOTALL)


def test_the_product_of_the_tutorial_has_at_most_40_lines_of_python():
    (program,) = blocks("python")

    assert len(program.splitlines()) <= 40


def test_every_piece_of_the_tutorial_works_in_its_order(up, tmp_path):
    (program,) = blocks("python")
    (tmp_path / "product.py").write_text(program)
    (tmp_path / ".data").symlink_to(up["DATA"])
    script = "\n".join(["set -eu", *blocks("bash")])
    for given, instead in WITHOUT_INSTALLING.items():
        assert given in script
        script = script.replace(given, instead)

    # bash ends with the first command that fails; the loops of the tutorial wait for what it promises.
    run = subprocess.run(
        ["bash", "-o", "pipefail", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )

    log = (tmp_path / "product.log").read_text() if (tmp_path / "product.log").exists() else ""
    assert run.returncode == 0, f"{run.stdout[-2000:]}\n{run.stderr[-2000:]}\n{log}"
    assert '"statusCode":204' in run.stdout
    assert '"signedReceipt":"ey' in run.stdout
    assert re.search(r"^send user-42 to http://127\.0\.0\.1:\d+/act/", log, re.MULTILINE)
    assert re.search(r"^[1-9]\d+ transactions$", log, re.MULTILINE)
    assert "Traceback" not in log
