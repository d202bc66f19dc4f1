"""
What happened to an Item and why, as entries and in words: for the API, the console and `pluggy-sync explain` alike.

The entries come from `store/timeline.py`. The words hold no bank data: ids, codes, counts and times.

Tests: `rules/test_timeline.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from pluggy_sync import events


class Kind(StrEnum):
    """The kinds of entries."""

    EVENT = "event"  # a delivery of Pluggy, or a request of our own to fetch the Item; and what was decided
    SYNC_RUN = "sync_run"
    ACTION_OPENED = "action_opened"
    ACTION_SETTLED = "action_settled"
    SUBMISSION = "submission"  # what a person gave, on its way to Pluggy
    NOTIFICATION = "notification"  # to the product
    ATTEMPT = "attempt"  # to deliver a notification, and the answer


class DueKind(StrEnum):
    """What is due for an Item."""

    EVENT = "event"
    SYNC = "sync"
    PART = "part"
    NOTIFICATION = "notification"
    ACTION_DEADLINE = "action_deadline"
    REMINDER = "reminder"
    AUTO_SYNC = "auto_sync"
    CONSENT_END = "consent_end"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Something that happened *at* a moment. *id* is of the event, run, action, submission or notification."""

    at: datetime
    kind: Kind
    id: str
    # By name: what there is to say about this kind of entry. No bank data.
    facts: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Due:
    """Something that happens next, at *at* or soon after. *about*: its event, data product, action or notification."""

    at: datetime
    kind: DueKind
    about: str | None


def words(entry: Entry) -> str:
    """Return what happened, in one line."""
    return _WORDS[entry.kind](entry.facts)


def words_of_due(due: Due) -> str:
    """Return what happens next, in one line."""
    about = "" if due.about is None else f" ({due.about})"
    return f"{_WORDS_OF_DUE[due.kind]}{about}"


_WORDS_OF_DUE: Mapping[DueKind, str] = {
    DueKind.EVENT: "An event is handled",
    DueKind.SYNC: "A sync run starts",
    DueKind.PART: "A part that could not be read is read again",
    DueKind.NOTIFICATION: "A notification is delivered",
    DueKind.ACTION_DEADLINE: "The person's time to act ends",
    DueKind.REMINDER: "The product is reminded of the person's action",
    DueKind.AUTO_SYNC: "Pluggy updates the Item by itself",
    DueKind.CONSENT_END: "The person's consent ends",
}

# By outcome of an event: what was decided.
_DECIDED: Mapping[str, str] = {
    "sync": "there is data to sync; open actions are settled",
    "ask": "a person must act",
    "wait": "nobody can do anything now: Pluggy or the bank has trouble",
    "note": "an execution is going on: the next event will tell",
    "purge": "the Item is gone; its data was purged",
    "fetch_again": "Pluggy's answer contradicts the event; the Item is fetched again",
    "ignore": "the Item was deleted before",
    "fetched": "the Item was fetched",
    "covered": "the Item was fetched after this came already",
    "settled": "Pluggy's answer agrees now",
    "noted": "nothing to do",
    "kept": "kept for the operator",
    "removed": "Pluggy never showed such an Item",
}


def _event(facts: Mapping[str, Any]) -> str:
    name = facts["name"]
    said = f"Fetch requested: {facts['why']}" if name == events.FETCH_REQUESTED and facts.get("why") else f"{name} came"
    if facts["state"] == "handled":
        why = f" ({facts['reason']})" if facts.get("reason") else ""
        return f"{said}. Decided: {_DECIDED.get(facts['outcome'] or '', facts['outcome'] or 'nothing')}{why}"
    if facts["state"] == "dead":
        return f"{said}. Given up after {facts['attempts']} attempts: {facts['error']}"
    tried = f" after {facts['attempts']} attempts: {facts['error']}" if facts["attempts"] else ""
    return f"{said}. Waits{tried}"


def _sync_run(facts: Mapping[str, Any]) -> str:
    outcome = facts["outcome"]
    said = f"Sync run for {facts['trigger']}: {outcome}"
    if outcome == "done":
        said += f", {facts['added']} added, {facts['modified']} modified, {facts['removed']} removed"
    return f"{said}. {facts['error']}" if facts.get("error") else said


def _action_opened(facts: Mapping[str, Any]) -> str:
    return f"A person is asked: {facts['actionKind']}, {facts['reason']}"


def _action_settled(facts: Mapping[str, Any]) -> str:
    outcome = f": {facts['outcome']}" if facts["outcome"] else ""
    return f"The action is {facts['state']}{outcome}"


def _submission(facts: Mapping[str, Any]) -> str:
    return f"The person gave {facts['what']}: {facts['outcome'] or 'Pluggy is being asked'}"


def _notification(facts: Mapping[str, Any]) -> str:
    states = facts.get("endpoints") or {}
    told = ", ".join(f"{state} ({endpoint})" for endpoint, state in sorted(states.items())) or "no endpoint takes it"
    return f"{facts['type']} was written for the product: {told}"


def _attempt(facts: Mapping[str, Any]) -> str:
    answer = facts["error"] if facts["statusCode"] is None else f"the product answered {facts['statusCode']}"
    return f"{facts['type']} was sent to {facts['endpointId']}: {answer}, {facts['durationMs']} ms"


_WORDS: Mapping[Kind, Callable[[Mapping[str, Any]], str]] = {
    Kind.EVENT: _event,
    Kind.SYNC_RUN: _sync_run,
    Kind.ACTION_OPENED: _action_opened,
    Kind.ACTION_SETTLED: _action_settled,
    Kind.SUBMISSION: _submission,
    Kind.NOTIFICATION: _notification,
    Kind.ATTEMPT: _attempt,
}
