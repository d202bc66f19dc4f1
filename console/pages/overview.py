"""The first page: how the service stands, and what needs an operator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from flask import Blueprint, render_template, request, url_for
from redis.exceptions import RedisError

from console.pages.page_resources import resources
from pluggy_sync.metrics import ENDPOINTS
from pluggy_sync.rules.alerts import MEANINGS, Code, Urgency, Work
from pluggy_sync.store import figures as figures_over_time
from pluggy_sync.store import overview
from pluggy_sync.store.alerts import Alert
from pluggy_sync.store.figures import Figure
from pluggy_sync.store.overview import Overview

blueprint = Blueprint("overview", __name__)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What may still be asked of Pluggy in this minute, by *endpoint*."""

    endpoint: str
    left: int


@dataclass(frozen=True, kw_only=True)
class Attention:
    """Something that an operator has to look at; `since`: since when, None: not known."""

    tone: str
    text: str
    href: str | None = None
    since: datetime | None = None
    # Of an alert: its paragraph in docs/operations.md has the same name. When the watchdog saw it, and looked, last.
    code: str | None = None
    last_seen_at: datetime | None = None
    looked_at: datetime | None = None


# Work that is due this moment is not late.
LATE: Mapping[Work, timedelta] = {Work.URGENT_EVENTS: timedelta(seconds=30)}
LATE_OTHERWISE = timedelta(minutes=2)
_LATE = {
    Work.URGENT_EVENTS: "Events that a person waits for are not handled",
    Work.EVENTS: "Events are not handled",
    Work.SYNCS: "Sync runs that are due do not begin",
    Work.NOTIFICATIONS: "Notifications that are due are not delivered",
}
CHARTS: Sequence[tuple[Figure, str]] = (
    (Figure.EVENTS, "Events of Pluggy"),
    (Figure.RUNS, "Sync runs begun"),
    (Figure.ATTEMPTS, "Attempts to notify"),
    (Figure.OVERDUE, "Oldest overdue work, seconds"),
    (Figure.ACTIONS, "Open actions"),
    (Figure.GIVEN_UP, "Given up"),
)
# What is charted at once, and the length of a step.
SPANS = {
    "day": (timedelta(days=1), timedelta(minutes=10)),
    "week": (timedelta(days=7), timedelta(hours=1)),
}


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A figure over time: seconds since 1970, and values; None: not known."""

    name: str
    is_sum: bool
    times: list[int]
    values: list[float | None]

    @property
    def latest(self) -> float | None:
        """The newest value that is known."""
        return next((each for each in reversed(self.values) if each is not None), None)

    @property
    def most(self) -> float | None:
        """The largest."""
        return max((each for each in self.values if each is not None), default=None)


@blueprint.get("/")
def show() -> str:
    """Show the page."""
    return render_template("overview.html", **_figures(), **_charts("day"))


@blueprint.get("/overview/figures")
def figures() -> str:
    """Return the part of the page that changes."""
    return render_template("overview_figures.html", **_figures())


@blueprint.get("/overview/charts")
def charts() -> str:
    """Return the charts of a span."""
    span = request.args.get("span", "")
    return render_template("charts.html", **_charts(span if span in SPANS else "day"))


def _charts(span: str) -> dict[str, object]:
    length, step = SPANS[span]
    now = resources().now()
    with resources().database.begin() as conn:
        found = figures_over_time.over_time(conn, since=now - length, until=now, step=step)
    drawn = [
        Chart(
            name=name,
            is_sum=figure in figures_over_time.SUMS,
            times=[int(each.at.timestamp()) for each in found[figure]],
            values=[each.value for each in found[figure]],
        )
        for figure, name in CHARTS
    ]
    return {"charts": drawn, "span": span, "spans": list(SPANS), "step": step}


def _figures() -> dict[str, object]:
    res = resources()
    now = res.now()
    with res.database.begin() as conn:
        stands = overview.read(conn, now=now)
    budget = _budget()
    attention = [*_alerts(stands), *_not_told(stands, budget, now)]
    return {"it": stands, "now": now, "budget": budget, "attention": attention, "Work": Work}


def _alerts(it: Overview) -> list[Attention]:
    """Return the open alerts of the watchdog."""
    return [
        Attention(
            tone="bad" if MEANINGS[each.code].urgency is Urgency.PAGE else "wait",
            text=f"{MEANINGS[each.code].text}: {each.detail}",
            href=_page_of(each),
            since=each.since,
            code=each.code.value,
            last_seen_at=each.last_seen_at,
            looked_at=it.looked_at(each.code),
        )
        for each in it.alerts
    ]


def _not_told(it: Overview, budget: Sequence[Budget] | None, now: datetime) -> list[Attention]:
    """Return what needs an operator and is no alert, or not yet."""
    found = []
    if budget is None:
        found.append(Attention(tone="bad", text="Redis does not answer. What is due is found once it does."))
    if it.last_sweep_at is not None and now - it.last_sweep_at > LATE_OTHERWISE:
        text = "Nothing sweeps: look at beat and at the workers of the queue schedule"
        found.append(Attention(tone="bad", text=text, href=url_for("workers.show"), since=it.last_sweep_at))
    told = {(each.code, each.subject) for each in it.alerts}
    found += [
        Attention(tone="wait", text=_LATE[work], href=_list_of(work), since=since)
        for work, since in it.overdue.items()
        if since is not None
        and now - since > LATE.get(work, LATE_OTHERWISE)
        and (Code.WORK_OVERDUE, work.value) not in told
    ]
    codes = {each.code for each in it.alerts}
    failed = (
        (it.endpoints_stopped, "endpoint", "stopped", url_for("endpoints.show"), Code.ENDPOINT_STOPPED),
        (it.events_dead, "event", "given up", _list_of(Work.EVENTS, dead=True), Code.DEAD_LETTERS),
        (it.notifications_dead, "notification", "given up", _list_of(Work.NOTIFICATIONS, dead=True), Code.DEAD_LETTERS),
        (it.endpoints_failing, "endpoint", "failing", url_for("endpoints.show"), None),
    )
    found += [
        Attention(tone="wait", text=f"{number:,} {noun if number == 1 else noun + 's'} {state}", href=href)
        for number, noun, state, href, code in failed
        if number and code not in codes
    ]
    return found


def _page_of(alert: Alert) -> str | None:
    """Return the page on which to look at what an alert tells; None: there is none."""
    match alert.code:
        case Code.ENDPOINT_STOPPED:
            return url_for("endpoints.one", endpoint_id=alert.subject)
        case Code.ITEMS_OVERDUE:
            return url_for("items.show", freshness="stale")
        # A newer version may know more kinds of work.
        case Code.DEAD_LETTERS | Code.WORK_OVERDUE if alert.subject in list(Work):
            return _list_of(Work(alert.subject), dead=alert.code is Code.DEAD_LETTERS)
        case _:
            return None


def _list_of(work: Work, *, dead: bool = False) -> str:
    if work is Work.NOTIFICATIONS:
        return url_for("notifications.show", state="dead" if dead else "pending")
    if work is Work.SYNCS:
        return url_for("items.show", freshness="syncing")
    return url_for("events.show", which="dead" if dead else "waiting")


def _budget() -> list[Budget] | None:
    """Return what is left of the budget; None: Redis does not answer."""
    try:
        left = resources().pluggy.budget.left(ENDPOINTS)
    except RedisError as exc:
        log.warning("console.redis_failed", error=type(exc).__name__)
        return None
    return [Budget(endpoint=endpoint, left=number) for endpoint, number in left.items()]
