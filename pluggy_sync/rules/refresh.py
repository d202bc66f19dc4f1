"""Whether an Item can be updated right now without its person (Pluggy facts 4.3): the founding rule."""

from enum import StrEnum

from pluggy_sync.pluggy.payloads import Item
from pluggy_sync.rules.decision import KIND_OF_CODE, RUNNING
from pluggy_sync.rules.needs import UPDATE_NEEDS_PERSON, Kind, Need, parameter_of_login


class Verdict(StrEnum):
    """What to do when somebody asks for an update."""

    DIRECT = "direct"  # update by API
    RUNNING = "running"  # it is being updated
    OFFLINE = "offline"  # the bank is away; nobody can do anything
    PERSON = "person"  # a person must act first


def verdict_on(item: Item, *, offline: bool) -> Verdict:
    """
    Return how *item* can be updated. *offline*: its connector was heard to be, perhaps after *item* was seen.

    Directly when no MFA value is needed for a run and the last one did not end in invalid credentials. That
    auto-sync is planned proves that no value is needed, whatever the connector says.
    """
    if item.status in RUNNING:
        return Verdict.RUNNING
    if offline or item.connector.offline:
        return Verdict.OFFLINE
    if item.status == "LOGIN_ERROR" or item.status.startswith("WAITING_") or item.execution_status in KIND_OF_CODE:
        return Verdict.PERSON
    if item.connector.needs_mfa_each_run and item.next_auto_sync_at is None:
        return Verdict.PERSON
    return Verdict.DIRECT


def need_to_update(item: Item) -> Need:
    """Return the need of an Item that is well, but whose next update wants its person."""
    parameter = parameter_of_login(item)
    return Need(
        kind=Kind.MFA,
        reason=UPDATE_NEEDS_PERSON,
        dedup_key=f"{Kind.MFA.value}:{UPDATE_NEEDS_PERSON}",
        parameter=parameter,
        user_action=None,
        provider_message=None,
        expires_at=None,
    )
