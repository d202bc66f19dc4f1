"""Each table is said to hold data of persons or not, and how what it holds is removed."""

import pytest
import sqlalchemy as sa

from pluggy_sync.store import personal_data
from pluggy_sync.store.tables import metadata

ADVICE = """
{table} is a table of `store/tables.py` that `store/personal_data.py` does not name. An erasure would leave its rows.

- Its rows have `item_id`: add `_by_item(tables.{table})` to PURGED (removed with the Item) or to ERASED (kept when an
  Item is deleted, removed when its person is erased).
- They refer to a row that has: `_by_parent(tables.{table}, "column", tables.parent)`, before that table in the list.
- They have to stay (an audit, an order, a place of a cursor): a `Held` in EMPTIED, with the rows and the values that
  they get.
- They hold nothing of a person, sealed or not, and no id of an Item: NOT_OF_PERSONS, with the reason.

Then see that its rows are planted in
`tests/promises/test_promise_9_an_erased_person_leaves_nothing.py`, which looks for what is left.
"""

HELD = [held.table.name for held in personal_data.HELD]


@pytest.mark.parametrize("table", sorted(table.name for table in metadata.tables.values()))
def test_each_table_is_said_to_hold_data_of_persons_or_not(table):
    named = [*HELD, *personal_data.NOT_OF_PERSONS].count(table)

    assert named == 1, ADVICE.format(table=table) if named == 0 else f"{table} is named {named} times"


def test_no_table_is_named_that_is_not_there():
    assert {*HELD, *personal_data.NOT_OF_PERSONS} <= {table.name for table in metadata.tables.values()}


def test_a_table_whose_rows_name_an_item_or_a_person_is_not_said_to_hold_nothing():
    telling = {"item_id", "client_user_id", "account_id"}

    wrong = {
        table.name
        for table in metadata.tables.values()
        if table.name in personal_data.NOT_OF_PERSONS and telling & {column.name for column in table.columns}
    }

    assert wrong == set()


def test_rows_are_removed_before_those_that_they_refer_to():
    order = {held.table: number for number, held in enumerate(personal_data.HELD)}

    for table, number in order.items():
        for key in table.foreign_keys:
            parent = key.column.table
            if parent in order and table is not parent:
                assert number < order[parent], f"{table.name} before {parent.name}"


@pytest.mark.parametrize("held", personal_data.HELD, ids=lambda held: held.table.name)
def test_the_rows_of_an_item_are_found_by_an_index(held):
    """A table that is read whole for each Item would make an erasure as slow as the table is long."""
    small = {"audit_entries", "bulk_operations", "pruning"}
    if held.table.name in small:
        return
    columns = {next(iter(index.columns), sa.column("none")).name for index in held.table.indexes}
    columns |= {column.name for column in held.table.primary_key.columns[:1]}
    columns |= {c.columns[0].name for c in held.table.constraints if isinstance(c, sa.UniqueConstraint)}
    named = {column.name for column in sa.sql.visitors.iterate(held.rows_of("x")) if isinstance(column, sa.Column)}

    assert named & columns, f"{held.table.name} has no index that begins with {named}"
