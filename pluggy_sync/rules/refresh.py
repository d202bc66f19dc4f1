"""Whether an Item can be updated right now without its person (Pluggy facts 4.3): the founding rule."""

from enum import StrEnum

from pluggy_sync.pluggy.payloads import Item
from pluggy_sync.rules.decision import KIND_OF_CODE
from pluggy_sync.rules.statuses import LOGIN_ERROR, RUNNING, WAITING


class Verdict(StrEnum):
    """What to do when somebody asks for an update."""

    DIRECT = "direct"  # update by API
    RUNNING = "running"  # it is being updated
    OFFLINE = "offline"  # the bank is away; nobody can do anything
    PERSON = "person"  # a person must act first


def verdict_on(item: Item, *, offline: bool) -> Verdict:
    """
    Return how *item* can be updated. *offline*: the connector is offline, as last heard.

    Directly if an execution needs no MFA value and the last one did not end with invalid credentials. A planned
    auto-sync proves that no value is needed, even if the connector says otherwise.
    """
    if item.status in RUNNING:
        return Verdict.RUNNING
    if offline:
        return Verdict.OFFLINE
    if item.status == LOGIN_ERROR or item.status in WAITING or item.execution_status in KIND_OF_CODE:
        return Verdict.PERSON
    if item.connector.needs_mfa_each_run and item.next_auto_sync_at is None:
        return Verdict.PERSON
    return Verdict.DIRECT
