"""Who asks: the company's name, logo, colour and links on every page, and the way back to its product."""

import dataclasses
import re
import time
from html import unescape
from unittest import mock

import pytest

from pluggy_sync.page_links import PAGE_LINK_LIFE_S
from pluggy_sync.settings import read_settings
from pluggy_sync.store.tables import connectors
from pluggy_sync.texts import catalogue
from tests.kit.factories import an_environ
from tests.kit.service import Service
from tests.webhook_app.person.person import Person, a_person, change_action, connect, now_and_then
from webhook_app.app import create_app
from webhook_app.person.company import token_of

COMPANY = {
    "PRODUCT_NAME": "Loja X",
    "PRODUCT_LOGO_URL": "https://cdn.loja.example/logo.png",
    "PRODUCT_COLOR": "#ffd400",
    "PRODUCT_HELP_URL": "https://loja.example/ajuda",
    "PRODUCT_PRIVACY_URL": "https://loja.example/privacidade",
    "PRODUCT_RETURN_URLS": "https://loja.example/conta,https://loja.example/outra",
}
BACK = "Voltar para a Loja X"


@pytest.fixture
def settings(settings):
    """The settings of a company that has set everything."""
    read = read_settings(an_environ(**COMPANY))
    names = [name.lower() for name in COMPANY]
    return dataclasses.replace(settings, **{name: getattr(read, name) for name in names})


def back_of(page: str) -> str | None:
    """Return where the way back leads, or None."""
    found = re.search(r'<a class="(?:primary|secondary) button" href="([^"]*)" rel="noreferrer">Voltar para', page)
    return None if found is None else unescape(found[1])


def test_the_page_says_who_asks_and_for_which_bank(service: Service):
    connect(service, connector=5)

    response = service.web.get(a_person(service).path)
    page = response.get_data(as_text=True)

    assert "<strong>Loja X</strong>" in page
    assert "A Loja X pediu este passo" in page
    assert '<img class="logo" src="https://cdn.loja.example/logo.png"' in page
    assert 'href="https://loja.example/ajuda"' in page
    assert 'href="https://loja.example/privacidade"' in page
    assert "https://cdn.loja.example" in response.headers["Content-Security-Policy"].split("img-src")[1].split(";")[0]
    (bank,) = service.rows(connectors)
    assert f"<title>Seu banco pediu um código · Loja X · {bank.name}</title>" in page
    assert page.index("<strong>Loja X</strong>") < page.index(f"<span>{bank.name}</span>")


def test_a_preview_of_the_link_names_the_company_and_nothing_of_the_bank(service: Service):
    connect(service, "user-account-need-actions")

    page = a_person(service).open()
    preview = unescape(
        " ".join(re.findall(r'<meta (?:property="og:[a-z_:]+"|name="description") content="([^"]*)"', page))
    )

    assert "Loja X" in preview
    assert "https://cdn.loja.example/logo.png" in preview
    bank = service.rows(connectors)[0].name
    assert bank in page
    assert bank not in preview
    assert "pendência" not in preview


def test_a_notice_says_whose_page_it_is_and_leads_back(service: Service):
    page = service.web.get("/act/over").get_data(as_text=True)

    assert "<strong>Loja X</strong>" in page
    assert "Abra a Loja X e peça um link novo" in page
    assert back_of(page) == "https://loja.example/conta"
    assert 'property="og:site_name" content="Loja X"' in page


def test_the_colour_comes_as_a_file_since_no_style_stands_in_the_page(service: Service):
    connect(service, connector=5)
    response = service.web.get(a_person(service).path)

    sheet = service.web.get("/act-files/company.css")

    assert "/act-files/company.css" in response.get_data(as_text=True)
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert sheet.mimetype == "text/css"
    assert "--accent:#ffd400;--accent-text:#000000" in sheet.get_data(as_text=True)
    assert "max-age" in sheet.headers["Cache-Control"]


def test_without_the_settings_the_page_says_what_it_knows(service: Service):
    connect(service, connector=5)
    nothing = {name.lower(): () if name == "PRODUCT_RETURN_URLS" else None for name in COMPANY}
    neutral = dataclasses.replace(service.res.settings, **nothing)
    service.res = dataclasses.replace(service.res, settings=neutral, texts=catalogue.read())
    service.web = create_app(service.res.settings, service.res).test_client()

    page = a_person(service).open()

    assert "O aplicativo em que você conectou sua conta pediu este passo" in page
    assert back_of(page) is None
    assert "company.css" not in page
    assert "Ajuda" not in page
    gone = service.web.get("/act/over").get_data(as_text=True)
    assert "Abra o aplicativo em que você conectou sua conta e peça um link novo" in gone
    assert "Você já pode fechar esta página" in gone


def test_the_way_back_is_the_links_own_or_the_first_that_is_listed(service: Service):
    connect(service, connector=5)
    action_id = service.actions()[-1].id

    def leads(return_url):
        return back_of(Person(service, f"/act/{service.res.links.token(action_id, return_url)}").open())

    assert leads(None) == "https://loja.example/conta"
    assert leads("https://loja.example/outra/1?a=b&c=d") == "https://loja.example/outra/1?a=b&c=d"
    # What the operator lists may have changed since the link was made.
    assert leads("https://evil.example/") == "https://loja.example/conta"


def test_the_way_back_stays_along_the_way(service: Service):
    connect(service, connector=5)
    back = "https://loja.example/outra/7"
    person = Person(service, f"/act/{service.res.links.token(service.actions()[-1].id, back)}")

    person.give("654321")
    now_and_then(service)

    # The code was wrong: the page moves on to the next action, with a link of its own.
    assert person.screen() == "start"
    assert back_of(person.open()) == back


def test_a_link_that_is_over_leads_back_too(service: Service):
    connect(service, connector=5)
    action_id = service.actions()[-1].id
    with mock.patch("itsdangerous.timed.time.time", return_value=time.time() - PAGE_LINK_LIFE_S - 5):
        token = service.res.links.token(action_id, "https://loja.example/outra/7")
        forged = service.res.links.token(action_id, "https://evil.example/")

    over = service.web.get(f"/act/{token}")

    assert over.status_code == 410
    assert back_of(over.get_data(as_text=True)) == "https://loja.example/outra/7"
    assert back_of(service.web.get(f"/act/{forged}").get_data(as_text=True)) == "https://loja.example/conta"


@pytest.mark.parametrize(
    "columns, screen",
    [
        ({"state": "resolved", "outcome": "SUCCESS"}, "done"),
        ({"state": "resolved", "outcome": "PARTIAL_SUCCESS"}, "done"),
        ({"state": "resolved", "outcome": "SITE_NOT_AVAILABLE"}, "done"),
        ({"state": "expired"}, "expired"),
        ({"state": "superseded"}, "cancelled"),
        ({"kind": "bank", "reason": "USER_NOT_SUPPORTED"}, "not_possible"),
    ],
)
def test_where_the_request_ends_the_way_back_is_the_only_button(service: Service, columns, screen):
    connect(service, connector=5)
    change_action(service, **columns)
    person = a_person(service)

    assert person.screen() == screen
    page = person.open()
    assert f'<a class="primary button" href="https://loja.example/conta" rel="noreferrer">{BACK}</a>' in page
    assert "<form" not in page


@pytest.mark.parametrize(
    "path, token",
    [
        ("/act/abc", "abc"),
        ("/act/abc/changes", "abc"),
        ("/act/", None),
        ("/act", None),
        ("/v1/items/abc", None),
        ("/", None),
    ],
)
def test_the_token_is_read_from_any_address_of_a_page(path, token):
    assert token_of(path) == token
