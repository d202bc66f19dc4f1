"""An Item that is well, of which somebody must still approve a part at the bank: asked once, and it ends by itself."""

import pytest

from pluggy_sync.rules.needs import RESOURCES_PENDING
from tests.kit.factories import API_TOKEN

AUTHORIZED = {"Authorization": f"Bearer {API_TOKEN}"}
PENDING = {"CREDIT_CARD_ACCOUNT": "PENDING_AUTHORISATION"}


@pytest.fixture
def item_id(service, upstream):
    """An Item with a part that is pending, as the service has stored it."""
    item_id = upstream.connect(connector=600, parameters={"cpf": "761.092.776-73"})
    upstream.sandbox.control("PUT", f"/items/{item_id}/resources", PENDING)
    upstream.approve(item_id)
    service.catch_up()
    return item_id


def asked(service):
    return [(action.kind, action.state) for action in service.actions() if action.reason == RESOURCES_PENDING]


def update(service, item_id):
    service.upstream.later(seconds=3600)
    service.upstream.run(item_id)
    service.catch_up()


def api(service, method, path):
    return service.web.open(f"/v1{path}", method=method, headers=AUTHORIZED)


def test_it_is_asked_once_however_often_the_item_is_updated(service, item_id):
    update(service, item_id)
    update(service, item_id)

    assert asked(service) == [("authorize", "open")]
    assert service.notifications().count("item.action_required") == 1


def test_what_there_is_is_synced_and_the_item_is_fresh(service, item_id):
    assert service.transaction_ids()
    assert api(service, "GET", f"/items/{item_id}").get_json()["freshness"]["state"] == "fresh"


def test_it_ends_by_itself_when_nothing_is_pending_any_more(service, item_id):
    service.upstream.approve(item_id)
    service.catch_up()

    assert asked(service) == [("authorize", "resolved")]
    assert service.notifications().count("item.action_resolved") == 1


def test_it_keeps_nobody_from_refreshing(service, item_id):
    service.upstream.later(seconds=24 * 3600)

    answer = api(service, "POST", f"/items/{item_id}/refresh")

    assert answer.status_code == 202, answer.get_data(as_text=True)


def test_once_cancelled_it_is_asked_again_only_after_nothing_was_pending(service, item_id):
    (action,) = service.actions()[-1:]
    assert api(service, "POST", f"/actions/{action.id}/cancel").status_code == 200

    update(service, item_id)
    assert asked(service) == [("authorize", "superseded")]

    service.upstream.sandbox.control("POST", f"/items/{item_id}/approve", {})
    service.catch_up()
    service.upstream.sandbox.control("PUT", f"/items/{item_id}/resources", PENDING)
    update(service, item_id)
    assert asked(service) == [("authorize", "superseded"), ("authorize", "open")]


def test_while_the_bank_is_offline_it_is_not_asked(service, upstream):
    item_id = upstream.connect(connector=600, parameters={"cpf": "761.092.776-73"})
    upstream.sandbox.control("PUT", f"/items/{item_id}/resources", PENDING)
    upstream.connector_health(600, "OFFLINE")
    upstream.approve(item_id)
    service.catch_up()
    assert asked(service) == []

    upstream.connector_health(600, "ONLINE")
    update(service, item_id)
    assert asked(service) == [("authorize", "open")]
