"""The front page leads somewhere and gives nothing away."""

import re

from pluggy_sync.resources import create_resources
from tests.kit.factories import a_settings, an_environ
from webhook_app.app import create_app


def test_each_link_of_the_front_page_leads_somewhere(web):
    page = web.get("/")

    links = re.findall(r'<a href="([^"]+)"', page.text)
    assert (page.status_code, page.mimetype) == (200, "text/html")
    assert links
    assert {link: web.get(link).status_code for link in links} == dict.fromkeys(links, 200)


def test_the_front_page_needs_no_server_and_names_no_setting():
    resources = create_resources(a_settings())

    page = create_app(a_settings(), resources).test_client().get("/").text

    # None of these values is short enough to stand in a page by chance.
    assert [name for name, value in an_environ().items() if len(value) > 4 and value in page] == []
    resources.close()


def test_the_front_page_loads_nothing_from_anywhere(web):
    page = web.get("/")

    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "src=" not in page.text
