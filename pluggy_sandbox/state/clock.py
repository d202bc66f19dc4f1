"""
Virtual time: it stands still, moves when told, or runs at a chosen speed.

Alarms are what happens at an instant (an auto-sync, an expiry). They ring in order while time moves.
"""

import heapq
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

Alarm = Callable[[], None]


@dataclass
class Clock:
    """The sandbox's own now. Callers hold the world's lock."""

    now: datetime
    speed: float = 0.0  # virtual seconds per real second; 0 stands still
    _alarms: list[tuple[datetime, int, Alarm]] = field(default_factory=list)
    _order: "itertools.count[int]" = field(default_factory=itertools.count)
    _ticked_at: float = field(default_factory=time.monotonic)

    def at(self, when: datetime, alarm: Alarm) -> None:
        """Ring *alarm* when time reaches *when*."""
        heapq.heappush(self._alarms, (when, next(self._order), alarm))

    def next_alarm(self, until: datetime) -> datetime | None:
        """Return the instant of the next alarm not after *until*, or None."""
        return self._alarms[0][0] if self._alarms and self._alarms[0][0] <= until else None

    def move(self, to: datetime) -> None:
        """Set the time to *to* and ring what is due; an earlier instant changes nothing."""
        self.now = max(self.now, to)
        while self._alarms and self._alarms[0][0] <= self.now:
            heapq.heappop(self._alarms)[2]()

    def run_at(self, speed: float) -> None:
        """Let time run at *speed* virtual seconds per real second; 0 stops it."""
        self.speed = speed
        self._ticked_at = time.monotonic()

    def elapsed(self) -> datetime:
        """Return where a running clock should stand by now, given its speed."""
        real, self._ticked_at = time.monotonic() - self._ticked_at, time.monotonic()
        return self.now + timedelta(seconds=real * self.speed)


def real_now() -> datetime:
    """Return the machine's time, cut to milliseconds as Pluggy shows it."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
