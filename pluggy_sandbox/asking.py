"""What a run's story can yield: a pause, or something that only the person can give or do (Pluggy facts 3.5, 3.6)."""

from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime

from pluggy_sandbox.encoding import Json


class Pause:
    """A little real time."""


PAUSE = Pause()


@dataclass(frozen=True)
class Ask:
    """Something the person must give (`parameter`) or do (`user_action`) until an instant; else the run ends."""

    expires_at: datetime
    parameter: Json | None = None
    user_action: Json | None = None
    when_late: str = "USER_INPUT_TIMEOUT"

    @property
    def name(self) -> str:
        """The key that an answer must use."""
        return str((self.parameter or {}).get("name", ""))

    @property
    def state(self) -> str:
        """The Item's status and executionStatus while it waits."""
        return "WAITING_USER_INPUT" if self.parameter else "WAITING_USER_ACTION"


Answer = str | None
Story = Generator[Pause | Ask, Answer, None]
APPROVED, REJECTED = "approved", "rejected"  # the answers of a person at the bank
