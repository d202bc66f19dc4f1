"""Counting what is asked of Postgres."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa


@dataclass
class Counted:
    """The transactions that were opened, and the statements in them."""

    transactions: int = 0
    statements: list[str] = field(default_factory=list)


@contextmanager
def counting(engine: sa.Engine) -> Iterator[Counted]:
    """Count the transactions and statements of *engine* in the block."""
    counted = Counted()

    def on_begin(_conn: Any) -> None:
        counted.transactions += 1

    def on_statement(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        counted.statements.append(statement)

    sa.event.listen(engine, "begin", on_begin)
    sa.event.listen(engine, "before_cursor_execute", on_statement)
    try:
        yield counted
    finally:
        sa.event.remove(engine, "begin", on_begin)
        sa.event.remove(engine, "before_cursor_execute", on_statement)
