"""How the templates write moments, numbers and states."""

from datetime import UTC, datetime, timedelta

from flask import Flask
from markupsafe import Markup

from console.pages.page_resources import resources
from pluggy_sync.rules import timeline
from pluggy_sync.rules.ages import ago, span
from pluggy_sync.rules.freshness import State

# How each state looks: well, under way, to be looked at, or over.
_TONE_OF_FRESHNESS = {
    State.FRESH: "good",
    State.SYNCING: "busy",
    State.WAITING_FOR_PERSON: "wait",
    State.BANK_OUTAGE: "wait",
    State.STALE: "bad",
    State.ERROR: "bad",
    State.DELETED: "quiet",
}
_TONES = {
    **{state.value: tone for state, tone in _TONE_OF_FRESHNESS.items()},
    "handled": "good",
    "delivered": "good",
    "done": "good",
    "working": "good",
    "ONLINE": "good",
    "resolved": "good",
    "stored": "busy",
    "pending": "busy",
    "running": "busy",
    "kept": "good",
    "linked": "good",
    "open": "wait",
    "suggested": "wait",
    "nearly used": "wait",
    "missed": "bad",
    "submitted": "busy",
    "UNSTABLE": "wait",
    "failing": "wait",
    "rescheduled": "wait",
    "stopped": "bad",
    "dead": "bad",
    "failed": "bad",
    "OFFLINE": "bad",
    "abandoned": "bad",
}


def register(app: Flask) -> None:
    """Let the templates of *app* use these."""
    app.jinja_env.filters.update(
        when=when,
        moment=moment,
        lag=lag,
        span=seconds,
        number=number,
        shown=shown,
        tone=tone,
        state=state,
        words=timeline.words,
        due=timeline.words_of_due,
    )
    app.jinja_env.tests["overdue"] = lambda value: value is not None and value < resources().now()


def when(value: datetime | None) -> Markup:
    """Return how long ago *value* was, or how far ahead it lies; its moment stands behind it. A dash for None."""
    if value is None:
        return Markup('<span class="none">–</span>')
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        value.astimezone(UTC).isoformat(), moment(value), ago(value, resources().now())
    )


def moment(value: datetime | None) -> str:
    """Return *value* in UTC; a dash for None."""
    return "–" if value is None else f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def number(value: float | None) -> str:
    """Return *value* with commas; a dash for None."""
    return "–" if value is None else f"{value:,.0f}"


def shown(value: object) -> object:
    """Return *value* as it is; a dash for None and for an empty text. 0 is a value: a bank has that number."""
    return "–" if value is None or value == "" else value


def lag(since: datetime | None, now: datetime) -> str:
    """Return how long something waits; a dash if nothing does."""
    return "–" if since is None or since > now else span(now - since)


def seconds(value: float | None) -> str:
    """Return a span of *value* seconds in words; a dash for None."""
    return "–" if value is None else span(timedelta(seconds=value))


def tone(value: str | None) -> str:
    """Return the class of the style sheet for a state."""
    return _TONES.get(value or "", "quiet")


def state(value: str | None) -> Markup:
    """Return a state as a badge: its colour says no more than its word."""
    text = "–" if value is None else str(value).replace("_", " ")
    return Markup('<span class="state {}">{}</span>').format(tone(value), text)
