"""What the bank shares is read when the Item says that it changed, and told for each data product."""

import pytest

from pluggy_sync.store.tables import shared_resources
from tests.kit.factories import API_TOKEN
from tests.kit.interception import changed, refused

AUTHORIZED = {"Authorization": f"Bearer {API_TOKEN}"}
CPF = {"cpf": "761.092.776-73"}


def connect(service, **kept_back):
    """Connect a bank by Open Finance that keeps back what is named, with its status."""
    item_id = service.upstream.connect("none", connector=600, parameters=CPF, products=None)
    if kept_back:
        service.upstream.sandbox.control("PUT", f"/items/{item_id}/resources", kept_back)
    service.upstream.approve(item_id)
    service.catch_up()
    return item_id


def update(service, item_id):
    service.upstream.later(days=1)
    service.upstream.run(item_id)
    service.catch_up()


def asked(service, item_id):
    """Return how often Pluggy was asked for the resources since the last call."""
    return [each["path"] for each in service.upstream.take_requests()].count(f"/items/{item_id}/resources")


def products(service, item_id):
    item = service.web.get(f"/v1/items/{item_id}", headers=AUTHORIZED).get_json()
    return {name: each["sharing"] for name, each in item["products"].items()}


def coverage(service, item_id):
    answer = service.web.get(f"/v1/items/{item_id}/coverage", headers=AUTHORIZED).get_json()
    return {each["product"]: each["sharing"] for each in answer["results"]}


def test_they_are_read_once_for_each_change_that_the_item_tells_of(service):
    item_id = connect(service)
    assert asked(service, item_id) == 1

    # An event that brings no collection.
    service.upstream.update(item_id, None)
    service.upstream.take_events()
    service.catch_up()
    assert asked(service, item_id) == 0

    update(service, item_id)
    assert asked(service, item_id) == 1


def test_a_direct_connector_is_never_asked_and_says_nothing(service):
    item_id = service.upstream.connect()
    service.catch_up()

    assert asked(service, item_id) == 0
    assert {*products(service, item_id).values()} == {None}
    assert service.rows(shared_resources) == []


@pytest.mark.parametrize(
    "status, sharing",
    [
        ("UNAVAILABLE", "not_shared"),
        ("TEMPORARILY_UNAVAILABLE", "temporarily_unavailable"),
        ("PENDING_AUTHORISATION", "waiting_for_approval"),
    ],
)
def test_what_the_bank_keeps_back_is_told_for_each_data_product(service, status, sharing):
    item_id = connect(service, CREDIT_CARD_ACCOUNT=status)

    found = products(service, item_id)
    assert (found["creditCards"], found["accounts"], found["loans"]) == (sharing, "shared", "shared")
    assert coverage(service, item_id)["creditCards"] == sharing


def test_when_it_is_approved_it_is_shared(service):
    item_id = connect(service, CREDIT_CARD_ACCOUNT="PENDING_AUTHORISATION")

    service.upstream.approve(item_id)
    service.catch_up()

    assert products(service, item_id)["creditCards"] == "shared"
    assert [action.state for action in service.actions() if action.kind == "authorize"][-1] == "resolved"


def test_a_pluggy_that_refuses_to_say_is_not_asked_again_before_the_item_changes(service):
    with changed(service.res, "/items/[^/]+/resources", refused(403)):
        item_id = connect(service)
    assert asked(service, item_id) == 1
    assert {*products(service, item_id).values()} == {None}

    service.upstream.take_events()
    service.catch_up()
    assert asked(service, item_id) == 0

    update(service, item_id)
    assert products(service, item_id)["accounts"] == "shared"


def test_a_pluggy_that_fails_stops_nothing_else(service):
    with changed(service.res, "/items/[^/]+/resources", refused(500)):
        item_id = connect(service)

    service.assert_mirrors(item_id)
    assert service.runs()[-1].outcome == "done"

    update(service, item_id)
    assert products(service, item_id)["accounts"] == "shared"


def test_it_goes_with_the_item(service):
    item_id = connect(service)

    service.upstream.delete(item_id)
    service.catch_up()

    assert service.rows(shared_resources) == []
