"""What the product did not get is listed, and one notification shows its attempts."""

import pytest
import sqlalchemy as sa

from pluggy_sync.store.tables import deliveries, user_actions
from tests.console.pages.conftest import Browser
from tests.kit.factories import PRODUCT_SECRET
from tests.kit.product import running_product
from tests.kit.service import Service


@pytest.fixture
def item_id(service: Service) -> str:
    """An Item whose person is asked for a code, and a product that takes no notification."""
    item_id = service.upstream.connect(connector=5)
    service.catch_up()
    return item_id


def notification_ids(service: Service) -> list[str]:
    with service.res.database.begin() as conn:
        return list(conn.scalars(sa.select(deliveries.c.notification_id)))


def test_deliveries_in_a_state_are_listed_dead_letters_first(browser: Browser, service: Service, item_id: str):
    (id_,) = notification_ids(service)

    assert id_ not in browser.text("/notifications")
    assert id_ in browser.text("/notifications?state=pending")
    with service.res.database.begin() as conn:
        conn.execute(sa.update(deliveries).values(state="dead"))
    assert id_ in browser.text("/notifications")
    assert id_ in browser.text("/notifications?state=&to=ep_environment")
    assert id_ not in browser.text("/notifications?state=&to=ep_other")


def test_pages_hold_every_delivery_once(browser: Browser, service: Service, item_id: str, monkeypatch):
    monkeypatch.setattr("console.pages.notifications.LIMIT", 1)
    for _ in range(2):
        service.upstream.connect()
    service.catch_up()
    ids = notification_ids(service)

    pages = [browser.text("/notifications?state=pending")]
    while 'hx-get="/notifications?' in pages[-1]:
        address = pages[-1].split('hx-get="')[1].split('"')[0].replace("&amp;", "&")
        pages.append(browser.text(address, headers={"HX-Request": "true"}))

    assert len(pages) == len(ids) == 3
    assert [sum(f"<code>{id_}</code>" in page for id_ in ids) for page in pages] == [1, 1, 1]


def test_a_notification_shows_its_attempts_and_no_words_for_the_person(browser: Browser, service: Service):
    with running_product() as endpoint:
        object.__setattr__(service.res.settings, "product_webhook_url", endpoint.url)
        object.__setattr__(service.res.settings, "product_webhook_secrets", (PRODUCT_SECRET,))
        service.upstream.connect(connector=5)
        service.catch_up()
    (id_,) = notification_ids(service)

    page = browser.text(f"/notifications/{id_}")

    assert "item.action_required" in page
    assert ">200</td>" in page
    with service.res.database.begin() as conn:
        parameter = conn.scalar(sa.select(user_actions.c.parameter))
    assert f"&#34;{parameter['label']}&#34;" not in page
    assert "&#34;label&#34;: &#34;‹text of" in page
    assert "/act/" not in page


def test_an_unknown_notification_is_not_found(browser: Browser):
    assert browser.get("/notifications/msg_x").status_code == 404
