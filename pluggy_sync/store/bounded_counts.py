"""Counting only as far as somebody wants to know: in a long table a count of all takes seconds."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection


def count_rows(
    conn: Connection,
    table: sa.Table,
    *where: sa.ColumnElement[Any],
    at_most: int,
    order_by: Sequence[sa.ColumnElement[Any]] = (),
) -> int:
    """
    Return how many rows of *table* fulfil *where*; *at_most* stands for as many or more.

    *order_by*: which rows are counted first. Of a long table, the newest are those that Postgres has in memory.
    """
    some = (
        sa.select(sa.literal_column("1")).select_from(table).where(*where).order_by(*order_by).limit(at_most).subquery()
    )
    number: int = conn.execute(sa.select(sa.func.count()).select_from(some)).scalar_one()
    return number
