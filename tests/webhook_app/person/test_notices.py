"""Trouble is a page with a way on: a clock and a button, whatever went wrong."""

import dataclasses
import re
from datetime import timedelta

import pytest

from pluggy_sync import wire
from pluggy_sync.resources import create_resources
from tests.kit.factories import a_settings
from tests.kit.service import Service
from tests.webhook_app.person.person import Person, a_person, connect
from webhook_app.app import create_app
from webhook_app.person.rate_limit import client


def try_often(service: Service, person: Person, times: int = 12):
    return [service.web.post(person.path, data={"do": "mfa", "value": "1"}) for _ in range(times)]


def test_too_many_tries_say_when_the_next_one_is_possible(service: Service):
    connect(service, connector=5)
    person = a_person(service)

    last = try_often(service, person)[-1]
    page = last.get_data(as_text=True)

    assert last.status_code == 429
    seconds = int(last.headers["Retry-After"])
    assert 1 <= seconds <= 60
    until, now = re.search(r'data-until="([^"]+)" data-now="([^"]+)"', page).groups()
    assert wire.instant(until) - wire.instant(now) == timedelta(seconds=seconds)
    assert f'href="{person.path}">Tentar de novo</a>' in page


@pytest.mark.parametrize("suffix", ["", "/connected", "/connect-token"])
def test_the_button_of_a_notice_leads_to_the_page_itself(service: Service, suffix):
    connect(service, connector=5)
    person = a_person(service)
    try_often(service, person)

    page = service.web.post(person.path + suffix).get_data(as_text=True)

    assert f'href="{person.path}">Tentar de novo</a>' in page
    assert person.screen() == "form"


def test_a_browser_that_loads_the_scripts_addresses_again_sees_the_page(service: Service):
    connect(service, "user-bad")
    path = a_person(service).path

    for suffix in ("connected", "connect-token"):
        answer = service.web.get(f"{path}/{suffix}")
        assert (answer.status_code, answer.location) == (303, path)


def test_without_postgres_there_is_a_button_to_try_again(shared_valkey):
    settings = a_settings(DATABASE_URL="postgresql://127.0.0.1:1/none", REDIS_URL=shared_valkey.url)
    resources = create_resources(settings)
    path = f"/act/{resources.links.token('act_1')}"

    answer = create_app(settings, resources).test_client().get(path)
    resources.close()

    assert answer.status_code == 503
    assert answer.headers.getlist("Retry-After") == ["5"]
    assert "A falha é nossa" in answer.get_data(as_text=True)
    assert f'href="{path}">Tentar de novo</a>' in answer.get_data(as_text=True)


@pytest.mark.parametrize("path", ["/act", "/act/", "/act/x/y/z"])
def test_no_address_of_a_page_answers_json(service: Service, path):
    answer = service.web.get(path)

    assert answer.mimetype == "text/html"
    assert "<main" in answer.get_data(as_text=True)


def statuses_of_wrong_links(service: Service, web, forwarded, times=40):
    return {web.get("/act/wrong", headers={"X-Forwarded-For": forwarded}).status_code for _ in range(times)}


def behind(service: Service, hops: int):
    """Return a client of a web app that stands behind so many proxies."""
    settings = dataclasses.replace(service.res.settings, trusted_proxy_hops=hops)
    return create_app(settings, service.res).test_client()


def test_wrong_links_are_counted_by_client_behind_the_proxies_that_are_trusted(service: Service):
    web = behind(service, 2)

    assert statuses_of_wrong_links(service, web, "198.51.100.7, 10.0.0.1") == {410, 429}

    assert statuses_of_wrong_links(service, web, "198.51.100.8, 10.0.0.1", times=1) == {410}
    # What the client itself wrote stands farther left, and is not believed.
    assert statuses_of_wrong_links(service, web, "203.0.113.1, 198.51.100.7, 10.0.0.1", times=1) == {429}


def test_without_trusted_proxies_no_header_makes_a_new_client(service: Service):
    assert statuses_of_wrong_links(service, service.web, "198.51.100.7") == {410, 429}

    assert statuses_of_wrong_links(service, service.web, "198.51.100.8", times=1) == {429}


def test_all_addresses_of_an_ipv6_network_are_one_client():
    assert client("2001:db8::1") == client("2001:db8:0:0:ffff::2") == "2001:db8::/64"
    assert client("2001:db8:0:1::1") != client("2001:db8::1")
    assert client("198.51.100.7") == "198.51.100.7"
    assert client(None) == client("") == ""
