"""Whether a delivery is Pluggy's."""

import base64
import dataclasses
import hashlib
import hmac
import ipaddress
import json
from datetime import timedelta

import pytest

from pluggy_sync import tallies
from pluggy_sync.settings import SettingsError
from tests.kit import asgi_client
from tests.kit.factories import NOON, WEBHOOK_SECRET, a_settings, an_event
from webhook_app import app_resources
from webhook_app.front.app import Front
from webhook_app.intake.authenticity import Gate, Refusal, is_authentic
from webhook_app.intake.view import PATH, of_app

SETTINGS = a_settings(WEBHOOK_SECRETS="the-old-secret-of-the-webhook,the-new-secret-of-the-webhook")
CURRENT, NEXT = "the-current-signing-secret", "the-next-signing-secret"
BODY = b'{"event": "item/updated"}'


@pytest.mark.parametrize("secret", ["the-old-secret-of-the-webhook", "the-new-secret-of-the-webhook"])
def test_each_of_our_secrets_is_valid_so_that_one_can_be_replaced(secret):
    assert is_authentic(secret, SETTINGS)


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "the-old",
        "the-old-secret-of-the-webhook ",
        "THE-OLD-SECRET-OF-THE-WEBHOOK",
        "the-old-secret-of-the-webhook,the-new-secret-of-the-webhook",
        "ségredo",
    ],
)
def test_nothing_else_is(secret):
    assert not is_authentic(secret, SETTINGS)


def a_gate(**changes):
    return Gate(a_settings(WEBHOOK_SIGNATURE_SECRETS=f"{CURRENT},{NEXT}", **changes))


def headers(**given):
    """Return the reader of these headers; an underscore stands for a hyphen."""
    found = {name.replace("_", "-"): value for name, value in given.items()}
    return lambda name: found.get(name, "")


def signed(key=CURRENT, text=BODY, algorithm="sha512"):
    return base64.b64encode(hmac.digest(key.encode(), text, algorithm)).decode()


def refusal(gate, body=BODY, now=NOON, **given):
    return gate.refusal_of_body(headers(**given), body, now)


def test_the_documented_example_is_what_two_integrators_verify():
    """Pluggy facts 13.15: base64 of HMAC-SHA512 over the raw body, a current and a next secret, no timestamp."""
    gate = a_gate()

    assert refusal(gate, x_hmac_sha512_signature=signed()) is None
    assert refusal(gate, x_hmac_sha512_signature=signed(NEXT)) is None
    assert refusal(gate, x_hmac_sha512_signature=signed("another secret of some length")) is Refusal.SIGNATURE
    assert refusal(gate, BODY + b" ", x_hmac_sha512_signature=signed()) is Refusal.SIGNATURE


@pytest.mark.parametrize("given", ["", "none", "é", "====", signed()[:-4], signed(algorithm="sha256")])
def test_once_it_is_on_a_delivery_without_a_good_signature_is_refused(given):
    assert refusal(a_gate(), x_hmac_sha512_signature=given) is Refusal.SIGNATURE
    assert refusal(a_gate()) is Refusal.SIGNATURE


def test_header_algorithm_encoding_and_the_form_of_the_secret_can_be_chosen():
    key = bytes(range(32))
    gate = Gate(
        a_settings(
            WEBHOOK_SIGNATURE_SECRETS=base64.b64encode(key).decode(),
            WEBHOOK_SIGNATURE_SECRET_ENCODING="base64",
            WEBHOOK_SIGNATURE_HEADER="X-Pluggy-Signature",
            WEBHOOK_SIGNATURE_ALGORITHM="sha256",
            WEBHOOK_SIGNATURE_ENCODING="hex",
        )
    )
    good = hmac.new(key, BODY, hashlib.sha256).hexdigest()

    assert refusal(gate, x_pluggy_signature=good) is None
    assert refusal(gate, x_pluggy_signature=f"sha256={good}") is None
    assert refusal(gate, x_hmac_sha512_signature=good) is Refusal.SIGNATURE


def test_with_a_timestamp_it_is_signed_too_and_must_be_near():
    gate = a_gate(WEBHOOK_SIGNATURE_TIMESTAMP_HEADER="X-Timestamp", WEBHOOK_SIGNATURE_TOLERANCE_S="60")
    stamp = str(int(NOON.timestamp()))
    good = signed(text=f"{stamp}.".encode() + BODY)

    def of(now, stamp=stamp):
        return refusal(gate, now=now, x_timestamp=stamp, x_hmac_sha512_signature=good)

    assert of(NOON + timedelta(seconds=59)) is None
    assert of(NOON + timedelta(seconds=61)) is Refusal.TIMESTAMP
    assert of(NOON - timedelta(seconds=61)) is Refusal.TIMESTAMP
    assert of(NOON, "") is Refusal.TIMESTAMP
    assert of(NOON, "yesterday") is Refusal.TIMESTAMP
    assert of(NOON, f"{int(stamp) + 1}") is Refusal.SIGNATURE
    in_ms = f"{stamp}000"
    assert refusal(gate, x_timestamp=in_ms, x_hmac_sha512_signature=signed(text=f"{in_ms}.".encode() + BODY)) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"WEBHOOK_SIGNATURE_SECRET_ENCODING": "base64"},
        {"WEBHOOK_SIGNATURE_SECRET_ENCODING": "hex"},
        {"WEBHOOK_SIGNATURE_SECRETS": "short"},
        {"WEBHOOK_SIGNATURE_HEADER": "Authorization"},
        {"WEBHOOK_SIGNATURE_ALGORITHM": "md5"},
        {"WEBHOOK_ALLOWED_IPS": "pluggy.ai"},
    ],
)
def test_a_signature_that_could_never_be_right_is_refused_when_a_process_starts(changes):
    with pytest.raises(SettingsError) as caught:
        a_settings(**{"WEBHOOK_SIGNATURE_SECRETS": "a secret with spaces!", **changes})

    assert "a secret with spaces!" not in str(caught.value)


@pytest.mark.parametrize(
    "address, allowed",
    [
        ("52.67.145.81", True),
        ("::ffff:52.67.145.81", True),
        ("177.71.238.212", True),
        ("52.67.145.82", False),
        ("2001:db8::1", False),
        ("", False),
        (None, False),
    ],
)
def test_only_the_networks_that_are_allowed_may_deliver(address, allowed):
    gate = Gate(a_settings(WEBHOOK_ALLOWED_IPS="52.67.145.81,177.71.238.0/24"))

    found = gate.refusal_of_head(headers(x_webhook_secret=WEBHOOK_SECRET), address)

    assert (found is None) == allowed
    assert found in (None, Refusal.ADDRESS)


@pytest.mark.parametrize(
    "hops, forwarded_for, client",
    [
        (0, "203.0.113.7", "10.0.0.9"),
        (1, "203.0.113.7", "203.0.113.7"),
        (1, "198.51.100.1, 203.0.113.7", "203.0.113.7"),
        (2, "198.51.100.1, 203.0.113.7", "198.51.100.1"),
        (2, "203.0.113.7", "10.0.0.9"),
        (1, "", "10.0.0.9"),
    ],
)
def test_a_client_is_where_the_farthest_of_our_proxies_saw_it(hops, forwarded_for, client):
    gate = Gate(a_settings(TRUSTED_PROXY_HOPS=str(hops)))

    assert gate.client_of("10.0.0.9", forwarded_for) == client


@pytest.fixture
def strict(resources, settings):
    """Resources of a service that asks for a signature, and takes deliveries of one network."""
    chosen = dataclasses.replace(
        settings,
        webhook_signature_secrets=(CURRENT, NEXT),
        webhook_allowed_ips=(ipaddress.ip_network("127.0.0.0/8"),),
        trusted_proxy_hops=0,
    )
    return dataclasses.replace(resources, settings=chosen)


@pytest.fixture(params=["by a thread", "by the event loop"])
def post(request, web, strict):
    app = web.application
    app_resources.keep(app, strict)
    front = Front(app, strict.settings, of_app(app))

    def post(body, **headers):
        given = {"X-Webhook-Secret": WEBHOOK_SECRET, "Content-Type": "application/json", **headers}
        if request.param == "by a thread":
            return web.post(PATH, data=body, headers=given)
        return asgi_client.post(front, PATH, body, given)

    return post


def counted(res):
    """Return how many deliveries were rejected, by the reason."""
    assert res.tallies.flush()
    found = {
        tuple(sample.labels.values()): int(sample.value)
        for family in tallies.metrics(res.tallies.read(), "")
        for sample in family.samples
        if family.name == "deliveries" and sample.name.endswith("_total")
    }
    return {reason: number for (outcome, reason), number in found.items() if outcome == "rejected"}


def test_a_delivery_is_stored_only_with_its_signature_and_each_refusal_is_counted_by_its_reason(post, service, strict):
    body = json.dumps(an_event("item/updated", itemId="item-1")).encode()

    assert post(body, **{"X-HMAC-SHA512-Signature": signed(text=body)}).status_code == 202
    assert post(body, **{"X-HMAC-SHA512-Signature": signed(text=b"other")}).status_code == 401
    assert post(body).status_code == 401
    assert post(body, **{"X-Webhook-Secret": "wrong"}).status_code == 401

    assert len(service.events()) == 1
    assert counted(strict) == {"bad_signature": 2, "wrong_secret": 1}


def test_a_delivery_from_elsewhere_is_refused_whatever_it_carries(service, strict, web):
    elsewhere = (ipaddress.ip_network("203.0.113.0/24"),)
    allowed = dataclasses.replace(strict.settings, webhook_allowed_ips=elsewhere)
    app_resources.keep(web.application, dataclasses.replace(strict, settings=allowed))
    body = json.dumps(an_event("item/updated", itemId="item-1")).encode()

    answer = web.post(
        PATH,
        data=body,
        headers={
            "X-Webhook-Secret": WEBHOOK_SECRET,
            "X-HMAC-SHA512-Signature": signed(text=body),
            "X-Forwarded-For": "203.0.113.7",
        },
    )

    assert answer.status_code == 401
    assert counted(strict) == {"other_address": 1}
    assert service.events() == []
