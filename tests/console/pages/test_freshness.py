"""Which banks and data products keep the freshness objective, and what is left of their error budget."""

import dataclasses
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from console.pages import freshness, page_resources
from pluggy_sync.engine import freshness_counting
from pluggy_sync.rules.freshness_objective import OVER, Share
from pluggy_sync.store import freshness_counts
from pluggy_sync.store.tables import connectors
from tests.console.pages.conftest import Browser
from tests.kit.service import Service

ITAU, NUBANK = 201, 212

Count = Callable[..., None]


@pytest.fixture
def count(resources) -> Count:
    """Add a count of a bank, some days ago, to the sums."""

    def count(bank: int, fresh: int, counted: int, *products: str, days: int = 0) -> None:
        day = (resources.now() - timedelta(days=days)).date()
        share = Share(fresh=fresh, counted=counted)
        with resources.database.begin() as conn:
            freshness_counts.add_to_day(conn, day, {(bank, each): share for each in products or ("transactions",)})

    return count


def rows_of(page: str) -> list[str]:
    return page.split("<tbody>")[1].split("</tbody>", maxsplit=1)[0].split("<tr>")[1:]


def test_the_worst_comes_first_with_its_share_and_what_is_left(browser: Browser, count: Count, resources):
    with resources.database.begin() as conn:
        values = {"id": NUBANK, "name": "Nubank", "status": "ONLINE", "updated_at": resources.now()}
        conn.execute(sa.insert(connectors).values(values))
    count(ITAU, 9_975, 10_000)
    count(NUBANK, 970, 1_000)

    worst, best = rows_of(browser.text("/freshness"))

    assert ">Nubank</a>" in worst
    assert ">97.00 %<" in worst
    assert ">0 %<" in worst
    assert ">missed<" in worst
    assert f">{ITAU}</a>" in best
    assert ">99.75 %<" in best
    assert ">75 %<" in best
    assert ">kept<" in best


def test_the_objective_of_the_settings_decides(browser: Browser, console, count: Count):
    count(ITAU, 970, 1_000)
    assert ">missed<" in browser.text("/freshness")

    res = page_resources.kept(console)
    settings = dataclasses.replace(res.settings, freshness_objective_percent=95.0)
    page_resources.keep(console, dataclasses.replace(res, settings=settings))

    page = browser.text("/freshness")
    assert ">kept<" in page
    assert "95 %" in page


def test_a_share_that_just_misses_is_not_rounded_up(browser: Browser, count: Count):
    count(ITAU, 98_999, 100_000)

    (row,) = rows_of(browser.text("/freshness"))

    assert ">98.99 %<" in row
    assert ">missed<" in row


def test_data_products_that_stand_alike_are_one_row_and_others_another(browser: Browser, count: Count):
    count(ITAU, 100, 100, "transactions", "loans")
    count(ITAU, 50, 100, "identity")

    worse, better = rows_of(browser.text("/freshness"))

    assert ">identity<" in worse
    assert ">loans, transactions<" in better


def test_days_add_up_and_those_before_the_budget_do_not_count(browser: Browser, count: Count):
    count(ITAU, 0, 100, days=OVER.days + 1)
    count(ITAU, 100, 100, days=OVER.days)
    count(ITAU, 98, 100)

    (row,) = rows_of(browser.text("/freshness"))

    assert ">99.00 %<" in row


def test_how_it_is_now_stands_beside_it(browser: Browser, service: Service):
    for user in ("user-ok", "user-ok", "user-error"):
        service.upstream.connect(user)
    service.catch_up()
    freshness_counting.count(service.res)

    page = browser.text("/freshness")

    assert ">2 of 3<" in page
    assert "Counted last" in page


def test_before_the_first_count_the_page_says_so(browser: Browser):
    page = browser.text("/freshness")

    assert "No Item was counted yet" in page
    assert "<table>" not in page


def test_a_count_that_is_overdue_is_marked(browser: Browser, service: Service, clock):
    service.upstream.connect()
    service.catch_up()
    freshness_counting.count(service.res)
    assert '<p class="soft">Counted last' in browser.text("/freshness")

    clock.advance(seconds=freshness.COUNT_IS_LATE.total_seconds() + 1)

    assert '<p class="late">Counted last' in browser.text("/freshness")
