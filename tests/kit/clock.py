"""The time that the service reads in tests: it moves when a test says so."""

from datetime import UTC, datetime, timedelta


class Clock:
    """Starts at the real now. Each reading is a millisecond after the one before, so that no two are equal."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime.now(UTC)

    def __call__(self) -> datetime:
        self._now += timedelta(milliseconds=1)
        return self._now

    def advance(self, **amount: float) -> None:
        """Move forward, by `seconds=`, `days=` and so on."""
        self._now += timedelta(**amount)

    def advance_to(self, moment: datetime) -> None:
        """Move forward to *moment*, if that is later."""
        self._now = max(self._now, moment)
