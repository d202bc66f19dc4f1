"""How fresh an Item's data is, and if it is not, why: one word for products to show or act upon."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pluggy_sync.rules.decision import BANK_OUTAGE, RUNNING

# Without a planned update an Item is expected to be updated as often as the slowest plan does (Pluggy facts 4.2).
ASSUMED_PERIOD = timedelta(hours=24)
# A sync that fails this often in a row is an error, before that it is only under way.
SYNC_PATIENCE = 3
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
    # Of the oldest action that a person must take before the Item can be updated; None: there is none.
    asked_at: datetime | None
    asked_reason: str | None
    # Something is collected that is not stored yet, and how often in a row storing it failed.
    sync_pending: bool
    sync_attempts: int


def freshness_of(item: Known, *, now: datetime, grace: timedelta) -> Freshness:
    """Return how fresh *item* is at *now*; it is stale once it is *grace* behind its expected update."""
    if item.deleted_at is not None:
        return Freshness(state=State.DELETED, since=item.deleted_at)
    if item.status is None:
        return Freshness(state=State.SYNCING, since=item.first_seen_at)
    if item.asked_at is not None:
        return Freshness(state=State.WAITING_FOR_PERSON, since=item.asked_at, reason=item.asked_reason)
    if item.connector_status == "OFFLINE":
        return Freshness(state=State.BANK_OUTAGE, since=item.connector_status_at, reason=BANK_OUTAGE)
    return _of_good(item, now=now, grace=grace) if item.status == "UPDATED" else _of_run(item)


def _of_run(item: Known) -> Freshness:
    """Return how fresh an Item is whose run goes on or failed."""
    if item.status in RUNNING:
        state = State.SYNCING
    elif item.execution_status in BANK_DOWN_CODES:
        state = State.BANK_OUTAGE
    else:
        state = State.ERROR
    return Freshness(state=state, since=item.updated_at, reason=item.execution_status)


def _of_good(item: Known, *, now: datetime, grace: timedelta) -> Freshness:
    if item.sync_pending:
        failing = item.sync_attempts >= SYNC_PATIENCE
        state = State.ERROR if failing else State.SYNCING
        return Freshness(state=state, since=item.updated_at, reason="SYNC_FAILED" if failing else None)
    expected = expected_update(item.last_updated_at, item.next_auto_sync_at)
    if expected is not None and now > expected + grace:
        return Freshness(state=State.STALE, since=expected, reason="UPDATE_OVERDUE")
    return Freshness(state=State.FRESH, since=item.last_updated_at)


def expected_update(last_updated_at: datetime | None, next_auto_sync_at: datetime | None) -> datetime | None:
    """Return when the next update of an Item is expected; None if it was never updated."""
    if next_auto_sync_at is not None or last_updated_at is None:
        return next_auto_sync_at
    return last_updated_at + ASSUMED_PERIOD
