"""`pluggy-sync status`: how the service does, on one screen. It answers also while Postgres or Redis is away."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from redis.exceptions import RedisError
from rich.text import Text
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from console.cli import connections, options, output
from console.cli.exits import FAILED, UNAVAILABLE
from console.cli.output import Cell, age
from pluggy_sync import queue
from pluggy_sync.pluggy.rate_budget import PATCH_ITEM
from pluggy_sync.resources import Resources
from pluggy_sync.rules import ages
from pluggy_sync.store import overview
from pluggy_sync.store.database import LOOK

_ENDPOINTS = ("GET /items/{id}", "GET /accounts", "GET /v2/transactions", PATCH_ITEM)
# What is due this moment is not late.
_SOON = timedelta(minutes=1)
Known = Mapping[str, Any]


@click.command()
@options.as_json
def status(*, as_json: bool) -> None:
    """
    Show how the service does, on one screen.

    Exits 1 if an alert is open, and 5 if Postgres or Redis does not answer; what is known is shown all the same.
    """
    now = datetime.now(UTC)
    with connections.resources(pool_size=1, bounds=LOOK) as res:
        postgres, redis = _of_postgres(res, now), _of_redis(res)
    known = {
        "at": now,
        "postgres": postgres is not None,
        "redis": redis is not None,
        **(postgres or {}),
        **(redis or {}),
    }
    if as_json:
        output.as_json(known)
    else:
        _show(known, now)
    if postgres is None or redis is None:
        raise SystemExit(UNAVAILABLE)
    if known.get("alerts"):
        raise SystemExit(FAILED)


def _of_postgres(res: Resources, now: datetime) -> Known | None:
    try:
        with res.database.begin() as conn:
            return _counted(conn, now)
    except SQLAlchemyError:
        return None


def _counted(conn: Connection, now: datetime) -> Known:
    it = overview.read(conn, now=now)
    return {
        "alerts": [
            {
                "code": each.code.value,
                "subject": each.subject or None,
                "detail": each.detail,
                "since": each.since,
                "lastSeenAt": each.last_seen_at,
                "lookedAt": it.looked_at(each.code),
            }
            for each in it.alerts
        ],
        "lastSweepAt": it.last_sweep_at,
        "events": {"waiting": it.events_waiting, "dead": it.events_dead},
        "overdueSince": {work.value: since for work, since in it.overdue.items() if since is not None},
        "syncsDue": it.syncs_due,
        "runsLastHour": it.runs,
        "notifications": {"waiting": it.notifications_waiting, "dead": it.notifications_dead},
        "endpoints": {"failing": it.endpoints_failing, "stopped": it.endpoints_stopped},
        "items": {
            "byFreshness": dict(it.freshness),
            "byFreshnessAt": it.freshness_counted_at,
            "byStatus": it.items,
            "byStatusAt": it.items_counted_at,
            "overdue": it.items_overdue,
            "incompleteParts": it.incomplete_parts,
        },
        "openActions": it.open_actions,
    }


def _of_redis(res: Resources) -> Known | None:
    names = sorted(set(queue.QUEUE_OF_TASK.values()))
    try:
        return {
            "queues": {name: queue.length(res.redis, name) for name in names},
            "budgetLeft": res.pluggy.budget.left(_ENDPOINTS),
        }
    except RedisError:
        return None


def _show(known: Known, now: datetime) -> None:
    output.facts(_lines(known, now))
    if known.get("alerts"):
        rows = [
            (
                Text(each["code"], style="bold red"),
                output.shown(each["subject"]),
                age(each["since"], now),
                age(each["lastSeenAt"], now),
                age(each["lookedAt"], now),
                each["detail"],
            )
            for each in known["alerts"]
        ]
        columns = ("Alert", "About", "Since", "Last seen", "Last looked", "Detail")
        output.listing(columns, rows, title="Open alerts: docs/operations.md has each code")


def _lines(known: Known, now: datetime) -> list[tuple[str, Cell]]:
    lines: list[tuple[str, Cell]] = [
        (
            name,
            output.state(
                "working" if known[name.lower()] else "error", "" if known[name.lower()] else ": does not answer"
            ),
        )
        for name in ("Postgres", "Redis")
    ]
    if known["postgres"]:
        overdue = [f"{work} {age(since, now)}" for work, since in known["overdueSince"].items() if now - since > _SOON]
        swept, items = known["lastSweepAt"], known["items"]
        lines += [
            ("Last sweep", "never: does beat run?" if swept is None else age(swept, now)),
            ("Items", _counts_as_of(items["byFreshness"], items["byFreshnessAt"], now)),
            ("Items at Pluggy", _counts_as_of(items["byStatus"], items["byStatusAt"], now)),
            ("Past their update", f"{items['overdue']:,} Items"),
            ("Incomplete", f"{items['incompleteParts']} accounts, lists or data products could not be read"),
            ("Events", f"{known['events']['waiting']} wait, {known['events']['dead']} dead letters"),
            ("Syncs", f"{known['syncsDue']} due; runs of the last hour: {_counts(known['runsLastHour'])}"),
            (
                "Notifications",
                f"{known['notifications']['waiting']} wait, {known['notifications']['dead']} dead letters",
            ),
            ("Endpoints", f"in trouble: {_counts(known['endpoints'])}"),
            ("Open actions", _counts(known["openActions"])),
            ("Overdue since", Text(", ".join(overdue), style="bold red") if overdue else "nothing is overdue"),
        ]
    if known["redis"]:
        lines += [
            ("Queues", f"wait in Redis: {_counts(known['queues'])}"),
            ("Budget left", ", ".join(f"{name} {left}" for name, left in known["budgetLeft"].items())),
        ]
    return lines


def _counts(numbers: Mapping[str, int]) -> str:
    shown: Sequence[str] = [f"{number:,} {name}" for name, number in numbers.items() if number]
    return ", ".join(shown) or "none"


def _counts_as_of(numbers: Mapping[str, int], moment: datetime | None, now: datetime) -> str:
    """Return *numbers*, and when they were counted: workers count Items every few minutes."""
    if moment is None:
        return "not counted yet; workers count every few minutes"
    return f"{_counts(numbers)}; as of {ages.at(moment, now, seconds=True)}"
