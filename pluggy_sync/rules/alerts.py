"""
What the watchdog tells the operator: the list of codes, and from when on each is raised.

A code is one name for one trouble: of the notification `system.alert`, of the metric `pluggy_sync_alerts`, of the rule
that pages somebody, and of its paragraph in `docs/operations.md`. An alert that is raised stays open until the trouble
was not seen for `CLEARED_AFTER`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol


class Code(StrEnum):
    """The troubles that are told, each under one name everywhere."""

    WEBHOOK_MISSING = "webhook_missing"
    WEBHOOK_SWITCHED_OFF = "webhook_switched_off"
    WEBHOOK_CHANGED = "webhook_changed"
    WEBHOOK_DUPLICATED = "webhook_duplicated"
    CREDENTIALS_REFUSED = "credentials_refused"
    EVENTS_SILENT = "events_silent"
    DELIVERIES_REJECTED = "deliveries_rejected"
    ITEMS_OVERDUE = "items_overdue"
    WORK_OVERDUE = "work_overdue"
    DEAD_LETTERS = "dead_letters"
    ENDPOINT_STOPPED = "endpoint_stopped"
    BALANCES_DRIFT = "balances_drift"
    QUOTA_USED_UP = "quota_used_up"
    PLUGGY_CHANGES = "pluggy_changes"
    DISK_LOW = "disk_low"


# The watchdog asks Pluggy about these, less often than it looks at what is ours.
PLUGGYS = frozenset(
    {
        Code.WEBHOOK_MISSING,
        Code.WEBHOOK_SWITCHED_OFF,
        Code.WEBHOOK_CHANGED,
        Code.WEBHOOK_DUPLICATED,
        Code.CREDENTIALS_REFUSED,
    }
)


class Urgency(StrEnum):
    """Whether somebody has to get up for it."""

    PAGE = "page"
    TICKET = "ticket"


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What a code says in one sentence, and how urgent it is. *subject*: what its alerts are told apart by, or None."""

    text: str
    urgency: Urgency
    subject: str | None = None


MEANINGS: Mapping[Code, Meaning] = {
    Code.WEBHOOK_MISSING: Meaning(text="Pluggy has no webhook to our address", urgency=Urgency.PAGE),
    Code.WEBHOOK_SWITCHED_OFF: Meaning(
        text="Pluggy has switched the webhook to our address off", urgency=Urgency.PAGE, subject="webhook"
    ),
    Code.WEBHOOK_CHANGED: Meaning(
        text="The webhook at Pluggy lacks events or a valid secret", urgency=Urgency.PAGE, subject="webhook"
    ),
    Code.WEBHOOK_DUPLICATED: Meaning(text="Pluggy delivers each event to us more than once", urgency=Urgency.TICKET),
    Code.CREDENTIALS_REFUSED: Meaning(text="Pluggy refuses our credentials", urgency=Urgency.PAGE),
    Code.EVENTS_SILENT: Meaning(text="No event came for longer than usual at this hour", urgency=Urgency.PAGE),
    Code.DELIVERIES_REJECTED: Meaning(
        text="Deliveries are answered 401: their secret is missing or wrong", urgency=Urgency.PAGE
    ),
    Code.ITEMS_OVERDUE: Meaning(text="Many Items are past their update", urgency=Urgency.TICKET),
    Code.WORK_OVERDUE: Meaning(text="Work that is due is not done", urgency=Urgency.PAGE, subject="kind of work"),
    Code.DEAD_LETTERS: Meaning(
        text="Events or notifications were given up", urgency=Urgency.TICKET, subject="kind of work"
    ),
    Code.ENDPOINT_STOPPED: Meaning(
        text="An endpoint of the product was stopped", urgency=Urgency.PAGE, subject="endpoint"
    ),
    Code.BALANCES_DRIFT: Meaning(
        text="Balances of a bank move by more than their rows say", urgency=Urgency.TICKET, subject="bank"
    ),
    Code.QUOTA_USED_UP: Meaning(
        text="The month's Open Finance requests are used up for Items of a bank",
        urgency=Urgency.TICKET,
        subject="bank",
    ),
    Code.PLUGGY_CHANGES: Meaning(
        text="An endpoint of Pluggy is gone, announces its end, or shows what is new to us",
        urgency=Urgency.TICKET,
        subject="endpoint",
    ),
    Code.DISK_LOW: Meaning(text="A disk or Redis is nearly full", urgency=Urgency.PAGE, subject="place"),
}

# What comes and goes within this time is one alert.
CLEARED_AFTER = timedelta(minutes=5)
# How long an alert is kept that was cleared.
KEPT_FOR = timedelta(days=90)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """
    A trouble that is seen now. *subject*: what it is about, where one code may be open for several things.

    *detail* is for the operator and the product: ids, counts and times, no bank data. *since*: when it began, as far
    as is known; None: now.
    """

    code: Code
    detail: str
    subject: str = ""
    since: datetime | None = None


# Strangers knock now and then. Each delivery of Pluggy that is answered 401 is lost.
REJECTED_AT_LEAST = 5


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """How many deliveries from one address were answered 401 lately, and why (`pluggy_sync/rejections.py`)."""

    why: str
    address: str
    number: int


_SHOWN = {
    "missing": "missing secret",
    "wrong": "wrong secret",
    "signature": "bad signature",
    "timestamp": "time that is not near",
    "address": "network that is not allowed",
}


def of_rejected(rejected: Sequence[Rejected]) -> list[Finding]:
    """Return whether so many deliveries are rejected that some may be Pluggy's."""
    if sum(each.number for each in rejected) < REJECTED_AT_LEAST:
        return []
    return [Finding(code=Code.DELIVERIES_REJECTED, detail=rejected_in_words(rejected))]


def rejected_in_words(rejected: Sequence[Rejected]) -> str:
    """Return how many deliveries were rejected of late, and the most frequent reasons; `none` for none."""
    most = sorted(rejected, key=lambda each: -each.number)[:3]
    if not most:
        return "none in 20 minutes"
    detail = ", ".join(f"{each.number} from {each.address} with a {_SHOWN.get(each.why, each.why)}" for each in most)
    return f"{sum(each.number for each in rejected)} in 20 minutes: {detail}"


# Of the days before, so many must be known, and in so many of them events came in the same hours.
DAYS_COMPARED = 14
DAYS_AT_LEAST = 5
SILENT_FOR_AT_LEAST = timedelta(minutes=30)
USUAL_AT_LEAST = 3


def of_silence(last: datetime | None, on_days_before: Sequence[int], now: datetime) -> list[Finding]:
    """
    Return whether no event came for longer than usual.

    *last*: when the last one came. *on_days_before*: how many came on each of the days before between the same times of
    the day; a day before the first event ever is left out.
    """
    if last is None or now - last < SILENT_FOR_AT_LEAST or len(on_days_before) < DAYS_AT_LEAST:
        return []
    # One day without events, a holiday or an outage, does not make silence usual.
    least = sorted(on_days_before)[1]
    if least < USUAL_AT_LEAST:
        return []
    detail = (
        f"None for {_minutes(now - last)}; on nearly all of the {len(on_days_before)} days before, "
        f"{least} or more came in these hours"
    )
    return [Finding(code=Code.EVENTS_SILENT, detail=detail, since=last)]


OVERDUE_ITEMS_AT_LEAST = 10
OVERDUE_ITEMS_SHARE = 0.05


def of_items(overdue: int, total: int) -> list[Finding]:
    """Return whether many of *total* Items are past their update by more than STALE_AFTER_HOURS."""
    if overdue < OVERDUE_ITEMS_AT_LEAST or overdue < total * OVERDUE_ITEMS_SHARE:
        return []
    return [Finding(code=Code.ITEMS_OVERDUE, detail=f"{overdue} of {total} Items")]


class Work(StrEnum):
    """The kinds of work that may be overdue."""

    URGENT_EVENTS = "urgent events"
    EVENTS = "events"
    SYNCS = "syncs"
    NOTIFICATIONS = "notifications"


OVERDUE_AFTER: Mapping[Work, timedelta] = {
    Work.URGENT_EVENTS: timedelta(minutes=2),
    Work.EVENTS: timedelta(minutes=15),
    Work.SYNCS: timedelta(minutes=30),
    Work.NOTIFICATIONS: timedelta(minutes=15),
}


def of_work(overdue_since: Mapping[Work, datetime | None], now: datetime) -> list[Finding]:
    """Return which work is overdue. *overdue_since*: when the oldest that should have been done was due."""
    return [
        Finding(
            code=Code.WORK_OVERDUE,
            subject=work,
            detail=f"The oldest of the {work} should have been done {_minutes(now - since)} ago",
            since=since,
        )
        for work, since in overdue_since.items()
        if since is not None and now - since > OVERDUE_AFTER[work]
    ]


# An old dead letter must not hide a new one: those older than this are in the metrics only.
DEAD_WITHIN = timedelta(hours=24)


def of_dead(dead: Mapping[Work, int]) -> list[Finding]:
    """Return what was given up within `DEAD_WITHIN`."""
    return [
        Finding(code=Code.DEAD_LETTERS, subject=work, detail=f"{number} {work} in the last 24 hours")
        for work, number in dead.items()
        if number
    ]


@dataclass(frozen=True, kw_only=True)
class Stopped:
    """An endpoint that was stopped; *reason* as in `store/endpoints.py`."""

    endpoint_id: str
    reason: str
    at: datetime
    waiting: int


def of_endpoints(stopped: Sequence[Stopped]) -> list[Finding]:
    """Return the endpoints that are stopped."""
    return [
        Finding(
            code=Code.ENDPOINT_STOPPED,
            subject=each.endpoint_id,
            detail=f"{each.endpoint_id} ({each.reason}); {each.waiting} notifications wait for it",
            since=each.at,
        )
        for each in stopped
    ]


DRIFTING_AT_LEAST = 5
DRIFTING_SHARE = 0.05
QUOTA_AT_LEAST = 3


@dataclass(frozen=True, kw_only=True)
class OfBank:
    """How many of a bank's accounts or Items are concerned, of how many. *name* None: not known."""

    connector_id: int
    name: str | None
    number: int
    total: int

    @property
    def bank(self) -> str:
        """Its name and number."""
        return f"{self.name or 'bank'} ({self.connector_id})"


def of_drift(banks: Sequence[OfBank]) -> list[Finding]:
    """Return the banks of which many accounts' balances moved within a day by more than their rows say."""
    return [
        Finding(
            code=Code.BALANCES_DRIFT,
            subject=str(each.connector_id),
            detail=f"{each.bank}: {each.number} of {each.total} accounts collected in the last 24 hours",
        )
        for each in banks
        if each.number >= DRIFTING_AT_LEAST and each.number >= each.total * DRIFTING_SHARE
    ]


def of_quota(banks: Sequence[OfBank]) -> list[Finding]:
    """Return the banks of which Items have the warning 423 (Pluggy facts 5.9)."""
    return [
        Finding(code=Code.QUOTA_USED_UP, subject=str(each.connector_id), detail=f"{each.bank}: {each.number} Items")
        for each in banks
        if each.number >= QUOTA_AT_LEAST
    ]


@dataclass(frozen=True, kw_only=True)
class SignOfChange:
    """A sign of an *endpoint* (`pluggy_sync/radar.py`): `gone`, `deprecation`, `sunset`, or that *what* is new."""

    endpoint: str
    sign: str
    what: str


def of_changes(signs: Sequence[SignOfChange]) -> list[Finding]:
    """Return one finding for each endpoint that shows signs of a change."""
    by_endpoint: dict[str, list[str]] = {}
    for each in signs:
        by_endpoint.setdefault(each.endpoint, []).append(f"{each.sign} {each.what}".strip())
    return [
        Finding(code=Code.PLUGGY_CHANGES, subject=endpoint, detail=", ".join(said[:10]))
        for endpoint, said in by_endpoint.items()
    ]


DISK_SHARE = 0.10
DISK_BYTES = 1024**3


@dataclass(frozen=True, kw_only=True)
class Room:
    """What is left of *total* bytes at a *place*: `spill`, `postgres`, `redis`."""

    place: str
    free: int
    total: int

    @property
    def is_low(self) -> bool:
        """Whether less than a tenth is left. Of a disk, also whether less than a gigabyte is."""
        return self.free < self.total * DISK_SHARE or (self.place != "redis" and self.free < DISK_BYTES)


def of_room(rooms: Sequence[Room]) -> list[Finding]:
    """Return the places that are nearly full."""
    return [
        Finding(
            code=Code.DISK_LOW,
            subject=each.place,
            detail=f"{each.place}: {_megabytes(each.free)} of {_megabytes(each.total)} left",
        )
        for each in rooms
        if each.is_low
    ]


class Open(Protocol):
    """An alert that is open."""

    @property
    def code(self) -> Code: ...

    @property
    def last_seen_at(self) -> datetime: ...


def is_over(alert: Open, checked: Collection[Code], now: datetime) -> bool:
    """Return whether the trouble is over: it was looked for, and was not seen for `CLEARED_AFTER`."""
    return alert.code in checked and now - alert.last_seen_at >= CLEARED_AFTER


def _minutes(duration: timedelta) -> str:
    return f"{int(duration.total_seconds()) // 60} minutes"


def _megabytes(size: int) -> str:
    return f"{size / 1024**2:,.0f} MB"
