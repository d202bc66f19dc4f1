"""How fresh an Item's data is, and why it is not: one word for products to show or act upon."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pluggy_sync.rules.contradictions import Contradiction
from pluggy_sync.rules.statuses import OFFLINE, RUNNING, UPDATED

# If no update is planned, one is expected as often as on the slowest plan (Pluggy facts 4.2).
ASSUMED_PERIOD = timedelta(hours=24)
# Before so many failures in a row a sync is only under way; then it is an error. The same goes for an Item that Pluggy
# does not find.
SYNC_PATIENCE = 3
BANK_OUTAGE = "CONNECTOR_OFFLINE"
# Another Item brings the same accounts now.
REPLACED = "REPLACED"
# The bank does not answer, though its connector is not marked as offline.
BANK_DOWN_CODES = frozenset({"SITE_NOT_AVAILABLE"})


class State(StrEnum):
    """`freshness.state` of the product contract."""

    FRESH = "fresh"
    STALE = "stale"
    SYNCING = "syncing"
    WAITING_FOR_PERSON = "waiting_for_person"
    BANK_OUTAGE = "bank_outage"
    ERROR = "error"
    DELETED = "deleted"


@dataclass(frozen=True, kw_only=True)
class Freshness:
    """`since`: when the state began as far as is known; `reason`: the code behind it, None when all is well."""

    state: State
    since: datetime | None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of an Item. `status` None: it was not seen yet."""

    status: str | None
    execution_status: str | None
    updated_at: datetime | None
    last_updated_at: datetime | None
    next_auto_sync_at: datetime | None
    first_seen_at: datetime
    deleted_at: datetime | None
    connector_status: str | None
    connector_status_at: datetime | None
    # Of the oldest action without which the Item cannot be updated; None: there is none.
    asked_at: datetime | None
    asked_reason: str | None
    # Whether Pluggy has collected something that is not stored yet, and how often in a row storing it failed.
    sync_pending: bool
    sync_attempts: int
    # An event told of an update that Pluggy does not show yet.
    update_pending: bool = False
    # How often Pluggy answered 404 in a row since an event or the product named the Item.
    not_found: int = 0
    is_replaced: bool = False
    # The type of the worst incident at the bank, since when, and whether nobody is asked for anything meanwhile.
    incident: str | None = None
    incident_at: datetime | None = None
    bank_away: bool = False


def freshness_of(item: Known, *, now: datetime, grace: timedelta) -> Freshness:
    """
    Return how fresh *item* is at *now*; it is stale once it is *grace* behind its expected update.

    When several states hold, the first one in the order of the product contract is told.
    """
    found = (
        _deleted(item)
        or _replaced(item)
        or _bank_outage(item)
        or _waiting_for_person(item)
        or _syncing(item)
        or _hit_by_incident(item, _error(item) or _stale(item, now=now, grace=grace))
    )
    return found or Freshness(state=State.FRESH, since=item.last_updated_at)


def tells_stale(item: Known, *, now: datetime, grace: timedelta) -> bool:
    """
    Return whether the product is told that *item* is stale.

    The product is told when the Item is behind its expected update: for no known reason (`stale`), or because the bank
    or Pluggy keeps failing (`error`, `bank_outage`). It is not told while a person must act, the connector is offline
    or an update goes on: it hears of these instead.
    """
    if (
        item.is_replaced
        or item.bank_away
        or item.connector_status == OFFLINE
        or _stale(item, now=now, grace=grace) is None
    ):
        return False
    state = freshness_of(item, now=now, grace=grace).state
    return state in (State.STALE, State.ERROR, State.BANK_OUTAGE)


def _deleted(item: Known) -> Freshness | None:
    return None if item.deleted_at is None else Freshness(state=State.DELETED, since=item.deleted_at)


def _replaced(item: Known) -> Freshness | None:
    return Freshness(state=State.STALE, since=item.last_updated_at, reason=REPLACED) if item.is_replaced else None


def _bank_outage(item: Known) -> Freshness | None:
    if item.bank_away:
        return Freshness(state=State.BANK_OUTAGE, since=item.incident_at, reason=item.incident)
    if item.connector_status == OFFLINE:
        return Freshness(state=State.BANK_OUTAGE, since=item.connector_status_at, reason=BANK_OUTAGE)
    if item.status != UPDATED and item.status not in RUNNING and item.execution_status in BANK_DOWN_CODES:
        return Freshness(state=State.BANK_OUTAGE, since=item.updated_at, reason=item.incident or item.execution_status)
    return None


def _hit_by_incident(item: Known, found: Freshness | None) -> Freshness | None:
    """Return *found*, which says that the Item is not well; if its bank has an incident, that is why."""
    if found is None or item.incident is None:
        return found
    return Freshness(state=State.BANK_OUTAGE, since=item.incident_at, reason=item.incident)


def _waiting_for_person(item: Known) -> Freshness | None:
    if item.asked_at is None:
        return None
    return Freshness(state=State.WAITING_FOR_PERSON, since=item.asked_at, reason=item.asked_reason)


def _syncing(item: Known) -> Freshness | None:
    if item.not_found >= SYNC_PATIENCE:
        return None
    if item.status is None:
        return Freshness(state=State.SYNCING, since=item.first_seen_at)
    if item.status in RUNNING:
        return Freshness(state=State.SYNCING, since=item.updated_at, reason=item.execution_status)
    if item.update_pending or (item.status == UPDATED and item.sync_pending and not _sync_fails(item)):
        return Freshness(state=State.SYNCING, since=item.updated_at)
    return None


def _sync_fails(item: Known) -> bool:
    return item.sync_pending and item.sync_attempts >= SYNC_PATIENCE


def _error(item: Known) -> Freshness | None:
    if item.not_found >= SYNC_PATIENCE:
        return Freshness(state=State.ERROR, since=item.updated_at, reason=Contradiction.NOT_FOUND)
    if item.status != UPDATED:
        return Freshness(state=State.ERROR, since=item.updated_at, reason=item.execution_status)
    if _sync_fails(item):
        return Freshness(state=State.ERROR, since=item.updated_at, reason="SYNC_FAILED")
    return None


def _stale(item: Known, *, now: datetime, grace: timedelta) -> Freshness | None:
    expected = expected_update(item)
    return Freshness(state=State.STALE, since=expected, reason="UPDATE_OVERDUE") if now > expected + grace else None


def expected_update(item: Known) -> datetime:
    """Return when the next update of *item* is, or was, expected."""
    return item.next_auto_sync_at or (item.last_updated_at or item.first_seen_at) + ASSUMED_PERIOD
