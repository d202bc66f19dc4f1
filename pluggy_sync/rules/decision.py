"""
What to do about an Item, decided from Pluggy's present view of it. Never from the event alone.

`status` says whether an execution is going on, `execution_status` says what happened (Pluggy facts 3.2, 3.3).
"""

import dataclasses
from dataclasses import dataclass
from enum import StrEnum

from pluggy_sync.pluggy.payloads import Item
from pluggy_sync.rules.contradictions import Contradiction
from pluggy_sync.rules.freshness import BANK_OUTAGE
from pluggy_sync.rules.needs import Kind, Need, approval_of_resources, need_of
from pluggy_sync.rules.statuses import LOGIN_ERROR, RUNNING, UPDATED, WAITING_USER_ACTION, WAITING_USER_INPUT


class Step(StrEnum):
    """What to do with an Item."""

    SYNC = "sync"  # there is good data: fetch what is new; open actions are settled
    ASK = "ask"  # a person must act
    WAIT = "wait"  # nobody can do anything now: Pluggy or the bank has trouble
    NOTE = "note"  # an execution is going on: the next event will tell
    PURGE = "purge"  # the Item is gone: purge it, leave a tombstone
    FETCH_AGAIN = "fetch_again"  # Pluggy's answer contradicts the event, and may be too early: nothing is decided
    IGNORE = "ignore"  # deleted before: late events change nothing


@dataclass(frozen=True, kw_only=True)
class Decision:
    """
    What to do; `reason` is the code behind it, for people.

    `need` comes with ASK, and with SYNC if a part of the data waits for an approval at the bank.

    `contradiction`: the Item is fetched again, because Pluggy's answer contradicts an event; None: it does not.
    """

    step: Step
    reason: str | None = None
    need: Need | None = None
    contradiction: Contradiction | None = None


# What a settled Item's executionStatus asks of a person.
KIND_OF_CODE = {
    "INVALID_CREDENTIALS": Kind.CREDENTIALS,
    "INVALID_CREDENTIALS_MFA": Kind.MFA,
    "USER_INPUT_TIMEOUT": Kind.MFA,
    "USER_AUTHORIZATION_NOT_GRANTED": Kind.CONSENT,
    "USER_AUTHORIZATION_REVOKED": Kind.CONSENT,
    "ACCOUNT_LOCKED": Kind.BANK,
    "ACCOUNT_CREDENTIALS_RESET": Kind.BANK,
    "ACCOUNT_NEEDS_ACTION": Kind.BANK,
    "USER_NOT_SUPPORTED": Kind.BANK,
    # Not final: the execution goes on after the approval. Nobody is asked for a password.
    "USER_AUTHORIZATION_PENDING": Kind.BANK,
}

# Trouble at Pluggy or the bank. Auto-sync tries again.
MACHINE_RETRYABLE = frozenset(
    {
        "ALREADY_LOGGED_IN",
        "SITE_NOT_AVAILABLE",
        "CONNECTION_ERROR",
        "ERROR",
        "UNEXPECTED_ERROR",
        "MERGE_ERROR",
        "CREATE_ERROR",
    }
)


def decide(item: Item | None, contradiction: Contradiction | None, *, deleted: bool, offline: bool) -> Decision:
    """
    Return what to do, given Pluggy's present view of the Item; None: Pluggy answered 404.

    *contradiction*: how that contradicts the events, until it is believed. *deleted*: the Item is a tombstone here.
    *offline*: the bank is offline, as last heard.
    """
    if deleted:
        return Decision(step=Step.IGNORE)
    if contradiction in (Contradiction.NOT_FOUND, Contradiction.STILL_THERE):
        # Never delete on doubt.
        return Decision(step=Step.FETCH_AGAIN, reason=contradiction, contradiction=contradiction)
    if item is None:
        return Decision(step=Step.PURGE, reason=Contradiction.NOT_FOUND)
    return dataclasses.replace(of_view(item, offline=offline), contradiction=contradiction)


def of_view(item: Item, *, offline: bool) -> Decision:
    """Return what to do about *item* as Pluggy shows it, whatever told of it."""
    if item.status in RUNNING:
        return Decision(step=Step.NOTE, reason=item.execution_status)
    if item.status == UPDATED:
        asks = item.has_resources_pending is True and not offline
        return Decision(step=Step.SYNC, reason=item.execution_status, need=approval_of_resources() if asks else None)
    kind = _kind_asked(item)
    if kind is None:
        return Decision(step=Step.WAIT, reason=item.execution_status)
    if offline:
        return Decision(step=Step.WAIT, reason=BANK_OUTAGE)
    need = need_of(item, kind)
    return Decision(step=Step.ASK, reason=need.reason, need=need)


def _kind_asked(item: Item) -> Kind | None:
    """Return the kind of user action that the stopped Item needs; None: all there is to do is to wait."""
    if item.status == WAITING_USER_INPUT:
        # In Open Finance by API the parameter holds the address at which to consent (Pluggy facts 8).
        asks_consent = (item.parameter or {}).get("type") == "oauth"
        return Kind.AUTHORIZE if asks_consent else Kind.MFA
    if item.status == WAITING_USER_ACTION:
        return Kind.AUTHORIZE
    code = item.execution_status or ""
    if code in KIND_OF_CODE:
        return KIND_OF_CODE[code]
    if code in MACHINE_RETRYABLE:
        return None
    # The code is new to us. After a refused login the person must act; anything else is left to Pluggy.
    return Kind.CREDENTIALS if item.status == LOGIN_ERROR else None
