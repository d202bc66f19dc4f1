"""A transaction of Postgres, and what is queued once it is committed."""

from dataclasses import dataclass, field

from sqlalchemy import Connection

from pluggy_sync.queue import Message


@dataclass(frozen=True, kw_only=True)
class Transaction:
    """
    An open transaction. `Resources.begin` makes one, commits it, and then queues what was asked for.

    A task must not start before the rows that it reads are committed, and must not start at all if they never are.
    """

    conn: Connection
    queued: list[Message] = field(default_factory=list)

    def after_commit(self, task: str, argument: str) -> None:
        """Queue *task* with *argument* once the transaction is committed; never if it is rolled back."""
        self.queued.append(Message(task, argument))
