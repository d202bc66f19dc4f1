"""Counting only as far as somebody wants to know: in a long table a count of all takes seconds."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection


def count_rows(conn: Connection, table: sa.Table, *where: sa.ColumnElement[Any], at_most: int) -> int:
    """Return how many rows of *table* fulfil *where*; *at_most* stands for as many or more."""
    some = sa.select(sa.literal_column("1")).select_from(table).where(*where).limit(at_most).subquery()
    number: int = conn.execute(sa.select(sa.func.count()).select_from(some)).scalar_one()
    return number
