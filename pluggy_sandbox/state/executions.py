"""
Executions: Pluggy's runs of an Item, and what they ask of the person (Pluggy facts 3.5, 3.6).

All of it is data, so that it outlives a restart of the sandbox.
"""

from dataclasses import dataclass
from datetime import datetime

from pluggy_sandbox.wire.encoding import Json

APPROVED, REJECTED = "approved", "rejected"  # the answers of a person at the bank


@dataclass(frozen=True)
class Step:
    """One thing that an execution does: a name of `lifecycle.stories`, and which question or product it is about."""

    name: str
    about: str = ""


@dataclass(frozen=True)
class Ask:
    """Something the person must give (`parameter`) or do (`user_action`) until an instant; else the execution ends."""

    expires_at: datetime
    in_real_time: bool  # whether `expires_at` is the machine's time or the sandbox's
    parameter: Json | None = None
    user_action: Json | None = None
    when_late: str = "USER_INPUT_TIMEOUT"

    @property
    def name(self) -> str:
        """The key that an answer must use."""
        return str((self.parameter or {}).get("name", ""))

    @property
    def is_approval(self) -> bool:
        """Whether the person approves or refuses at the bank, rather than typing an answer."""
        return self.parameter is None or self.parameter.get("type") == "oauth"

    @property
    def state(self) -> str:
        """The Item's status and executionStatus while it waits."""
        return "WAITING_USER_INPUT" if self.parameter else "WAITING_USER_ACTION"


@dataclass
class Execution:
    """One execution in progress."""

    triggered_by: str
    steps: list[Step]  # those that are left
    ask: Ask | None = None  # what it waits for; None while it waits for nobody
    answer: str | None = None  # the person's last one
    turn: int = 0  # how often its next step was set; only the last time counts
