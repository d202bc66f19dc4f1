"""
Why an Item is as it is: one sentence for operators, on the Item's page and in `pluggy-sync explain`.

The sentence says how the Item stands, since when and why, and what happens next. It holds no bank data.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pluggy_sync.rules.ages import ago, at, span
from pluggy_sync.rules.freshness import BANK_OUTAGE, REPLACED, Freshness, Known, State, expected_update
from pluggy_sync.rules.statuses import RUNNING, WAITING
from pluggy_sync.rules.timeline import Due, DueKind

# Of an execution: what could be collected was (Pluggy facts 3.2).
PARTIAL_SUCCESS = "PARTIAL_SUCCESS"


# A hundred events, or dead letters, of one Item say no more than this many.
COUNTED = 100


@dataclass(frozen=True, kw_only=True)
class News:
    """
    Events of an Item that came after it was last fetched and are not handled: what they tell is not known yet.

    `number` of them, up to `COUNTED`; `given_up` of these are dead letters. `since`: when the oldest was received.
    """

    number: int
    given_up: int
    since: datetime


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """
    What is known of an Item at *now*.

    `bank`: the connector's name; None: not known. `asked_kind`: the kind of the action without which the Item cannot be
    updated; None: there is none. `run_error`: of the newest sync run; None: it did not fail. `unread`: the data
    products that could not be read completely. `is_leased`: a sync run is at work. `due`: what happens next, the next
    first. `dead_events` and `dead_letters`: events and deliveries of it that were given up. `news`: what came after the
    Item was last fetched; None: nothing.
    """

    now: datetime
    known: Known
    freshness: Freshness
    bank: str | None
    asked_kind: str | None
    run_error: str | None
    unread: Sequence[str]
    is_leased: bool
    due: Sequence[Due]
    dead_events: int
    dead_letters: int
    news: News | None


def sentence(item: Circumstances) -> str:
    """Return in one sentence why the Item is as it is, and what happens next; a second one tells what waits beside."""
    said = _SENTENCES[item.freshness.state](item)
    waits = _waits_beside(item)
    return said if waits is None else f"{said} {waits}"


def may_have_changed(item: Circumstances) -> bool:
    """Return whether more is known to have happened than the Item's freshness tells: news, or a run of a fresh one."""
    return item.news is not None or (item.is_leased and item.freshness.state is State.FRESH)


def remarks(item: Circumstances) -> list[str]:
    """Return what an operator has to know beside the sentence, because nothing mends it by itself."""
    found = []
    if item.dead_events:
        found.append(f"Given up until an operator processes it again: {_number(item.dead_events, 'event')}.")
    if item.dead_letters:
        found.append(f"Not delivered to the product, and given up: {_number(item.dead_letters, 'notification')}.")
    if item.unread and item.freshness.state is not State.FRESH:
        found.append(f"Not everything could be read: {_listed(item.unread)}.")
    return found


def _deleted(item: Circumstances) -> str:
    return f"Deleted{_when(item)}; its data here was purged."


def _bank_outage(item: Circumstances) -> str:
    if item.freshness.reason == BANK_OUTAGE:
        offline = f"{_bank(item)} is offline{_for(item)}"
        return f"{offline}: nobody is asked for anything, and the Item goes on once the bank is back."
    if item.known.bank_away:
        away = f"{_bank(item)} is away{_for(item)} ({item.freshness.reason})"
        return f"{away}: nobody is asked for anything, and the Item goes on once the bank is back."
    if item.known.incident is not None:
        return f"{_bank(item)} has an incident{_for(item)} ({item.freshness.reason}); {_next_update(item)}."
    return f"{_bank(item)} did not answer Pluggy{_when(item)} ({item.freshness.reason}); {_next_update(item)}."


# By kind of action.
_ASKED: Mapping[str | None, str] = {
    "mfa": "{bank} asks for a code",
    "authorize": "{bank} asks for an approval",
    "credentials": "{bank} refused the credentials",
    "consent": "the consent was refused, withdrawn or is over",
    "bank": "something has to be done at {bank}",
}


def _waiting_for_person(item: Circumstances) -> str:
    asked = _ASKED.get(item.asked_kind, "{bank} asks for something").format(bank=_bank(item, first=False))
    said = f"Waits for its person{_for(item)}: {asked} ({item.freshness.reason})"
    deadline = _due(item, DueKind.ACTION_DEADLINE)
    if deadline is not None:
        over = deadline.at <= item.now
        return f"{said}; the time for it {'ended' if over else 'ends'} {ago(deadline.at, item.now)}."
    reminder = _due(item, DueKind.REMINDER)
    return f"{said}." if reminder is None else f"{said}; the product is reminded {_soon(item, reminder.at)}."


def _syncing(item: Circumstances) -> str:
    known = item.known
    if known.status is None:
        return f"First heard of{_when(item)}, and not fetched from Pluggy yet; {_fetched_again(item)}."
    if known.status in RUNNING:
        doing = f" ({item.freshness.reason})" if item.freshness.reason else ""
        return f"Pluggy updates it{_for(item)}{doing}; its next event will tell how that ended."
    if known.update_pending:
        return f"An event told of something that Pluggy does not show yet; {_fetched_again(item)}."
    collected = "New data" if known.last_updated_at is None else f"What Pluggy collected {_ago(item)}"
    if item.is_leased:
        return f"{collected} is being stored by a sync run."
    return f"{collected} is not stored yet{_failed(item)}; {_sync_next(item)}."


def _error(item: Circumstances) -> str:
    known = item.known
    if known.not_found:
        times = _number(known.not_found, "time")
        return f"Pluggy does not find it (404, {times} in a row), though it was named; {_fetched_again(item)}."
    if item.known.sync_pending and item.freshness.reason == "SYNC_FAILED":
        return f"Storing what Pluggy collected {_ago(item)} does not work{_failed(item)}; {_sync_next(item)}."
    if known.status in WAITING:
        waits = (
            f"Its execution stopped{_when(item)} for something that only its person can do ({item.freshness.reason})"
        )
        return f"{waits}, and nobody is asked for it any more; {_next_update(item)}."
    return f"Pluggy could not update it{_when(item)} ({item.freshness.reason}); {_next_update(item)}."


def _stale(item: Circumstances) -> str:
    if item.freshness.reason == REPLACED:
        return "Replaced: another Item brings its accounts now, and this one is no longer synced."
    last = item.known.last_updated_at
    collected = "it was never collected" if last is None else f"the last is from {ago(last, item.now)}"
    expected = ago(expected_update(item.known), item.now)
    return f"Stale: Pluggy's next update was expected {expected} and did not come; {collected}."


def _fresh(item: Circumstances) -> str:
    if may_have_changed(item):
        return _fresh_until_news(item)
    stored = "all of that is stored"
    if item.unread:
        again = _due(item, DueKind.PART)
        when = "with the next update" if again is None else _soon(item, again.at)
        stored = f"it is stored but for {_listed(item.unread)}, to be read again {when}"
    if item.known.last_updated_at is None:
        return f"Fresh, though Pluggy says no time of a collection; {stored}."
    # The warnings of the Item say what was not collected.
    what = "a part of it (PARTIAL_SUCCESS)" if item.known.execution_status == PARTIAL_SUCCESS else "it"
    return f"Fresh: Pluggy collected {what} {_ago(item)}, and {stored}; {_next_update(item)}."


def _fresh_until_news(item: Circumstances) -> str:
    """Say what waits, and how the Item stood before. It is not called fresh: nobody knows whether it still is."""
    waits = "A sync run is at work" if item.news is None else f"{_news(item.news, item)}; {_fetched_again(item)}"
    collected = "" if item.known.last_updated_at is None else f" {_ago(item)}"
    but = f", but for {_listed(item.unread)}" if item.unread else ""
    return f"{waits}. What Pluggy collected{collected} was stored before{but}."


def _waits_beside(item: Circumstances) -> str | None:
    """Say what waits that the sentence does not tell; None: nothing."""
    state = item.freshness.state
    if state in (State.FRESH, State.DELETED) or item.freshness.reason == REPLACED:
        return None
    if item.news is not None and item.known.status is not None:
        return f"{_news(item.news, item)}, and may change that."
    if item.known.sync_pending and state in (State.WAITING_FOR_PERSON, State.BANK_OUTAGE):
        return f"New data is not stored yet{_failed(item)}; {_sync_next(item)}."
    return None


def _news(news: News, item: Circumstances) -> str:
    since = at(news.since, item.now)
    number = _number(news.number, "event") if news.number < COUNTED else f"{COUNTED} or more events"
    if news.given_up == news.number:
        return f"{number} received since {since} could not be handled"
    return f"{number} wait{'s' if news.number == 1 else ''} unhandled since {since}"


_SENTENCES: Mapping[State, Callable[[Circumstances], str]] = {
    State.DELETED: _deleted,
    State.BANK_OUTAGE: _bank_outage,
    State.WAITING_FOR_PERSON: _waiting_for_person,
    State.SYNCING: _syncing,
    State.ERROR: _error,
    State.STALE: _stale,
    State.FRESH: _fresh,
}


def _bank(item: Circumstances, *, first: bool = True) -> str:
    return item.bank or ("The bank" if first else "the bank")


def _when(item: Circumstances) -> str:
    return "" if item.freshness.since is None else f" {ago(item.freshness.since, item.now)}"


def _for(item: Circumstances) -> str:
    return "" if item.freshness.since is None else f" for {span(item.now - item.freshness.since)}"


def _ago(item: Circumstances) -> str:
    return "lately" if item.known.last_updated_at is None else ago(item.known.last_updated_at, item.now)


def _failed(item: Circumstances) -> str:
    if not item.known.sync_attempts:
        return ""
    times = _number(item.known.sync_attempts, "time")
    return f": it failed {times} in a row" + (f" ({item.run_error})" if item.run_error else "")


def _due(item: Circumstances, kind: DueKind) -> Due | None:
    return next((each for each in item.due if each.kind is kind), None)


def _soon(item: Circumstances, moment: datetime) -> str:
    return ago(moment, item.now) if moment > item.now else f"now, overdue for {span(item.now - moment)}"


def _fetched_again(item: Circumstances) -> str:
    event = _due(item, DueKind.EVENT)
    return "nothing is due to fetch it" if event is None else f"it is fetched {_soon(item, event.at)}"


def _sync_next(item: Circumstances) -> str:
    sync = _due(item, DueKind.SYNC)
    return "no sync run is due" if sync is None else f"a sync run is due {_soon(item, sync.at)}"


def _next_update(item: Circumstances) -> str:
    planned = item.known.next_auto_sync_at
    if planned is None:
        return "Pluggy plans no next update"
    return f"Pluggy's next update is planned {_soon(item, planned)}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(sorted(set(names)))


def _number(number: int, name: str) -> str:
    return f"{number} {name}" if number == 1 else f"{number} {name}s"
