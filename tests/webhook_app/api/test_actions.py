"""What persons must do, and the answers of products with screens of their own."""

import dataclasses

import pytest

from pluggy_sandbox.lifecycle import encrypted
from pluggy_sync.encryption import sealer
from pluggy_sync.store.tables import metadata, submissions
from tests.kit.factories import an_id
from tests.kit.service import Service
from tests.webhook_app.product import Product


def the_open_action(product: Product) -> dict:
    (action,) = product.get("/v1/actions", state="open")["results"]
    return action


def test_an_mfa_answer_settles_the_item(service: Service, product: Product):
    item_id = service.upstream.connect(connector=5)
    service.catch_up()
    action = the_open_action(product)
    assert (action["kind"], action["reason"], action["parameter"]["name"]) == ("mfa", "WAITING_USER_INPUT", "token")

    answer = product.post(f"/v1/actions/{action['id']}/mfa", {"value": "123456"})
    service.catch_up()

    assert (answer["id"], answer["state"]) == (action["id"], "submitted")
    settled = product.get(f"/v1/actions/{action['id']}")
    assert (settled["state"], settled["outcome"], settled["pageUrl"]) == ("resolved", "SUCCESS", None)
    assert product.get(f"/v1/items/{item_id}")["freshness"]["state"] == "fresh"
    assert service.notifications() == ["item.action_required", "item.action_resolved", "item.synced"]
    assert [row.outcome for row in service.rows(submissions)] == ["accepted"]


def test_a_wrong_mfa_value_is_a_new_action_that_says_so(service: Service, product: Product):
    service.upstream.connect(connector=5)
    service.catch_up()
    first = the_open_action(product)

    product.post(f"/v1/actions/{first['id']}/mfa", {"value": "654321"})
    service.catch_up()

    second = the_open_action(product)
    assert second["id"] != first["id"]
    assert (second["kind"], second["reason"]) == ("mfa", "INVALID_CREDENTIALS_MFA")
    assert second["text"]["en"]["title"] == "The code was not accepted"
    assert product.get(f"/v1/actions/{first['id']}")["state"] == "superseded"
    assert service.notifications() == ["item.action_required"] * 2


def test_new_credentials_settle_the_item(service: Service, product: Product):
    item_id = service.upstream.connect("user-bad")
    service.catch_up()
    action = the_open_action(product)
    assert action["kind"] == "credentials"

    parameters = {"user": "user-ok", "password": "password-ok"}
    answer = product.post(f"/v1/actions/{action['id']}/credentials", {"parameters": parameters})
    service.catch_up()

    assert answer["state"] == "submitted"
    assert product.get(f"/v1/actions/{action['id']}")["outcome"] == "SUCCESS"
    assert product.get(f"/v1/items/{item_id}")["freshness"]["state"] == "fresh"


def test_credentials_that_are_wrong_again_are_a_new_action_with_a_time_to_wait(service: Service, product: Product):
    service.upstream.connect("user-bad")
    service.catch_up()
    first = the_open_action(product)
    assert first["retryAt"] is None

    path = f"/v1/actions/{first['id']}/credentials"
    product.post(path, {"parameters": {"user": "user-bad", "password": "still-wrong"}})
    service.catch_up()

    second = the_open_action(product)
    assert second["id"] != first["id"]
    assert second["retryAt"] is not None
    problem = product.refused(
        "POST",
        f"/v1/actions/{second['id']}/credentials",
        409,
        "wait-before-retry",
        json={"parameters": {"user": "user-ok", "password": "password-ok"}},
    )
    assert problem["retryAt"] == second["retryAt"]
    # It is enforced here already: Pluggy and the bank see nothing of this try.
    assert len(service.rows(submissions)) == 1


def test_an_answer_that_pluggy_refuses_leaves_the_action_open(service: Service, product: Product):
    service.upstream.connect("user-bad")
    service.catch_up()
    action = the_open_action(product)
    service.upstream.connector_health(2, "OFFLINE")

    product.refused(
        "POST",
        f"/v1/actions/{action['id']}/credentials",
        503,
        "bank-offline",
        json={"parameters": {"user": "user-ok", "password": "password-ok"}},
    )

    assert product.get(f"/v1/actions/{action['id']}")["state"] == "open"
    assert [row.outcome for row in service.rows(submissions)] == ["bank-offline"]


def test_an_answer_that_does_not_reach_pluggy_leaves_the_action_open(service: Service, product: Product):
    service.upstream.connect(connector=5)
    service.catch_up()
    action = the_open_action(product)
    service.upstream.fail({"endpoint": "POST /items/{id}/mfa", "do": "status", "status": 500})

    product.refused("POST", f"/v1/actions/{action['id']}/mfa", 503, "pluggy-unavailable", json={"value": "123456"})

    assert product.get(f"/v1/actions/{action['id']}")["state"] == "open"
    service.upstream.fail()
    product.post(f"/v1/actions/{action['id']}/mfa", {"value": "123456"})
    service.catch_up()
    assert product.get(f"/v1/actions/{action['id']}")["state"] == "resolved"


def test_a_second_answer_is_refused_while_the_first_is_under_way(service: Service, product: Product):
    service.upstream.connect(connector=5)
    service.catch_up()
    action = the_open_action(product)
    product.post(f"/v1/actions/{action['id']}/mfa", {"value": "123456"})

    product.refused("POST", f"/v1/actions/{action['id']}/mfa", 409, "action-submitted", json={"value": "123456"})

    service.catch_up()
    product.refused("POST", f"/v1/actions/{action['id']}/mfa", 409, "action-settled", json={"value": "123456"})


def test_an_expired_action_takes_no_answer(service: Service, product: Product, clock):
    service.upstream.connect(connector=5)
    service.catch_up()
    action = the_open_action(product)
    clock.advance(minutes=10)

    product.refused("POST", f"/v1/actions/{action['id']}/mfa", 409, "action-expired", json={"value": "123456"})


def test_what_is_given_stays_out_of_the_database_and_the_logs(service: Service, product: Product, caplog):
    service.upstream.connect(connector=5)
    service.catch_up()
    code = the_open_action(product)
    secret = "918273"
    product.post(f"/v1/actions/{code['id']}/mfa", {"value": secret})
    service.catch_up()
    password = "pass-word-of-a-person"
    service.upstream.connect("user-bad")
    service.catch_up()
    login = next(each for each in product.get("/v1/actions", state="open")["results"] if each["kind"] == "credentials")
    product.post(f"/v1/actions/{login['id']}/credentials", {"parameters": {"user": "user-x", "password": password}})
    service.catch_up()

    rows = [str(row) for table in metadata.sorted_tables for row in service.rows(table)]
    written = "".join([*rows, caplog.text])
    assert code["id"] in written
    assert secret not in written
    assert password not in written


@pytest.mark.parametrize(
    "body", [{}, {"value": ""}, {"value": 5}, {"value": "1", "more": 1}, [], {"value": "x" * 5000}]
)
def test_an_answer_of_a_wrong_shape_is_400(service: Service, product: Product, body):
    product.refused("POST", "/v1/actions/act_x/mfa", 400, "invalid-request", json=body)


def test_a_choice_must_be_one_of_the_options(service: Service, product: Product):
    service.upstream.connect("user-ok-select", connector=5)
    service.catch_up()
    action = the_open_action(product)
    assert action["parameter"]["type"] == "select"

    product.refused("POST", f"/v1/actions/{action['id']}/mfa", 400, "invalid-value", json={"value": "none of them"})
    product.post(f"/v1/actions/{action['id']}/mfa", {"value": action["parameter"]["options"][0]["value"]})


def test_an_action_of_another_kind_takes_no_code(service: Service, product: Product):
    service.upstream.connect("user-locked")
    service.catch_up()
    action = the_open_action(product)

    product.refused("POST", f"/v1/actions/{action['id']}/mfa", 409, "wrong-kind", json={"value": "123456"})


def test_unknown_actions_are_not_found(product: Product):
    product.refused("GET", "/v1/actions/act_unknown", 404, "action-not-found")
    product.refused("POST", "/v1/actions/act_unknown/mfa", 404, "action-not-found", json={"value": "1"})


def test_the_list_is_filtered_and_paged(service: Service, product: Product):
    first = service.upstream.connect("user-bad", clientUserId="user-1")
    service.upstream.connect("user-locked", clientUserId="user-2")
    service.upstream.connect("user-not-supported", clientUserId="user-1")
    service.catch_up()

    assert len(product.all_pages("/v1/actions", limit=1, state="open")) == 3
    assert len(product.all_pages("/v1/actions", limit=2, clientUserId="user-1")) == 2
    assert [each["reason"] for each in product.all_pages("/v1/actions", itemId=first)] == ["INVALID_CREDENTIALS"]
    assert product.all_pages("/v1/actions", state="resolved") == []
    assert product.all_pages("/v1/actions", itemId=an_id()) == []


def test_a_cancelled_action_is_not_asked_again_until_the_item_has_changed(service: Service, product: Product):
    item_id = service.upstream.connect("user-locked")
    service.catch_up()
    action = the_open_action(product)

    answer = product.post(f"/v1/actions/{action['id']}/cancel", None, status=200)
    product.post("/v1/items", {"itemId": item_id})
    service.work_until_quiet()

    assert (answer["state"], answer["outcome"]) == ("superseded", "cancelled")
    assert product.get("/v1/actions", state="open")["results"] == []
    service.upstream.run(item_id)
    service.catch_up()
    assert the_open_action(product)["id"] != action["id"]


def test_a_settled_action_is_not_cancelled_and_has_no_new_link(service: Service, product: Product):
    service.upstream.connect("user-locked")
    service.catch_up()
    action = the_open_action(product)
    link = product.post(f"/v1/actions/{action['id']}/page-link", None, status=200)
    assert "/act/" in link["pageUrl"]
    product.post(f"/v1/actions/{action['id']}/cancel", None, status=200)

    product.refused("POST", f"/v1/actions/{action['id']}/cancel", 409, "action-settled")
    product.refused("POST", f"/v1/actions/{action['id']}/page-link", 409, "action-settled")


class TestWithReturnUrls:
    @pytest.fixture
    def settings(self, settings):
        return dataclasses.replace(settings, product_return_urls=("https://loja.example/conta",))

    def test_a_link_leads_back_only_to_where_the_operator_allows(self, service: Service, product: Product):
        service.upstream.connect("user-locked")
        service.catch_up()
        path = f"/v1/actions/{the_open_action(product)['id']}/page-link"

        def leads_back(body):
            token = product.post(path, body, status=200)["pageUrl"].rsplit("/", 1)[1]
            return service.res.links.read(token).return_url

        assert leads_back({"returnUrl": "https://loja.example/conta/7?x=1"}) == "https://loja.example/conta/7?x=1"
        assert leads_back({}) is leads_back({"returnUrl": None}) is None
        for elsewhere in ("https://evil.example/", "https://loja.example/", "javascript:alert(1)", "", "x" * 1001):
            problem = product.refused("POST", path, 400, "invalid-request", json={"returnUrl": elsewhere})
            assert [each["field"] for each in problem["errors"]] == ["returnUrl"], elsewhere


def test_without_return_urls_none_is_allowed(service: Service, product: Product):
    service.upstream.connect("user-locked")
    service.catch_up()
    path = f"/v1/actions/{the_open_action(product)['id']}/page-link"

    product.refused("POST", path, 400, "invalid-request", json={"returnUrl": "https://loja.example/"})


def test_what_is_done_at_the_bank_is_tried_again_when_the_person_says_so(service: Service, product: Product):
    service.upstream.connect("user-account-need-actions-provider-message")
    service.catch_up()
    first = the_open_action(product)
    assert first["providerMessage"]

    product.post(f"/v1/actions/{first['id']}/restart", None)
    service.catch_up()

    # The bank of this user asks for the same again: what the person did was not enough.
    assert the_open_action(product)["id"] != first["id"]


def test_credentials_may_come_encrypted_by_the_product(service: Service, product: Product):
    service.upstream.connect("user-bad")
    service.catch_up()
    action = the_open_action(product)
    path = f"/v1/actions/{action['id']}/credentials"
    plain = {"user": "user-ok", "password": "password-ok"}
    sealed = sealer(encrypted.public_key())(plain)
    product.refused("POST", path, 400, "invalid-request", json={"parameters": plain, "encryptedParameters": sealed})

    product.post(path, {"encryptedParameters": sealed})
    service.catch_up()

    assert product.get(f"/v1/actions/{action['id']}")["state"] == "resolved"
