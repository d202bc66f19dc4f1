"""
The watchdog looks for trouble that nobody would see before a customer does, and tells it once.

`rules/alerts.py` has the list and decides. What could not be looked at, because Redis or Pluggy is away, is neither
raised nor cleared.
"""

import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from redis.exceptions import RedisError

from pluggy_sync import queue, rejections
from pluggy_sync.engine import webhooks
from pluggy_sync.notifications import messages
from pluggy_sync.pluggy.errors import PluggyError, PluggyUnauthorizedError
from pluggy_sync.resources import Resources
from pluggy_sync.rules import alerts as rules
from pluggy_sync.rules.alerts import Code, Finding, Room
from pluggy_sync.rules.webhooks import FaultKind
from pluggy_sync.store import alerts, observations, schedule

log = structlog.get_logger(__name__)

_DAY = timedelta(days=1)
_Look = Callable[[Resources, datetime], list[Finding]]


def watch(res: Resources) -> None:
    """Look at what is ours: Postgres, Redis, disks."""
    _look(res, _OURS, queue.WATCH)


def watch_pluggy(res: Resources) -> None:
    """Look at Pluggy: whether it takes our credentials, and has the webhook that we need."""
    _look(res, _PLUGGYS, queue.WATCH_PLUGGY)


def _look(res: Resources, looks: Mapping[Collection[Code], _Look], task: str) -> None:
    now = res.now()
    seen: list[Finding] = []
    checked: set[Code] = set()
    for codes, look in looks.items():
        try:
            seen += look(res, now)
        except (RedisError, PluggyError, OSError) as exc:
            log.info(
                "watchdog.not_looked",
                codes=[each.value for each in codes],
                error=type(exc).__name__,
                next="it looks again soon",
            )
            continue
        checked |= set(codes)
    settle(res, seen, checked, now)
    with res.database.begin() as conn:
        schedule.done(conn, task, now=now)


def settle(res: Resources, seen: Sequence[Finding], checked: Collection[Code], now: datetime) -> None:
    """Tell what is seen for the first time, and what is over of *checked*."""
    with res.begin() as tx:
        for finding in seen:
            raised = alerts.see(tx.conn, finding, now=now)
            if raised is not None:
                messages.system_alert(tx, raised, now=now)
                log.warning("alert.raised", code=finding.code.value, subject=finding.subject, detail=finding.detail)
        for alert in alerts.open_(tx.conn):
            if rules.is_over(alert, checked, now) and alerts.clear(tx.conn, alert.id, now=now):
                messages.system_alert_cleared(tx, alert, now=now)
                log.info("alert.cleared", code=alert.code.value, subject=alert.subject)
        alerts.remove_cleared(tx.conn, before=now - rules.KEPT_FOR)


def _rejected(res: Resources, now: datetime) -> list[Finding]:
    return rules.of_rejected(rejections.latest(res.redis, now))


def _silence(res: Resources, now: datetime) -> list[Finding]:
    with res.database.begin() as conn:
        observations.count_events(conn, now=now)
        last = observations.last_event(conn)
        if last is None or now - last < rules.SILENT_FOR_AT_LEAST:
            return []
        return rules.of_silence(last, observations.events_on_days_before(conn, last, now), now)


def _items(res: Resources, now: datetime) -> list[Finding]:
    before = now - res.settings.stale_after
    with res.database.begin() as conn:
        overdue, total = observations.items_overdue(conn, before=before)
    return rules.of_items(overdue, total)


def _work(res: Resources, now: datetime) -> list[Finding]:
    with res.database.begin() as conn:
        return rules.of_work(observations.overdue_since(conn, now), now)


def _dead(res: Resources, now: datetime) -> list[Finding]:
    with res.database.begin() as conn:
        return rules.of_dead(observations.given_up(conn, since=now - rules.DEAD_WITHIN))


def _endpoints(res: Resources, _: datetime) -> list[Finding]:
    with res.database.begin() as conn:
        return rules.of_endpoints(observations.stopped_endpoints(conn))


def _drift(res: Resources, now: datetime) -> list[Finding]:
    with res.database.begin() as conn:
        return rules.of_drift(observations.drifting(conn, since=now - _DAY))


def _quota(res: Resources, _: datetime) -> list[Finding]:
    with res.database.begin() as conn:
        return rules.of_quota(observations.quota_used_up(conn))


def _changes(res: Resources, now: datetime) -> list[Finding]:
    return rules.of_changes(res.radar.signs(now))


def _rooms(res: Resources, _: datetime) -> list[Finding]:
    return rules.of_room(rooms(res))


def rooms(res: Resources) -> list[Room]:
    """
    Return what is left at the places that this process sees.

    Raises:
        RedisError: Redis does not answer.
    """
    memory = res.redis.info("memory")
    most = int(memory.get("maxmemory") or 0)
    of_redis = [Room(place="redis", free=max(0, most - int(memory["used_memory"])), total=most)] if most else []
    return [*disks(res), *of_redis]


def disks(res: Resources) -> list[Room]:
    """Return what is left on the disks that this process sees: of the spill, and of Postgres if it runs here."""
    with res.database.begin() as conn:
        data_folder = observations.data_folder(conn)
    folders = {"spill": res.settings.spill_folder, "postgres": data_folder}
    return [disk(place, Path(folder)) for place, folder in folders.items() if folder and Path(folder).is_dir()]


def disk(place: str, folder: Path) -> Room:
    """Return what is left on the disk of *folder*, which is there."""
    usage = shutil.disk_usage(folder)
    return Room(place=place, free=usage.free, total=usage.total)


def _credentials(res: Resources, _: datetime) -> list[Finding]:
    try:
        res.pluggy.check_credentials()
    except PluggyUnauthorizedError as exc:
        return [Finding(code=Code.CREDENTIALS_REFUSED, detail=str(exc))]
    return []


_OF_FAULT: Mapping[FaultKind, Code] = {
    FaultKind.MISSING: Code.WEBHOOK_MISSING,
    FaultKind.SWITCHED_OFF: Code.WEBHOOK_SWITCHED_OFF,
    FaultKind.EVENTS: Code.WEBHOOK_CHANGED,
    FaultKind.SECRET: Code.WEBHOOK_CHANGED,
    FaultKind.DUPLICATED: Code.WEBHOOK_DUPLICATED,
}


def _webhooks(res: Resources, _: datetime) -> list[Finding]:
    return [
        Finding(code=_OF_FAULT[fault.kind], subject=fault.webhook_id or "", detail=fault.detail)
        for fault in webhooks.check(res)
    ]


_OURS: Mapping[Collection[Code], _Look] = {
    (Code.DELIVERIES_REJECTED,): _rejected,
    (Code.EVENTS_SILENT,): _silence,
    (Code.ITEMS_OVERDUE,): _items,
    (Code.WORK_OVERDUE,): _work,
    (Code.DEAD_LETTERS,): _dead,
    (Code.ENDPOINT_STOPPED,): _endpoints,
    (Code.BALANCES_DRIFT,): _drift,
    (Code.QUOTA_USED_UP,): _quota,
    (Code.PLUGGY_CHANGES,): _changes,
    (Code.DISK_LOW,): _rooms,
}
_PLUGGYS: Mapping[Collection[Code], _Look] = {
    (Code.CREDENTIALS_REFUSED,): _credentials,
    tuple(sorted(set(_OF_FAULT.values()))): _webhooks,
}
_LOOKS = {**_OURS, **_PLUGGYS}
# Which codes are looked at together.
CODES: Sequence[Collection[Code]] = tuple(_LOOKS)


def look(res: Resources, codes: Collection[Code]) -> list[Finding]:
    """
    Return the trouble of *codes*, one of `CODES`, that is there now. Nobody is told.

    Raises:
        RedisError, PluggyError, OSError, SQLAlchemyError: it could not be looked at.
    """
    return _LOOKS[codes](res, res.now())
