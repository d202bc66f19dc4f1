"""
Removing by age: a batch of each tier in turn, until nothing is over its life or the time is up.

Beat calls it often and briefly. Each batch is a transaction of its own that locks its rows for some hundredths of a
second. What a killed process did not commit is removed by the next call.
"""

import math
import time
from collections.abc import Callable, Mapping
from datetime import datetime

import structlog
from sqlalchemy.exc import OperationalError

from pluggy_sync.resources import Resources
from pluggy_sync.rules import retention
from pluggy_sync.rules.retention import Tier
from pluggy_sync.settings import Settings
from pluggy_sync.store import endpoints, pruning

log = structlog.get_logger(__name__)

# Deliveries and attempts of endpoints that were deleted, which go at once.
OF_ENDPOINTS_AT_ONCE = 500


def lives(settings: Settings) -> dict[Tier, int | None]:
    """Return how many days each tier is kept; None: for ever."""
    return {
        Tier.EVENT_PAYLOADS: settings.keep_event_payloads_days,
        Tier.EVENTS: settings.keep_events_days,
        Tier.DEAD_EVENTS: settings.keep_dead_letters_days,
        Tier.ATTEMPTS: settings.keep_attempts_days,
        Tier.NOTIFICATIONS: settings.keep_notifications_days,
        Tier.UNDELIVERED: settings.keep_dead_letters_days,
        Tier.SYNC_RUNS: settings.keep_sync_runs_days,
        Tier.SUBMISSIONS: settings.keep_submissions_days,
        Tier.ACTIONS: settings.keep_actions_days,
        Tier.BALANCES: settings.keep_balances_days,
        Tier.AUDIT_ENTRIES: settings.keep_audit_entries_days,
        Tier.BULK_OPERATIONS: settings.keep_bulk_operations_days,
        Tier.CONSOLE_SESSIONS: settings.keep_console_sessions_days,
        Tier.FIGURES: settings.keep_figures_days,
        Tier.REVISIONS: settings.keep_revisions_days,
        Tier.CHANGES: settings.keep_changes_days,
    }


def prune(
    res: Resources,
    *,
    within_s: float | None = None,
    at_once: bool = False,
    told: Callable[[Tier, int], None] = lambda _tier, _removed: None,
) -> Mapping[Tier, int]:
    """
    Remove what is over its life; return how many rows of each tier, of those that were visited.

    *within_s*: stop after that time; None: go on to the end. *at_once*: begin a pass of every tier now, though none
    may be due. *told* hears of each batch.
    """
    ends = math.inf if within_s is None else time.monotonic() + within_s
    cutoffs = retention.cutoffs(lives(res.settings), res.now())
    if at_once:
        with res.database.begin() as conn:
            pruning.begin_anew(conn, cutoffs, now=res.now())
    removed: dict[Tier, int] = {}
    sizes = dict.fromkeys(cutoffs, retention.FIRST_ROWS)
    left = list(cutoffs)
    while left and time.monotonic() < ends:
        for tier in tuple(left):
            began = time.monotonic()
            batch = _batch(res, tier, cutoffs[tier], rows=sizes[tier])
            sizes[tier] = retention.next_rows(sizes[tier], time.monotonic() - began)
            if batch is not None and batch.removed:
                removed[tier] = removed.get(tier, 0) + batch.removed
                told(tier, batch.removed)
            if batch is None or batch.is_last:
                left.remove(tier)
    _remove_deleted_endpoints(res, ends)
    if removed:
        log.info("pruning.removed", **{tier.value: number for tier, number in removed.items()})
    return removed


def _batch(res: Resources, tier: Tier, before: datetime, *, rows: int) -> pruning.Batch | None:
    """Remove one batch; None: there is nothing to do at this moment."""
    now = res.now()
    try:
        with res.database.begin() as conn:
            if not pruning.begin(conn, tier, now=now, unless_since=now - retention.PASS_EVERY[tier]):
                return None
            return pruning.remove(conn, tier, before=before, rows=rows, now=now)
    except OperationalError as exc:
        log.warning(
            "pruning.waits", tier=tier.value, error=type(exc.orig).__name__, next="it goes on with the next call"
        )
        return None


def _remove_deleted_endpoints(res: Resources, ends: float) -> None:
    removed = 1
    while removed and time.monotonic() < ends:
        with res.database.begin() as conn:
            removed = endpoints.remove_deleted(conn, limit=OF_ENDPOINTS_AT_ONCE)


def overdue(res: Resources, *, at_most: int) -> dict[Tier, int]:
    """Return how many rows of each tier are over their life and were not removed; *at_most*: as many or more."""
    found = {}
    for tier, before in retention.cutoffs(lives(res.settings), res.now()).items():
        with res.database.begin() as conn:
            found[tier] = pruning.overdue(conn, tier, before=before, at_most=at_most)
    return found
