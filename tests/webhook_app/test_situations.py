"""
The five situations of the founding text, and each sandbox user and flow (Pluggy facts 4.3, 7.2, 7.3): what the product
hears, what the person is asked, and how it ends.
"""

import pytest

from tests.kit.service import Service
from tests.webhook_app.product import Product


@pytest.fixture
def product(service: Service) -> Product:
    """A product that holds a valid token."""
    return Product(service.web)


def deliver_and_work(service: Service) -> None:
    service.deliver(*service.upstream.take_events())
    service.work()


def freshness(product: Product, item_id: str) -> str:
    return str(product.get(f"/v1/items/{item_id}")["freshness"]["state"])


def test_situation_1_an_update_without_a_code_starts_at_once(service: Service, product: Product):
    item_id = service.upstream.connect()
    deliver_and_work(service)

    assert product.post(f"/v1/items/{item_id}/refresh", None)["result"] == "started"
    deliver_and_work(service)

    assert freshness(product, item_id) == "fresh"
    assert product.get("/v1/actions")["results"] == []


def test_situation_2_an_update_with_a_code_asks_for_it_and_then_goes_on(service: Service, product: Product):
    item_id = service.upstream.connect(connector=5)
    deliver_and_work(service)
    (action,) = product.get("/v1/actions")["results"]

    product.post(f"/v1/actions/{action['id']}/mfa", {"value": "123456"})
    deliver_and_work(service)

    assert freshness(product, item_id) == "fresh"


def test_situation_3_invalid_credentials_are_asked_for_before_any_update(service: Service, product: Product):
    item_id = service.upstream.connect("user-bad")
    deliver_and_work(service)
    problem = product.refused("POST", f"/v1/items/{item_id}/refresh", 409, "action-required")
    assert problem["action"]["kind"] == "credentials"

    parameters = {"user": "user-ok", "password": "password-ok"}
    product.post(f"/v1/actions/{problem['action']['id']}/credentials", {"parameters": parameters})
    deliver_and_work(service)

    assert freshness(product, item_id) == "fresh"


def test_situation_4_an_outdated_item_is_updated_directly_by_api(service: Service, product: Product):
    item_id = service.upstream.connect("user-connection-error")
    deliver_and_work(service)
    assert freshness(product, item_id) == "error"

    assert product.post(f"/v1/items/{item_id}/refresh", None)["result"] == "started"


def test_situation_5_an_item_that_cannot_be_updated_by_api_waits_for_the_person(service: Service, product: Product):
    item_id = service.upstream.connect(connector=4, parameters={"token": "123456"})
    deliver_and_work(service)

    action = product.refused("POST", f"/v1/items/{item_id}/refresh", 409, "action-required")["action"]

    assert (action["kind"], action["parameter"]["name"]) == ("mfa", "token")
    assert action["pageUrl"]


@pytest.mark.parametrize(
    "user, kind, state",
    [
        ("user-ok", None, "fresh"),
        ("user-logged", None, "error"),
        ("user-locked", "bank", "waiting_for_person"),
        ("user-error", None, "error"),
        ("user-unavailable", None, "bank_outage"),
        ("user-connection-error", None, "error"),
        ("user-not-supported", "bank", "waiting_for_person"),
        ("user-account-need-actions", "bank", "waiting_for_person"),
        ("user-account-need-actions-provider-message", "bank", "waiting_for_person"),
        ("user-account-credentials-reset", "bank", "waiting_for_person"),
        ("user-ok-auth-pending", "bank", "waiting_for_person"),
        ("user-ok-account-error", None, "fresh"),
        ("user-ok-account-warning", None, "fresh"),
        ("user-ok-two-checking-accounts", None, "fresh"),
        ("user-bad", "credentials", "waiting_for_person"),
    ],
)
def test_each_sandbox_user_asks_the_right_person_or_nobody(service: Service, product: Product, user, kind, state):
    item_id = service.upstream.connect(user)
    deliver_and_work(service)

    assert freshness(product, item_id) == state
    assert [action["kind"] for action in product.get("/v1/actions")["results"]] == ([] if kind is None else [kind])


@pytest.mark.parametrize(
    "user, answers",
    [
        ("user-ok", ["123456"]),
        ("user-ok-img", ["123456"]),
        ("user-ok-select", ["123456"]),
        ("user-ok-phone", ["0", "123456"]),
        ("user-ok-multi-company", ["123456", "0"]),
    ],
)
def test_each_question_of_two_steps_is_asked_and_answered(service: Service, product: Product, user, answers):
    item_id = service.upstream.connect(user, connector=5)
    deliver_and_work(service)

    for answer in answers:
        (action,) = product.get("/v1/actions", state="open")["results"]
        product.post(f"/v1/actions/{action['id']}/mfa", {"value": answer})
        deliver_and_work(service)

    assert freshness(product, item_id) == "fresh"
    assert product.get("/v1/actions", state="open")["results"] == []


def test_a_question_that_is_not_answered_ends_in_another_chance(service: Service, product: Product):
    service.upstream.connect(connector=5)
    deliver_and_work(service)

    service.upstream.later(seconds=200)
    deliver_and_work(service)

    (action,) = product.get("/v1/actions", state="open")["results"]
    assert (action["kind"], action["reason"]) == ("mfa", "USER_INPUT_TIMEOUT")


def test_an_approval_on_a_device_lets_the_update_succeed(service: Service, product: Product):
    item_id = service.upstream.connect("user-ok-auth-pending")
    deliver_and_work(service)
    (pending,) = product.get("/v1/actions", state="open")["results"]
    assert pending["reason"] == "USER_AUTHORIZATION_PENDING"

    service.upstream.later(seconds=150)
    product.post(f"/v1/actions/{pending['id']}/restart", None)
    deliver_and_work(service)

    assert freshness(product, item_id) == "fresh"


def test_an_approval_that_is_missing_is_said(service: Service, product: Product):
    service.upstream.connect("user-ok-auth-pending")
    deliver_and_work(service)
    (pending,) = product.get("/v1/actions", state="open")["results"]

    product.post(f"/v1/actions/{pending['id']}/restart", None)
    deliver_and_work(service)

    (action,) = product.get("/v1/actions", state="open")["results"]
    assert action["reason"] == "USER_AUTHORIZATION_NOT_GRANTED"


def test_a_revoked_consent_is_renewed_on_the_same_item(service: Service, product: Product):
    item_id = service.upstream.connect(connector=600, parameters={"cpf": "761.092.776-73"})
    deliver_and_work(service)
    (asked,) = product.get("/v1/actions", state="open")["results"]
    assert asked["kind"] == "authorize"
    service.upstream.approve(item_id)
    deliver_and_work(service)
    assert freshness(product, item_id) == "fresh"

    service.upstream.revoke(item_id)
    service.upstream.run(item_id)
    deliver_and_work(service)

    (action,) = product.get("/v1/actions", state="open")["results"]
    assert (action["kind"], action["itemId"]) == ("consent", item_id)


def connect_with_approvers(service: Service, cpf: str) -> str:
    """Connect at the Open Finance mock; the person consents, and the other holders have not answered yet."""
    item_id = service.upstream.connect(connector=600, parameters={"cpf": cpf})
    deliver_and_work(service)
    service.upstream.approve(item_id)
    deliver_and_work(service)
    return item_id


def test_further_approvers_are_waited_for_without_asking_for_anything_else(service: Service, product: Product):
    item_id = connect_with_approvers(service, "238.242.640-30")
    (pending,) = product.get("/v1/actions", state="open")["results"]
    assert (pending["kind"], pending["reason"]) == ("bank", "USER_AUTHORIZATION_PENDING")
    assert freshness(product, item_id) == "waiting_for_person"

    service.upstream.later(seconds=300)
    deliver_and_work(service)
    if freshness(product, item_id) != "fresh":
        service.upstream.run(item_id)
        deliver_and_work(service)

    assert product.get(f"/v1/actions/{pending['id']}")["state"] == "resolved"
    assert freshness(product, item_id) == "fresh"


def test_a_refusal_of_further_approvers_asks_for_a_new_consent(service: Service, product: Product):
    item_id = connect_with_approvers(service, "051.177.670-55")
    (pending,) = product.get("/v1/actions", state="open")["results"]
    assert pending["reason"] == "USER_AUTHORIZATION_PENDING"

    service.upstream.later(seconds=300)
    service.upstream.run(item_id)
    deliver_and_work(service)

    (action,) = product.get("/v1/actions", state="open")["results"]
    assert (action["kind"], action["itemId"]) == ("consent", item_id)


@pytest.mark.parametrize("token", ["123456", "000000"])
def test_a_single_and_a_joint_account_are_updated_with_the_code_that_they_want(
    service: Service, product: Product, token
):
    item_id = service.upstream.connect(connector=9, parameters={"token": token})
    service.upstream.later(seconds=600)
    deliver_and_work(service)
    assert freshness(product, item_id) == "fresh"

    problem = product.refused("POST", f"/v1/items/{item_id}/refresh", 409, "action-required")
    assert problem["action"]["kind"] == "mfa"
    product.post(f"/v1/actions/{problem['action']['id']}/mfa", {"value": token})
    deliver_and_work(service)

    assert product.get(f"/v1/actions/{problem['action']['id']}")["state"] == "resolved"
    assert freshness(product, item_id) == "fresh"
