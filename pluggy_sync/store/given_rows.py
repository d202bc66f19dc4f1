"""
Many rows as one parameter of a statement: JSON, which Postgres reads as rows of a table.

A list for each column costs Python ten times as much, since the driver writes each value by itself. `VALUES` is
another statement for each number of rows, and SQLAlchemy compiles it anew each time (decision 36).

Tests: `store/test_given_rows.py`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from pluggy_sync import wire


def given(columns: Iterable[sa.Column[Any]]) -> sa.TableValuedAlias:
    """
    Return the rows that a statement is given as its parameter `rows` (`as_parameter`), with these *columns*.

    A JSON null is NULL, also in a column of JSON.
    """
    typed = [sa.column(column.name, column.type) for column in columns]
    rows = sa.func.json_to_recordset(sa.cast(sa.bindparam("rows", type_=sa.Text), sa.JSON))
    return rows.table_valued(*typed).render_derived(name="given", with_types=True)


def as_parameter(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the parameter for `given`: of each row its values by the names of the columns. Numbers stay exact."""
    return wire.encode(list(rows)).decode()
