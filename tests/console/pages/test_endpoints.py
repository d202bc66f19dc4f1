"""How each endpoint does, and what it answered."""

import pytest
import sqlalchemy as sa

from pluggy_sync.store.tables import delivery_attempts, endpoints
from tests.console.pages.conftest import Browser
from tests.kit.service import Service


@pytest.fixture
def endpoint(service: Service) -> str:
    """The endpoint of the settings, with a notification that waits and three attempts; and another, at a secret."""
    service.upstream.connect()
    service.catch_up()
    with service.res.database.begin() as conn:
        notification_id = conn.scalar(sa.text("SELECT id FROM outbox"))
        for status, error in ((500, None), (None, "timeout"), (204, None)):
            conn.execute(
                sa.insert(delivery_attempts).values(
                    notification_id=notification_id,
                    endpoint_id="ep_environment",
                    started_at=service.res.now(),
                    duration_ms=12,
                    status_code=status,
                    error=error,
                )
            )
        conn.execute(sa.insert(endpoints).values(id="ep_2", url="https://user:pw@x.example/hook?key=secret-key"))
    return "ep_environment"


def test_endpoints_are_listed_with_what_waits_and_without_secrets(browser: Browser, endpoint: str):
    page = browser.text("/endpoints")

    assert endpoint in page
    assert ">1</td>" in page
    assert "https://x.example/hook?…" in page
    assert "secret-key" not in page
    assert "pw@" not in page
    assert "secret-key" not in browser.text("/endpoints/ep_2")


def test_its_attempts_are_listed_newest_first_page_by_page(browser: Browser, endpoint: str, monkeypatch):
    monkeypatch.setattr("console.pages.endpoints.ATTEMPTS", 2)

    page = browser.text(f"/endpoints/{endpoint}")
    assert page.index("204") < page.index("timeout")
    assert ">500<" not in page

    address = page.split('hx-get="')[1].split('"')[0].replace("&amp;", "&")
    rows = browser.text(address, headers={"HX-Request": "true"})
    assert ">500<" in rows
    assert "hx-get" not in rows


def test_an_unknown_endpoint_is_not_found(browser: Browser):
    assert browser.get("/endpoints/ep_x").status_code == 404
