"""
Every page in Chromium: axe finds nothing in either theme, nothing is wider than a phone, and the policy stops nothing.

Under `make screenshots` each leaves its pictures in build/screenshots/console, to be looked at.
"""

import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.dialects.postgresql import insert
from werkzeug.serving import make_server

from pluggy_sync.engine import bulk, submissions
from pluggy_sync.engine.bulk import What
from pluggy_sync.store import audit, bulk_operations, user_actions
from pluggy_sync.store.tables import deliveries, endpoints, event_counts, figure_samples, inbox
from standalone.http_server import running_server
from tests.console.pages.conftest import OPERATOR, PASSWORD
from tests.console.pages.test_links import connect_twice
from tests.kit import axe
from tests.kit.chromium import SCREENSHOTS, TAKES_PICTURES
from tests.kit.clock import Clock
from tests.kit.factories import PRODUCT_SECRET, an_event, an_id
from tests.kit.product import running_product
from tests.kit.service import Service

FOLDER = SCREENSHOTS / "console"


@pytest.fixture
def address(console: Flask) -> Iterator[str]:
    """Where the console is served."""
    with running_server(make_server("127.0.0.1", 0, console, threaded=True)) as address:
        yield address


@pytest.fixture
def pages(service: Service, clock: Clock) -> dict[str, str]:
    """The address of each page by its name, in a service in which much happened."""
    with running_product() as product:
        object.__setattr__(service.res.settings, "product_webhook_url", product.url)
        object.__setattr__(service.res.settings, "product_webhook_secrets", (PRODUCT_SECRET,))
        asked = service.upstream.connect(connector=5, clientUserId="cliente-7", products=None)
        answered = service.upstream.connect(connector=5, products=None)
        service.catch_up()
        with service.res.database.begin() as conn:
            (action,) = user_actions.unsettled(conn, answered)
        submissions.answer_mfa(service.res, action.id, "123456")
        service.catch_up()
        for user in ("user-ok", "user-bad", "user-error", "user-unavailable", "user-locked", "user-ok-account-error"):
            service.upstream.connect(user, clientUserId=f"cliente-{user}", products=None)
        service.catch_up()
    older, newer = connect_twice(service, products=["ACCOUNTS", "TRANSACTIONS", "IDENTITY"])
    dead = an_event("item/updated", itemId=an_id())
    unread = {**an_event("transactions/created", itemId=asked), "transactionsCreatedAtFrom": "?"}
    service.deliver(dead, unread, an_event("item/renamed", itemId=an_id(), newName="Conta"))
    service.deliver(an_event("connector/status_updated", itemId=None, connectorId=2, data={"status": "UNSTABLE"}))
    now = service.res.now()
    with service.res.database.begin() as conn:
        values = {"state": "dead", "error": "Pluggy: 500 for GET /items/{id}", "attempts": 12}
        conn.execute(sa.update(inbox).where(inbox.c.event_id == dead["eventId"]).values(values))
        notification_id = conn.scalar(
            sa.update(deliveries)
            .where(deliveries.c.id == sa.select(sa.func.max(deliveries.c.id)).scalar_subquery())
            .values(state="dead")
            .returning(deliveries.c.notification_id)
        )
        conn.execute(sa.update(endpoints).values(url_digest="x", stopped_at=now, stop_reason="gone"))
        audit.record(conn, OPERATOR, "sync_item", now=now, about=asked, address="10.0.0.7")
        _keep_a_day(conn, now)
    bulk.begin(service.res, What.SYNC_ITEMS, {"freshness": "fresh"}, operator=OPERATOR)
    bulk.step(service.res)
    with service.res.database.begin() as conn:
        (operation,) = bulk_operations.newest(conn, limit=1)
    clock.advance(minutes=7)
    return {
        "overview": "/",
        "items": "/items",
        "items-none": "/items?user=nobody",
        "item-asked": f"/items/{asked}",
        "item-answered": f"/items/{answered}",
        "item-replaced": f"/items/{older}",
        "links": "/links",
        "link": f"/links/{older}/{newer}",
        "events": "/events?which=all",
        "event": f"/events/{unread['eventId']}",
        "notifications": "/notifications?state=",
        "notification": f"/notifications/{notification_id}",
        "endpoints": "/endpoints",
        "endpoint": "/endpoints/ep_environment",
        "connectors": "/connectors",
        "freshness": "/freshness",
        "workers": "/workers",
        "acts": "/acts",
        "bulk-new": "/bulk/new?what=sync_items&freshness=fresh",
        "bulk": f"/bulk/{operation.id}",
        "problem": "/items/unknown",
    }


def _keep_a_day(conn: sa.Connection, now: datetime) -> None:
    """Keep figures of a day with a busy noon, an hour without any, and a backlog."""
    for minute in range(24 * 60):
        at = (now - timedelta(days=1) + timedelta(minutes=minute)).replace(second=0, microsecond=0)
        busy = math.exp(-(((minute - 800) / 240) ** 2))
        if 300 < minute < 360:
            continue
        backlog = max(0, 60 - abs(minute - 1000)) * 9
        sample = {"runs": round(70 * busy + minute % 7), "attempts": round(90 * busy + minute % 5), "overdue": backlog}
        sample |= {"actions": 40 + minute // 60, "given_up": minute // 700, "attempts_ever": minute}
        # A sweep may have sampled this minute.
        conn.execute(insert(figure_samples).values(at=at, figures=sample).on_conflict_do_nothing())
        if minute % 10 == 0:
            conn.execute(sa.insert(event_counts).values(began_at=at, number=round(900 * busy + minute % 70)))


def test_every_page_can_be_used_by_everyone_at_any_size(chromium: Any, address: str, pages: dict[str, str]):
    faults: list[str] = []
    context = chromium.new_context()
    page = context.new_page()
    page.on("console", partial(_note, faults))
    page.on("pageerror", partial(_fail, faults))
    page.goto(f"{address}/sign-in")
    faults += _look(page, "sign-in")
    page.get_by_label("Name").fill(OPERATOR)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{address}/")
    for name, path in pages.items():
        page.goto(f"{address}{path}")
        assert page.url == f"{address}{path}"
        if name == "workers":
            page.get_by_role("region", name="Queues").wait_for()
        if name == "item-answered":
            page.locator("summary").first.click()
        faults += _look(page, name)
    context.close()

    assert [fault for fault in faults if "404 (NOT FOUND)" not in fault] == []


def _note(faults: list[str], said: Any) -> None:
    if said.type in ("error", "warning"):
        faults.append(said.text)


def _fail(faults: list[str], error: Any) -> None:
    faults.append(f"a script failed: {error}")


# How many pixels the page is too wide; and what can be used and lies beside the screen, but for tables and texts that
# visibly scroll by themselves.
_TOO_WIDE = """() => {
    const screen = document.documentElement.clientWidth;
    const beside = [...document.querySelectorAll("a, button, input, select, summary")]
        .filter((each) => !each.closest(".scroll, pre, .skip, .unseen"))
        .filter((each) => {
            const box = each.getBoundingClientRect();
            return box.width > 0 && (box.right > screen + 1 || box.left < -1);
        });
    const wider = document.documentElement.scrollWidth - screen;
    return [
        ...(wider > 0 ? [`${wider} pixels too wide`] : []),
        ...beside.map((each) => `beside the screen: ${each.outerHTML.slice(0, 80)}`),
    ];
}"""

# A chart is drawn anew some time after the window has another size.
_IS_DRAWN = """() => [...document.querySelectorAll(".chart")]
    .every((each) => each.firstElementChild?.offsetWidth === each.clientWidth)"""


def _look(page: Any, name: str) -> list[str]:
    """Return what is wrong with the page. Its names are those of every look, and a phone has the same colours."""
    found = []
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        for scheme in ("dark", "light"):
            page.emulate_media(color_scheme=scheme)
            page.wait_for_function(_IS_DRAWN)
            if TAKES_PICTURES:
                page.screenshot(path=FOLDER / f"{name}-{width}-{scheme}.png", full_page=True)
            found += [f"{width}-{scheme}: {each}" for each in page.evaluate(_TOO_WIDE)]
    found += axe.faults(page)
    page.emulate_media(color_scheme="dark")
    found += [f"dark: {each}" for each in axe.faults(page, axe.COLORS)]
    return [f"{name}: {each}" for each in found]
