"""Our webhook at Pluggy is made, mended, and given another secret."""

import dataclasses

import pytest

from pluggy_sync.engine import webhooks
from pluggy_sync.pluggy.errors import PluggyUnavailableError
from pluggy_sync.rules.webhooks import FaultKind
from tests.kit.factories import WEBHOOK_SECRET

URL = "https://sync.example.com/webhooks/pluggy"


@pytest.fixture
def res(resources):
    settings = dataclasses.replace(resources.settings, public_url="https://sync.example.com")
    return dataclasses.replace(resources, settings=settings)


def registered(upstream):
    return [each for each in upstream.sandbox.api("GET", "/webhooks")["results"] if each["url"].startswith("https")]


def test_without_one_it_is_made_and_repeating_changes_nothing(res, upstream):
    made = webhooks.register(res)
    again = webhooks.register(res)

    (there,) = registered(upstream)
    assert made.id == again.id == there["id"]
    assert (there["url"], there["event"], there["headers"]) == (URL, "all", {"X-Webhook-Secret": WEBHOOK_SECRET})
    assert webhooks.check(res) == []


@pytest.mark.parametrize("broken", [{"enabled": False}, {"event": "item/created"}, {"headers": {"X-Other": "kept"}}])
def test_what_is_wrong_is_mended_and_other_headers_stay(res, upstream, broken):
    made = webhooks.register(res)
    upstream.sandbox.api("PATCH", f"/webhooks/{made.id}", broken)
    assert webhooks.check(res) != []

    webhooks.register(res)

    assert webhooks.check(res) == []
    (there,) = registered(upstream)
    assert there["headers"] == {**broken.get("headers", {}), "X-Webhook-Secret": WEBHOOK_SECRET}


def test_others_to_our_address_are_removed_only_if_asked(res, upstream):
    webhooks.register(res)
    upstream.sandbox.api("POST", "/webhooks", {"url": f"{URL}/", "event": "item/updated"})

    webhooks.register(res)
    assert FaultKind.DUPLICATED in [each.kind for each in webhooks.check(res)]
    webhooks.register(res, remove_others=True)

    assert webhooks.check(res) == []
    assert len(registered(upstream)) == 1


def test_the_first_secret_is_sent_and_the_older_one_is_no_fault(res, upstream):
    webhooks.register(res)
    both = dataclasses.replace(res.settings, webhook_secrets=("the-new-secret-of-ours", WEBHOOK_SECRET))
    rotating = dataclasses.replace(res, settings=both)
    assert webhooks.check(rotating) == []

    webhooks.register(rotating)

    assert registered(upstream)[0]["headers"] == {"X-Webhook-Secret": "the-new-secret-of-ours"}
    assert [each.kind for each in webhooks.check(res)] == [FaultKind.SECRET]


def test_a_pluggy_that_does_not_answer_is_said(res, upstream):
    upstream.fail({"endpoint": "GET /webhooks", "do": "status", "status": 503})

    with pytest.raises(PluggyUnavailableError):
        webhooks.check(res)
