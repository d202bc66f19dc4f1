"""
Which alerts are open, each looked at anew: the watchdog looks every minute, and at Pluggy every five, and keeps an
alert open for five minutes more.
"""

from collections.abc import Collection, Iterator, Sequence
from functools import partial

from redis.exceptions import RedisError

from console.checkup.at_once import at_once
from console.checkup.results import Result, heads_up, passed, problem
from pluggy_sync.engine import watchdog
from pluggy_sync.pluggy.errors import PluggyError
from pluggy_sync.resources import Resources
from pluggy_sync.rules.ages import ago, span
from pluggy_sync.rules.alerts import CLEARED_AFTER, MEANINGS, Code, Urgency
from pluggy_sync.store import alerts
from pluggy_sync.store.alerts import Alert

LOOK_S = 4.0


def told(res: Resources) -> Iterator[Result]:
    """Which alerts are open, and what the watchdog would see now."""
    with res.database.connect() as conn:
        open_ = alerts.open_(conn)
    looks = [
        partial(_looked_at, res, codes, [each for each in open_ if each.code in codes]) for codes in watchdog.CODES
    ]
    found: list[Result] = []
    for codes, seen in zip(watchdog.CODES, at_once(looks, seconds=LOOK_S), strict=True):
        found += seen.results
        if not seen.ended:
            found += [_as_told(res, each, "no answer") for each in open_ if each.code in codes]
    yield from found
    if not found:
        yield passed("Alerts", "none is open, and there is no reason for one now")


def _looked_at(res: Resources, codes: Collection[Code], open_: Sequence[Alert]) -> Iterator[Result]:
    """Return how the alerts *open_*, all of *codes*, stand now, and the trouble that was not told yet."""
    try:
        findings = {(each.code, each.subject): each for each in watchdog.look(res, codes)}
    except (RedisError, PluggyError, OSError) as exc:
        yield from [_as_told(res, each, type(exc).__name__) for each in open_]
        return
    minutes = CLEARED_AFTER.seconds // 60
    for alert in open_:
        finding = findings.pop((alert.code, alert.subject), None)
        if finding is not None:
            yield _trouble(alert.code, f"{finding.detail}; open for {span(res.now() - alert.since)}, and seen now")
        else:
            seen = ago(alert.last_seen_at, res.now())
            over = f"not there now; last seen {seen}, and told as over {minutes} minutes after that"
            yield passed(f"Alert {alert.code.value}", f"{over} ({alert.detail})")
    for finding in findings.values():
        yield _trouble(finding.code, f"{finding.detail}; seen now, and not told yet")


def _as_told(res: Resources, alert: Alert, why: str) -> Result:
    seen = f"seen {ago(alert.last_seen_at, res.now())}; it could not be looked at now ({why})"
    return _trouble(alert.code, f"{alert.detail}; {seen}")


def _trouble(code: Code, detail: str) -> Result:
    say = problem if MEANINGS[code].urgency is Urgency.PAGE else heads_up
    return say(f"Alert {code.value}", detail, f"docs/operations.md#{code.value}")
