"""A transaction of Postgres, and what is queued once it is committed."""

from dataclasses import dataclass, field

from sqlalchemy import Connection


@dataclass(frozen=True, kw_only=True)
class Transaction:
    """
    An open transaction. `Resources.begin` makes one, commits it, and then queues its tasks.

    A task must not start before the rows that it reads are committed, nor if they are rolled back.
    """

    conn: Connection
    queued: list[tuple[str, str]] = field(default_factory=list)

    def after_commit(self, task: str, argument: str) -> None:
        """Queue *task* with *argument* once the transaction is committed; never if it is rolled back."""
        self.queued.append((task, argument))
