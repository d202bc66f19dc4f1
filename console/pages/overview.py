"""The first page: how the service stands, and what needs an operator."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from flask import Blueprint, render_template, url_for
from redis.exceptions import RedisError

from console.pages.page_resources import resources
from pluggy_sync.metrics import ENDPOINTS
from pluggy_sync.store import overview
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


# So long an event, a notification or a sync run may wait before somebody has to look.
URGENT_LATE = timedelta(seconds=30)
LATE = timedelta(minutes=5)


@blueprint.get("/")
def show() -> str:
    """Show the page."""
    return render_template("overview.html", **_figures())


@blueprint.get("/overview/figures")
def figures() -> str:
    """Return the part of the page that changes."""
    return render_template("overview_figures.html", **_figures())


def _figures() -> dict[str, object]:
    res = resources()
    now = res.now()
    with res.database.begin() as conn:
        stands = overview.read(conn, now=now)
    budget = _budget()
    return {"it": stands, "now": now, "budget": budget, "attention": _attention(stands, budget, now)}


def _attention(it: Overview, budget: Sequence[Budget] | None, now: datetime) -> list[Attention]:
    """Return what an operator has to look at, the worst first."""
    found = [
        (budget is None, Attention(tone="bad", text="Redis does not answer: work is only found by the sweep.")),
        (
            _is_late(it.oldest_urgent_event, now, URGENT_LATE),
            Attention(
                tone="bad",
                text="An event that a person waits for is not handled",
                href=url_for("events.show", which="waiting"),
                since=it.oldest_urgent_event,
            ),
        ),
        (
            it.endpoints_stopped > 0,
            Attention(tone="bad", text=f"{_number(it.endpoints_stopped, 'endpoint')} of the product stopped"),
        ),
        (
            it.events_dead > 0,
            Attention(
                tone="bad",
                text=f"{_number(it.events_dead, 'event')} given up",
                href=url_for("events.show", which="dead"),
            ),
        ),
        (
            it.notifications_dead > 0,
            Attention(
                tone="bad",
                text=f"{_number(it.notifications_dead, 'notification')} given up",
                href=url_for("notifications.show", state="dead"),
            ),
        ),
        (
            it.endpoints_failing > 0,
            Attention(tone="wait", text=f"{_number(it.endpoints_failing, 'endpoint')} of the product failing"),
        ),
        (
            _is_late(it.oldest_event, now, LATE),
            Attention(
                tone="wait",
                text="Events wait for long",
                href=url_for("events.show", which="waiting"),
                since=it.oldest_event,
            ),
        ),
        (
            _is_late(it.oldest_sync, now, LATE),
            Attention(tone="wait", text="Sync runs are overdue", since=it.oldest_sync),
        ),
        (
            _is_late(it.oldest_notification, now, LATE),
            Attention(
                tone="wait",
                text="Notifications wait for long",
                href=url_for("notifications.show", state="pending"),
                since=it.oldest_notification,
            ),
        ),
    ]
    return [each for holds, each in found if holds]


def _is_late(since: datetime | None, now: datetime, bound: timedelta) -> bool:
    return since is not None and now - since > bound


def _number(number: int, name: str) -> str:
    return f"{number:,} {name}" if number == 1 else f"{number:,} {name}s"


def _budget() -> list[Budget] | None:
    """Return what is left of the budget; None: Redis does not answer."""
    try:
        left = resources().pluggy.budget.left(ENDPOINTS)
    except RedisError as exc:
        log.warning("console.redis_failed", error=type(exc).__name__)
        return None
    return [Budget(endpoint=endpoint, left=number) for endpoint, number in left.items()]
