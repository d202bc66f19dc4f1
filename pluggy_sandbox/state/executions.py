"""
Executions: Pluggy's runs of an Item, and what they ask of the person (Pluggy facts 3.5, 3.6).

An execution is told as a story. The story yields a pause, or something that only the person can give or do.
"""

from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime

from pluggy_sandbox.wire.encoding import Json


class Pause:
    """A little real time."""


PAUSE = Pause()


@dataclass(frozen=True)
class Ask:
    """Something the person must give (`parameter`) or do (`user_action`) until an instant; else the execution ends."""

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


@dataclass
class Execution:
    """One execution in progress."""

    story: Story
    triggered_by: str
    ask: Ask | None = None  # what it waits for; None while it waits for nobody
