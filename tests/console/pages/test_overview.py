"""The first page says what needs an operator."""

import dataclasses
import re

import sqlalchemy as sa
from flask import Flask

from console.pages import page_resources, words
from pluggy_sync.engine import freshness_counting, watchdog
from pluggy_sync.rules.alerts import Code, Finding
from pluggy_sync.store import alerts, freshness_counts, metrics
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


def test_an_alert_says_since_when_when_it_was_seen_and_when_somebody_looked(browser: Browser, service: Service):
    watchdog.watch(service.res)
    with service.res.begin() as tx:
        alerts.see(tx.conn, Finding(code=Code.DISK_LOW, subject="spill", detail="9 MB left"), now=service.res.now())

    page = browser.text("/overview/figures")

    assert re.search(r"disk_low</code>.*since <time.*, seen <time.*, last looked <time", page)


def test_items_stand_with_the_moment_at_which_they_were_counted(browser: Browser, service: Service):
    service.upstream.connect()
    service.catch_up()
    before = browser.text("/overview/figures")
    freshness_counting.count(service.res)
    with service.res.database.begin() as conn:
        metrics.count_items(conn, now=service.res.now(), unless_since=service.res.now())
        moments = (freshness_counts.last_counted(conn), metrics.items_counted_at(conn))

    page = browser.text("/overview/figures")

    assert before.count("Not counted yet.") == 2
    assert all(f"at {words.moment(each)}." in page for each in moments)


def test_a_page_says_that_postgres_is_away(browser: Browser, console: Flask):
    away = create_engine("postgresql://127.0.0.1:1/none")
    page_resources.keep(console, dataclasses.replace(page_resources.kept(console), database=away))

    answer = browser.get("/")

    assert answer.status_code == 503
    assert "Postgres does not answer" in answer.text
