"""
How long is kept what grows with time, and how much of it is removed at once.

A tier is one kind of what grows. Its life is a setting; the settings are named in `engine/pruning.py`, the rows in
`store/pruning.py`.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum


class Tier(StrEnum):
    """What is removed by age, each with a life of its own."""

    # What Pluggy sent with an event that was handled. The event itself stays longer.
    EVENT_PAYLOADS = "event_payloads"
    EVENTS = "events"
    DEAD_EVENTS = "dead_events"
    ATTEMPTS = "attempts"
    # Notifications that every endpoint took; then those that some endpoint did not take.
    NOTIFICATIONS = "notifications"
    UNDELIVERED = "undelivered"
    SYNC_RUNS = "sync_runs"
    SUBMISSIONS = "submissions"
    ACTIONS = "actions"
    BALANCES = "balances"
    # What operators did, what they did to many things at once, their sessions that are over, and the figures of the
    # console's charts.
    AUDIT_ENTRIES = "audit_entries"
    BULK_OPERATIONS = "bulk_operations"
    CONSOLE_SESSIONS = "console_sessions"
    FIGURES = "figures"
    # What transactions were before they were modified or removed.
    REVISIONS = "revisions"
    # Entries of the change feed that a later one of the same transaction makes needless.
    CHANGES = "changes"


# How often all of a tier is visited: rows go at most this long after the end of their life. The whole feed is read for
# its few rows.
PASS_EVERY = dict.fromkeys(Tier, timedelta(hours=1)) | {Tier.CHANGES: timedelta(days=7)}

# Rows are locked while a batch is removed. Nobody should notice.
BATCH_TARGET_S = 0.02
LEAST_ROWS = 20
MOST_ROWS = 1_000
FIRST_ROWS = 200


def cutoffs(lives: Mapping[Tier, int | None], now: datetime) -> dict[Tier, datetime]:
    """Return before which moment each tier ends; *lives* are in days. A life of None has no end: it is left out."""
    return {tier: now - timedelta(days=days) for tier, days in lives.items() if days is not None}


def next_rows(rows: int, took_s: float) -> int:
    """Return how many rows the next batch visits, after one that visited *rows* and took *took_s* seconds."""
    if took_s > BATCH_TARGET_S:
        return max(LEAST_ROWS, min(rows // 2, int(rows * BATCH_TARGET_S / took_s)))
    return min(MOST_ROWS, rows * 3 // 2) if took_s < BATCH_TARGET_S / 2 else rows
