"""What happened to an Item, in words."""

import pytest

from pluggy_sync.rules.timeline import Due, DueKind, Entry, Kind, words, words_of_due
from tests.kit.factories import NOON

EVENT = {"name": "item/updated", "state": "handled", "outcome": "sync", "attempts": 1, "error": None}
RUN = {"trigger": "item/updated", "outcome": "done", "added": 3, "modified": 2, "removed": 1, "error": None}


def said(kind: Kind, **facts: object) -> str:
    return words(Entry(at=NOON, kind=kind, id="x", facts=facts))


@pytest.mark.parametrize(
    "change, text",
    [
        ({}, "item/updated came. Decided: there is data to sync; open actions are settled"),
        ({"outcome": "ask", "reason": "LOGIN"}, "item/updated came. Decided: a person must act (LOGIN)"),
        ({"outcome": "new-word"}, "item/updated came. Decided: new-word"),
        ({"state": "stored", "attempts": 0}, "item/updated came. Waits"),
        ({"state": "stored", "attempts": 2, "error": "503"}, "item/updated came. Waits after 2 attempts: 503"),
        ({"state": "dead", "attempts": 9, "error": "503"}, "item/updated came. Given up after 9 attempts: 503"),
        (
            {"name": "local/fetch_requested", "why": "the bank is back", "outcome": "ask"},
            "Fetch requested: the bank is back. Decided: a person must act",
        ),
    ],
)
def test_an_event_says_what_was_decided_or_why_it_waits(change, text):
    assert said(Kind.EVENT, **{**EVENT, **change}) == text


@pytest.mark.parametrize(
    "change, text",
    [
        ({}, "Sync run for item/updated: done, 3 added, 2 modified, 1 removed"),
        ({"outcome": "failed", "error": "Pluggy: 500"}, "Sync run for item/updated: failed. Pluggy: 500"),
        ({"outcome": "running"}, "Sync run for item/updated: running"),
    ],
)
def test_a_sync_run_says_how_it_ended_and_what_it_changed(change, text):
    assert said(Kind.SYNC_RUN, **{**RUN, **change}) == text


@pytest.mark.parametrize(
    "kind, facts, text",
    [
        (Kind.ACTION_OPENED, {"actionKind": "mfa", "reason": "WAITING"}, "A person is asked: mfa, WAITING"),
        (Kind.ACTION_SETTLED, {"state": "resolved", "outcome": "SUCCESS"}, "The action is resolved: SUCCESS"),
        (Kind.ACTION_SETTLED, {"state": "expired", "outcome": None}, "The action is expired"),
        (Kind.SUBMISSION, {"what": "mfa", "outcome": None}, "The person gave mfa: Pluggy is being asked"),
        (
            Kind.NOTIFICATION,
            {"type": "item.synced", "endpoints": {"ep_2": "dead", "ep_1": "delivered"}},
            "item.synced was written for the product: delivered (ep_1), dead (ep_2)",
        ),
        (
            Kind.NOTIFICATION,
            {"type": "item.synced", "endpoints": None},
            "item.synced was written for the product: no endpoint takes it",
        ),
        (
            Kind.ATTEMPT,
            {"type": "item.synced", "endpointId": "ep_1", "statusCode": 500, "error": None, "durationMs": 12},
            "item.synced was sent to ep_1: the product answered 500, 12 ms",
        ),
        (
            Kind.ATTEMPT,
            {"type": "item.synced", "endpointId": "ep_1", "statusCode": None, "error": "timeout", "durationMs": 15000},
            "item.synced was sent to ep_1: timeout, 15000 ms",
        ),
    ],
)
def test_the_other_kinds_say_it_in_one_line(kind, facts, text):
    assert said(kind, **facts) == text


@pytest.mark.parametrize("kind", DueKind)
def test_what_is_due_has_words_for_each_kind(kind):
    assert words_of_due(Due(at=NOON, kind=kind, about=None))
    assert words_of_due(Due(at=NOON, kind=kind, about="loans")).endswith(" (loans)")
