"""What a statement looks for is named as no column is: SQLAlchemy writes a parameter to the column of its name."""

import importlib
import pkgutil

import pytest
import sqlalchemy as sa
from sqlalchemy.sql import visitors

from pluggy_sync import store


def statements():
    for module in pkgutil.iter_modules(store.__path__, f"{store.__name__}."):
        for name, value in vars(importlib.import_module(module.name)).items():
            # A CTE holds the statement that writes.
            written = value.element if isinstance(value, sa.CTE) else value
            if isinstance(written, sa.Update):
                yield f"{module.name}.{name}", written


def looked_for(update):
    """Return the names of the parameters of its condition."""
    if update.whereclause is None:
        return set()
    return {each.key for each in visitors.iterate(update.whereclause) if isinstance(each, sa.BindParameter)}


def mistaken(update):
    return looked_for(update) & {column.name for column in update.table.columns}


def test_there_are_such_statements():
    assert len(dict(statements())) > 10


def test_no_parameter_of_a_condition_is_named_as_a_column_that_is_written():
    assert {name: mistaken(update) for name, update in statements() if mistaken(update)} == {}


@pytest.mark.parametrize("named, is_mistaken", [("state", True), ("wanted", False)])
def test_a_parameter_that_is_named_as_a_column_is_noticed(named, is_mistaken):
    table = sa.Table("runs", sa.MetaData(), sa.Column("state", sa.Text))

    assert bool(mistaken(sa.update(table).where(table.c.state == sa.bindparam(named)))) is is_mistaken
