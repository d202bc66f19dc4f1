"""
Virtual time: it stands still, moves when told, or runs at a chosen speed.

Alarms are what happens at an instant (an auto-sync, an expiry). They ring in order while time moves. Some alarms are
set in real time, since whoever they are for lives there: a person has two real minutes to type a code.
"""

import heapq
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Alarm = Callable[[], None]
RealTime = Callable[[], datetime]
_END = datetime(2200, 1, 1, tzinfo=UTC)


def real_now() -> datetime:
    """Return the machine's time, cut to milliseconds as Pluggy shows it."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


class Clock:
    """The sandbox's own now. Callers hold the world's lock."""

    def __init__(self, now: datetime, *, real: RealTime = real_now) -> None:
        self.now = now
        self.speed = 0.0  # virtual seconds per real second; 0 stands still
        self.real = real
        self.seen = real()  # the real time of the last tick
        self._alarms: list[tuple[datetime, int, Alarm]] = []
        self._real_alarms: list[tuple[datetime, int, Alarm]] = []
        self._order = itertools.count()

    def at(self, when: datetime, alarm: Alarm) -> None:
        """Ring *alarm* when virtual time reaches *when*."""
        heapq.heappush(self._alarms, (when, next(self._order), alarm))

    def at_real(self, when: datetime, alarm: Alarm) -> None:
        """Ring *alarm* at the first tick after the machine's time has reached *when*."""
        heapq.heappush(self._real_alarms, (when, next(self._order), alarm))

    def next_alarm(self, until: datetime) -> datetime | None:
        """Return the virtual instant of the next alarm not after *until*, or None."""
        return self._alarms[0][0] if self._alarms and self._alarms[0][0] <= until else None

    def move(self, to: datetime) -> None:
        """Set the time to *to* and ring what is due; an earlier instant changes nothing."""
        self.now = max(self.now, to)
        while self._alarms and self._alarms[0][0] <= self.now:
            heapq.heappop(self._alarms)[2]()

    def run_at(self, speed: float) -> None:
        """Let time run at *speed* virtual seconds per real second; 0 stops it."""
        self.tick()
        self.speed = speed

    def tick(self) -> None:
        """Take in the real time that passed since the last tick: move a clock that runs, and ring real alarms."""
        real = self.real()
        passed, self.seen = max(real - self.seen, timedelta(0)), real
        if self.speed:
            # A quick clock that nobody stops ends there, since a datetime does end too.
            self.move(self.now + min(passed * self.speed, _END - self.now))
        while self._real_alarms and self._real_alarms[0][0] <= real:
            heapq.heappop(self._real_alarms)[2]()

    @property
    def needs_ticks(self) -> bool:
        """Whether anything depends on the real time that passes."""
        return self.speed > 0 or bool(self._real_alarms)
