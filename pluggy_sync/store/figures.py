"""
Figures of the whole service over time, for the console's charts: a sample a minute. Callers own the transaction.

What is charted of any span is read in steps, as many as a chart has room for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from pluggy_sync.store import metrics, observations
from pluggy_sync.store.tables import INSTANT, event_counts, figure_samples, sync_runs

# Of the spans that are charted.
_EPOCH = datetime.fromisoformat("2026-01-01T00:00:00+00:00")


class Figure(StrEnum):
    """What is charted."""

    EVENTS = "events"  # of Pluggy's, that came
    RUNS = "runs"  # sync runs that began
    ATTEMPTS = "attempts"  # to deliver a notification
    OVERDUE = "overdue"  # seconds for which the oldest work is overdue
    ACTIONS = "actions"  # that are open
    GIVEN_UP = "given_up"  # events and notifications that are dead letters


# Of these a step has the sum, of the others the most.
SUMS = frozenset({Figure.EVENTS, Figure.RUNS, Figure.ATTEMPTS})


@dataclass(frozen=True, kw_only=True)
class Point:
    """A figure in the step that begins at *at*; None: nothing is known of it."""

    at: datetime
    value: float | None


_NEWEST = sa.select(figure_samples.c.at, figure_samples.c.figures).order_by(figure_samples.c.at.desc()).limit(1)
_ADD = insert(figure_samples).on_conflict_do_nothing()


def take(conn: Connection, *, now: datetime) -> None:
    """Take the sample of this minute, unless it was taken."""
    at = now.replace(second=0, microsecond=0)
    last = conn.execute(_NEWEST).one_or_none()
    if last is not None and last.at >= at:
        return
    since = at - timedelta(minutes=1) if last is None else last.at
    attempts = _attempts_ever(conn)
    before = attempts if last is None else last.figures.get("attempts_ever", attempts)
    overdue = [each for each in observations.overdue_since(conn, now).values() if each is not None]
    figures = {
        Figure.RUNS: _runs(conn, since, at),
        Figure.ATTEMPTS: max(0, attempts - before),
        "attempts_ever": attempts,
        Figure.OVERDUE: max((max(0, int((now - each).total_seconds())) for each in overdue), default=0),
        Figure.ACTIONS: sum(number for _, number in metrics.open_actions(conn)),
        Figure.GIVEN_UP: dict(metrics.events(conn))["dead"] + dict(metrics.notifications(conn))["dead"],
    }
    conn.execute(_ADD, {"at": at, "figures": figures})


_RUNS = sa.select(sa.func.count()).where(
    sync_runs.c.started_at >= sa.bindparam("since"), sync_runs.c.started_at < sa.bindparam("until")
)


def _runs(conn: Connection, since: datetime, until: datetime) -> int:
    number: int = conn.execute(_RUNS, {"since": since, "until": until}).scalar_one()
    return number


def _attempts_ever(conn: Connection) -> int:
    """Return how many attempts were made, roughly: the removal by age changes nothing of it."""
    return int(conn.exec_driver_sql("SELECT last_value FROM delivery_attempts_id_seq").scalar_one())


def over_time(
    conn: Connection, *, since: datetime, until: datetime, step: timedelta
) -> Mapping[Figure, Sequence[Point]]:
    """Return each figure in steps of *step*, which is no shorter than ten minutes, from *since* until *until*."""
    steps = _steps(since, until, step)
    found: dict[Figure, Sequence[Point]] = {Figure.EVENTS: _events(conn, step, steps)}
    sampled = [each for each in Figure if each is not Figure.EVENTS]
    figures = figure_samples.c.figures
    columns = []
    for each in sampled:
        value = sa.cast(figures[each.value].astext, sa.Numeric)
        columns.append((sa.func.sum(value) if each in SUMS else sa.func.max(value)).label(each.value))
    at = sa.func.date_bin(step, figure_samples.c.at, sa.literal(_EPOCH, INSTANT)).label("at")
    rows = conn.execute(
        sa.select(at, *columns).where(figure_samples.c.at >= steps[0], figure_samples.c.at < until).group_by(at)
    )
    by_step = {row.at: row._mapping for row in rows}
    for each in sampled:
        values = [(step_at, by_step[step_at][each.value] if step_at in by_step else None) for step_at in steps]
        found[each] = [Point(at=step_at, value=None if value is None else float(value)) for step_at, value in values]
    return found


def _events(conn: Connection, step: timedelta, steps: Sequence[datetime]) -> Sequence[Point]:
    at = sa.func.date_bin(step, event_counts.c.began_at, sa.literal(_EPOCH, INSTANT)).label("at")
    number = sa.func.sum(event_counts.c.number).label("number")
    first = conn.scalar(sa.select(sa.func.min(event_counts.c.began_at)))
    rows = conn.execute(sa.select(at, number).where(event_counts.c.began_at >= steps[0]).group_by(at))
    counted = {row.at: float(row.number) for row in rows}
    # Where events are counted, a step without any is a 0.
    return [
        Point(at=each, value=counted.get(each, None if first is None or each + step <= first else 0.0))
        for each in steps
    ]


def _steps(since: datetime, until: datetime, step: timedelta) -> list[datetime]:
    first = _EPOCH + (since - _EPOCH) // step * step
    return [first + number * step for number in range((until - first) // step + 1)]
