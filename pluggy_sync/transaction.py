"""A transaction of Postgres, and what is queued once it is committed."""

from dataclasses import dataclass, field

from sqlalchemy import Connection

from pluggy_sync import tracing
from pluggy_sync.queue import Message


@dataclass(frozen=True, kw_only=True)
class Transaction:
    """
    An open transaction. `Resources.begin` makes one, commits it, and then queues its tasks.

    A task must not start before the rows that it reads are committed, nor if they are rolled back.
    """

    conn: Connection
    queued: list[Message] = field(default_factory=list)

    def after_commit(self, task: str, argument: str) -> None:
        """Queue *task* with *argument* once the transaction is committed; never if it is rolled back."""
        self.queued.append(Message(task, argument, tracing.present()))
