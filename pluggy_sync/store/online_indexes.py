"""
Indexes that are made while their table is read and written. For migrations.

Tests: `store/test_migrate.py`.
"""

import sqlalchemy as sa
from alembic import op


def create(name: str, on: str) -> None:
    """
    Create the index *name* on *on*, the rest of the statement, unless there is one of that name.

    What the migration did before is committed first: Postgres makes such an index outside of a transaction. An index
    that an interrupted attempt left behind is not used by anyone, and is made anew.
    """
    with op.get_context().autocommit_block():
        conn = op.get_bind()
        made = sa.text(
            "SELECT indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid "
            "WHERE relname = :name AND pg_table_is_visible(pg_class.oid)"
        )
        is_valid = conn.scalar(made, {"name": name})
        if is_valid is False:
            op.execute(f"DROP INDEX CONCURRENTLY {name}")
        if not is_valid:
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {on}")
