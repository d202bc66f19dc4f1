"""Whether the webhooks at Pluggy are as we need them."""

from datetime import UTC, datetime, timedelta

import pytest

from pluggy_sync.pluggy.payloads import Webhook
from pluggy_sync.rules.webhooks import FaultKind, Wanted, faults, ours

URL = "https://sync.example.com/webhooks/pluggy"
SECRET = "secret-of-the-webhook"
WANTED = Wanted(url=URL, header="X-Webhook-Secret", secrets=("an-older-secret", SECRET))
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def a_webhook(**changes):
    given = {"id": "w1", "url": URL, "event": "all", "disabled_at": None, "created_at": NOON}
    return Webhook(**{**given, "headers": {"x-webhook-secret": SECRET}, **changes})


def kinds(*webhooks):
    return [each.kind for each in faults(webhooks, WANTED)]


def test_one_to_our_address_with_the_secret_for_all_events_is_well():
    assert kinds(a_webhook()) == []
    assert kinds(a_webhook(url="https://SYNC.example.com:443/webhooks/pluggy/")) == []
    assert kinds(a_webhook(), a_webhook(id="w2", url="https://other.example.com/webhooks/pluggy", headers={})) == []


@pytest.mark.parametrize(
    "changes, kind",
    [
        ({"url": "https://old.example.com/webhooks/pluggy"}, FaultKind.MISSING),
        ({"url": "http://sync.example.com/webhooks/pluggy"}, FaultKind.MISSING),
        ({"url": "https://[sync/webhooks/pluggy"}, FaultKind.MISSING),
        ({"disabled_at": NOON}, FaultKind.SWITCHED_OFF),
        ({"event": "item/updated"}, FaultKind.EVENTS),
        ({"headers": {}}, FaultKind.SECRET),
        ({"headers": {"X-Webhook-Secret": "of somebody else"}}, FaultKind.SECRET),
        ({"headers": {"X-Other": SECRET}}, FaultKind.SECRET),
    ],
)
def test_each_fault_is_found_alone(changes, kind):
    assert kinds(a_webhook(**changes)) == [kind]


def test_headers_that_pluggy_does_not_show_are_not_taken_for_missing_ones():
    assert kinds(a_webhook(headers=None)) == []


def test_two_that_deliver_the_same_are_duplicates_and_two_that_share_the_events_are_not():
    assert kinds(a_webhook(), a_webhook(id="w2")) == [FaultKind.DUPLICATED]
    assert kinds(a_webhook(), a_webhook(id="w2", event="item/updated")) == [FaultKind.DUPLICATED]
    assert kinds(a_webhook(), a_webhook(id="w2", disabled_at=NOON)) == [FaultKind.SWITCHED_OFF]
    shared = [a_webhook(id=f"w{number}", event=event) for number, event in enumerate(["item/created", "item/updated"])]
    assert kinds(*shared) == [FaultKind.EVENTS]


def test_a_fault_names_the_webhook_and_shows_no_secret():
    (fault,) = faults([a_webhook(headers={"X-Webhook-Secret": "guess"})], WANTED)

    assert fault.webhook_id == "w1"
    assert "guess" not in repr(fault)
    assert SECRET not in repr((fault, WANTED, a_webhook()))


def test_ours_are_listed_oldest_first():
    newer, older = a_webhook(id="newer"), a_webhook(id="older", created_at=NOON - timedelta(days=1))

    assert [each.id for each in ours([newer, older], URL)] == ["older", "newer"]
