"""The first page says what needs an operator."""

import dataclasses

import sqlalchemy as sa
from flask import Flask

from console.pages import page_resources
from pluggy_sync.store.database import create_engine
from pluggy_sync.store.tables import deliveries, inbox
from tests.console.pages.conftest import Browser
from tests.kit.service import Service


def test_a_quiet_service_needs_nobody(browser: Browser):
    assert "Nothing needs you." in browser.text("/")


def test_what_was_given_up_stands_on_top_with_the_way_to_it(browser: Browser, service: Service):
    service.upstream.connect()
    service.catch_up()
    with service.res.database.begin() as conn:
        number = conn.execute(sa.update(inbox).values(state="dead")).rowcount
        conn.execute(sa.update(deliveries).values(state="dead"))

    page = browser.text("/overview/figures")

    assert f"{number} events given up" in page
    assert "1 notification given up" in page
    assert "/events?which=dead" in page
    assert "<html" not in page


def test_a_page_says_that_postgres_is_away(browser: Browser, console: Flask):
    away = create_engine("postgresql://127.0.0.1:1/none")
    page_resources.keep(console, dataclasses.replace(page_resources.kept(console), database=away))

    answer = browser.get("/")

    assert answer.status_code == 503
    assert "Postgres does not answer" in answer.text
