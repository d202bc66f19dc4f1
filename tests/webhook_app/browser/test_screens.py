"""
Every state of the page: axe finds nothing in either theme and language, and it fits however narrow or large its text.

Under `make screenshots` each leaves its pictures, and all of them together a sheet that a person can look through:
build/screenshots/index.html.
"""

import html
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from pluggy_sync.store.tables import connectors, items
from standalone.polling import eventually
from tests.kit import axe
from tests.kit.chromium import SCREENSHOTS, TAKES_PICTURES
from tests.webhook_app.browser.test_walks import pending
from webhook_app import person

STYLES = Path(person.__file__).parent / "static" / "act.css"

# Width, and size of the text in percent of the usual one.
SIZES = {"390": (390, 100), "320": (320, 100), "195": (195, 100), "390-text-200": (390, 200)}
# Each theme and each language once: no style depends on the language, and no word on the theme.
LOOKS = [("light", "pt-BR"), ("dark", "en-GB")]


def needs(user: str, connector: int = 2, **columns: Any) -> Callable[[Any], str]:
    """Return how to bring about the need of *user*, with its row changed to *columns*."""

    def address(stack: Any) -> str:
        action = stack.connect(user, connector=connector)
        if columns:
            stack.make(action, **columns)
        return str(action["pageUrl"])

    return address


def settled(**columns: Any) -> Callable[[Any], str]:
    """Return how to bring about an action that ended as *columns* say, of an Item that is well."""

    def address(stack: Any) -> str:
        action = stack.connect(connector=5)
        stack.api.post(f"/v1/actions/{action['id']}/mfa", json={"value": "123456"}).raise_for_status()
        stack.told_of(action, "item.action_resolved")
        stack.make(action, **columns)
        return str(action["pageUrl"])

    return address


def wait(stack: Any) -> str:
    action = stack.connect("user-bad")
    body = {"parameters": {"user": "user-bad", "password": "wrong-again"}}
    stack.api.post(f"/v1/actions/{action['id']}/credentials", json=body).raise_for_status()
    return str(stack.action_of(action["itemId"])["pageUrl"])


def go_to_bank(stack: Any) -> str:
    return str(stack.connect(connector=600, cpf="761.092.776-73")["pageUrl"])


def approve_resources(stack: Any) -> str:
    return str(pending(stack)["pageUrl"])


def busy(stack: Any) -> str:
    address = str(stack.connect(connector=5)["pageUrl"])
    # Reads are counted too, and without a browser they are quick.
    with httpx.Client(trust_env=False) as client:
        while client.get(address).status_code != 429:
            pass
    return address


def vain(stack: Any) -> str:
    action = stack.connect("user-account-need-actions-provider-message")
    stack.api.post(f"/v1/actions/{action['id']}/restart").raise_for_status()

    def asked_again() -> Any:
        found = stack.action_of(action["itemId"])
        return found if found["id"] != action["id"] else None

    return str(eventually(asked_again, what="the same is asked again")["pageUrl"])


def bank_of_its_own(number: int, **columns: Any) -> Callable[[Any], str]:
    """Return how to bring about a need at a bank whose row is *columns*, and which no other Item has."""

    def address(stack: Any) -> str:
        action = stack.connect("user-account-need-actions")
        with stack.database.begin() as conn:
            bank = {"id": number, "name": "Banco Y", "updated_at": datetime.now(UTC), **columns}
            conn.execute(connectors.insert().values(bank))
            conn.execute(items.update().where(items.c.id == action["itemId"]).values(connector_id=number))
        return str(action["pageUrl"])

    return address


def trouble(stack: Any) -> str:
    return str(stack.connect(connector=5)["pageUrl"]).replace(stack.address, stack.broken)


def neutral(stack: Any) -> str:
    return str(stack.connect(connector=5)["pageUrl"]).replace(stack.address, stack.neutral)


IN_NINE_DAYS = datetime.now(UTC) + timedelta(days=9)
RENEWAL = {"kind": "consent", "reason": "CONSENT_EXPIRING", "parameter": None}

# By the name of each picture: what the page shows, and how it comes about.
STATES: dict[str, tuple[str, Callable[[Any], str]]] = {
    "code": ("form", needs("user-ok", 5)),
    "choice": ("form", needs("user-ok-select", 5)),
    "picture": ("form", needs("user-ok-img", 5)),
    "start": ("start", needs("user-ok", 5, reason="UPDATE_NEEDS_PERSON", parameter=None, expires_at=None)),
    "qr": ("qr", needs("user-ok", 19)),
    "go-to-bank": ("go_to_bank", go_to_bank),
    "credentials": ("connect", needs("user-bad")),
    "locked": ("connect", needs("user-locked")),
    "new-password": ("connect", needs("user-account-credentials-reset")),
    "consent-ends": ("connect", needs("user-ok", 5, **RENEWAL, expires_at=IN_NINE_DAYS)),
    "at-bank": ("at_bank", needs("user-account-need-actions-provider-message")),
    "at-bank-in-vain": ("at_bank", vain),
    "approve": ("approve", needs("user-ok-auth-pending")),
    "approve-resources": ("approve", approve_resources),
    "away": ("away", bank_of_its_own(900_001, status="OFFLINE")),
    "bank-is-back": ("at_bank", bank_of_its_own(900_002, status="ONLINE", came_back_at=IN_NINE_DAYS)),
    "wait": ("wait", wait),
    "progress": ("progress", needs("user-ok", 5, state="submitted", submitted_at=datetime.now(UTC))),
    "done": ("done", settled(outcome="SUCCESS")),
    "done-partly": ("done", settled(outcome="PARTIAL_SUCCESS")),
    "done-later": ("done", settled(outcome="SITE_NOT_AVAILABLE")),
    "expired": ("expired", settled(state="expired", outcome="deadline_passed")),
    "cancelled": ("cancelled", settled(state="superseded", outcome="cancelled")),
    "not-possible": ("not_possible", needs("user-not-supported")),
    "gone": ("gone", lambda stack: f"{stack.address}/act/over"),
    "busy": ("busy", busy),
    "trouble": ("failed", trouble),
    "no-company": ("form", neutral),
    "no-company-gone": ("gone", lambda stack: f"{stack.neutral}/act/over"),
}


@pytest.fixture(scope="module", autouse=True)
def _sheet() -> Iterator[None]:
    """Put all pictures on one page."""
    yield
    if not TAKES_PICTURES:
        return
    rows = []
    for name in STATES:
        pictures = [f"{name}-{size}" for size in SIZES] + [f"{name}-{scheme}-{locale}" for scheme, locale in LOOKS[1:]]
        found = [each for each in pictures if (SCREENSHOTS / f"{each}.png").exists()]
        cells = "".join(
            f'<figure><img src="{each}.png" alt="" loading="lazy"><figcaption>{html.escape(each)}</figcaption></figure>'
            for each in found
        )
        rows.append(f"<h2>{html.escape(name)}</h2><div>{cells}</div>")
    style = "body{font:16px sans-serif;margin:24px}div{display:flex;flex-wrap:wrap;gap:16px}figure{margin:0}"
    style += "img{width:260px;border:1px solid #999}"
    page = f"<!doctype html><meta charset=utf-8><title>The person's page</title><style>{style}</style>{''.join(rows)}"
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    (SCREENSHOTS / "index.html").write_text(page)


def assert_clean(phone: Any) -> None:
    """Check that axe finds nothing on what is shown."""
    assert axe.faults(phone.page) == []


def sees(phone: Any, shown: str) -> None:
    phone.page.wait_for_selector(f'main[data-screen="{shown}"], main[data-notice="{shown}"]')


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", STATES)
def test_every_state_is_for_everyone_and_fits(stack, browse, name):
    shown, bring_about = STATES[name]
    address = bring_about(stack)

    for scheme, locale in LOOKS:
        phone = browse(color_scheme=scheme, locale=locale, bypass_csp=True, has_touch=True, is_mobile=True)
        phone.open(address)
        sees(phone, shown)
        assert_clean(phone)
        if (scheme, locale) == LOOKS[0]:
            fits_at_every_size(phone, name)
        else:
            phone.screenshot(f"{name}-{scheme}-{locale}")


def fits_at_every_size(phone: Any, name: str) -> None:
    for size, (width, percent) in SIZES.items():
        phone.page.set_viewport_size({"width": width, "height": 844})
        phone.page.evaluate("size => document.documentElement.style.fontSize = size", f"{106.25 * percent / 100}%")
        phone.screenshot(f"{name}-{size}")

        wider = phone.page.evaluate(
            "[...document.querySelectorAll('body *')].filter(each => each.getBoundingClientRect().right"
            " > document.documentElement.clientWidth + 1).map(each => each.outerHTML.slice(0, 120))"
        )
        assert wider == [], size
        assert phone.page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1"), size


def test_no_style_depends_on_the_language():
    assert not re.search(r":lang\(|\[lang", STYLES.read_text())


def test_what_follows_an_answer_is_read_from_its_beginning(stack, browse):
    action = stack.connect(connector=5)
    phone = browse()
    phone.open(action["pageUrl"])
    phone.page.locator("#value").fill("654321")
    phone.page.get_by_role("button", name="Enviar").click()
    phone.sees("start")

    # A screen reader begins to read where the page has changed, and stays there when it is painted anew.
    assert phone.page.evaluate("document.activeElement.tagName") == "H1"
    phone.page.evaluate("repaint()")
    assert phone.page.evaluate("document.activeElement.tagName") == "H1"


def test_an_error_in_the_form_is_said_to_everyone(stack, browse):
    action = stack.connect(connector=5)
    phone = browse(bypass_csp=True)
    phone.open(action["pageUrl"])
    phone.page.evaluate("document.querySelector('[data-form]').removeAttribute('data-form')")
    phone.page.locator("#value").fill("12")
    phone.page.get_by_role("button", name="Enviar").click()

    phone.page.wait_for_selector("#error")
    assert phone.page.locator("#value").get_attribute("aria-describedby").split()[-1] == "error"
    assert_clean(phone)
    phone.screenshot("code-error")
