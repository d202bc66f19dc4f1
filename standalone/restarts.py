"""When a process that ended is started again, and when that is given up. The caller has the clock."""

from dataclasses import dataclass

# Seconds before each restart in a row: at once after a crash, slower in a crash loop.
# Together they stay below the 45 s in which a dead process's work has to be taken up.
DELAYS_S = (0.0, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0)
# A process that has run this long was not in a crash loop.
STEADY_AFTER_S = 30.0


@dataclass
class Restarts:
    """How often in a row one process ended soon after it was started."""

    in_a_row: int = 0

    def next_delay(self, lived_s: float) -> float | None:
        """Return the seconds to wait before the next start, or None in a crash loop, which no restart cures."""
        if lived_s >= STEADY_AFTER_S:
            self.in_a_row = 0
        if self.in_a_row == len(DELAYS_S):
            return None
        delay = DELAYS_S[self.in_a_row]
        self.in_a_row += 1
        return delay
