"""Endpoints by API: made, changed, tried and resumed by the product, and shown without their secrets."""

import dataclasses
import ipaddress

import pytest
from standardwebhooks import Webhook

from pluggy_sync.store import endpoints
from tests.kit.product import running_product, status
from tests.kit.workers import run_queued
from webhook_app import app_resources

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


@pytest.fixture
def res(resources, web):
    settings = dataclasses.replace(resources.settings, endpoint_allowed_networks=LOOPBACK)
    res = dataclasses.replace(resources, settings=settings)
    app_resources.keep(web.application, res)
    return res


@pytest.fixture
def receiver():
    with running_product() as running:
        yield running


@pytest.fixture
def made(product, res, receiver):
    return product.post("/v1/endpoints", {"url": receiver.url, "description": "ours"}, status=201)


def test_an_endpoint_that_is_made_is_shown_and_its_secret_only_then(product, made, receiver):
    shown = product.get(f"/v1/endpoints/{made['id']}")

    assert shown == {name: value for name, value in made.items() if name != "secret"}
    assert (shown["url"], shown["description"], shown["types"]) == (receiver.url, "ours", None)
    assert (shown["state"], shown["enabled"]) == ("working", True)
    listed = product.all_pages("/v1/endpoints", limit=1)
    assert [each["id"] for each in listed] == sorted([made["id"], endpoints.ENVIRONMENT])
    assert made["secret"] not in str(listed)


def test_an_endpoint_is_changed_where_it_is_said_and_nowhere_else(product, made):
    changed = product.call("PATCH", f"/v1/endpoints/{made['id']}", json={"types": ["item.synced"]}).get_json()

    assert changed == {**product.get(f"/v1/endpoints/{made['id']}"), "types": ["item.synced"]}
    assert (changed["description"], changed["url"]) == ("ours", made["url"])
    assert (
        product.call("PATCH", f"/v1/endpoints/{made['id']}", json={"enabled": False}).get_json()["state"] == "disabled"
    )


def test_a_ping_arrives_verified_and_its_attempt_is_listed_without_what_was_answered(product, made, receiver, res):
    receiver.answer = lambda request: request.respond(500, body=b"our own words")
    sent = product.post(f"/v1/endpoints/{made['id']}/ping", {})
    run_queued(res)

    (got,) = receiver.got
    Webhook(made["secret"]).verify(got.body, got.headers)
    (attempt,) = product.all_pages(f"/v1/endpoints/{made['id']}/attempts")
    assert (attempt["notificationId"], attempt["type"]) == (sent["id"], "endpoint.ping")
    assert (attempt["statusCode"], attempt["error"]) == (500, None)
    assert "our own words" not in str(attempt)


def test_attempts_are_listed_newest_first_page_by_page(product, made, res):
    for _ in range(3):
        product.post(f"/v1/endpoints/{made['id']}/ping", {})
        run_queued(res)

    ids = [int(each["id"]) for each in product.all_pages(f"/v1/endpoints/{made['id']}/attempts", limit=2)]

    assert len(ids) == 3
    assert ids == sorted(ids, reverse=True)


def test_a_rotated_secret_and_the_one_before_sign(product, made, receiver, res):
    rotated = product.post(f"/v1/endpoints/{made['id']}/rotate-secret", {}, status=200)
    product.post(f"/v1/endpoints/{made['id']}/ping", {})
    run_queued(res)

    (got,) = receiver.got
    assert rotated["previousSecretUntil"] is not None
    for secret in (made["secret"], rotated["secret"]):
        Webhook(secret).verify(got.body, got.headers)


def test_an_endpoint_that_answered_gone_is_stopped_until_it_is_resumed(product, made, receiver, res):
    receiver.answer = status(410)
    product.post(f"/v1/endpoints/{made['id']}/ping", {})
    run_queued(res)
    stopped = product.get(f"/v1/endpoints/{made['id']}")
    assert (stopped["state"], stopped["stopReason"]) == ("stopped", "gone")

    resumed = product.post(f"/v1/endpoints/{made['id']}/resume", {}, status=200)

    assert (resumed["state"], resumed["stoppedAt"]) == ("working", None)


def test_an_endpoint_recovers_what_was_told_before_it_was_made(product, made, receiver, service, upstream, res):
    with res.database.begin() as conn:
        endpoints.change(conn, made["id"], enabled=False)
    upstream.connect()
    service.catch_up()
    product.call("PATCH", f"/v1/endpoints/{made['id']}", json={"enabled": True})

    recovered = product.post(f"/v1/endpoints/{made['id']}/recover", {"since": "2020-01-01T00:00:00Z"})

    assert recovered["deliveries"] == len(service.notifications()) > 0


def test_a_deleted_endpoint_is_gone(product, made):
    assert product.call("DELETE", f"/v1/endpoints/{made['id']}").status_code == 204

    product.refused("GET", f"/v1/endpoints/{made['id']}", 404, "endpoint-not-found")
    product.refused("DELETE", f"/v1/endpoints/{made['id']}", 404, "endpoint-not-found")


@pytest.mark.parametrize(
    "method, path, body",
    [
        ("GET", "", None),
        ("PATCH", "", {}),
        ("DELETE", "", None),
        ("POST", "/ping", {}),
        ("POST", "/rotate-secret", {}),
        ("POST", "/resume", {}),
        ("POST", "/recover", {"since": "2026-01-01T00:00:00Z"}),
        ("GET", "/attempts", None),
    ],
)
def test_an_endpoint_that_nobody_made_is_not_found(product, method, path, body):
    product.refused(method, f"/v1/endpoints/ep_none{path}", 404, "endpoint-not-found", json=body)


@pytest.mark.parametrize(
    "body, field",
    [
        ({"url": "https://169.254.169.254/"}, "url"),
        ({"url": "http://8.8.8.8/"}, "url"),
        ({"url": "ftp://8.8.8.8/"}, "url"),
        ({}, "url"),
        ({"url": "https://8.8.8.8/", "types": ["item.unknown"]}, "types.0"),
        ({"url": "https://8.8.8.8/", "types": []}, "types"),
        ({"url": "https://8.8.8.8/", "secret": "short"}, "secret"),
        ({"url": "https://8.8.8.8/", "enabled": "yes"}, "enabled"),
        ({"url": "https://8.8.8.8/", "colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_an_endpoint_is_refused_by_name(product, body, field):
    problem = product.refused("POST", "/v1/endpoints", 400, "invalid-request", json=body)

    assert [each["field"] for each in problem["errors"]] == [field]


def test_the_endpoint_of_the_settings_can_be_filtered_and_disabled_but_not_moved(product):
    path = f"/v1/endpoints/{endpoints.ENVIRONMENT}"

    assert product.call("PATCH", path, json={"types": ["item.synced"]}).get_json()["types"] == ["item.synced"]
    for method, more, body in (
        ("PATCH", "", {"url": "https://8.8.8.8/"}),
        ("DELETE", "", None),
        ("POST", "/rotate-secret", {}),
    ):
        product.refused(method, path + more, 409, "endpoint-of-settings", json=body)
