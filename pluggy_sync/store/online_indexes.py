"""
Indexes that are made while their table is read and written. For migrations.

Tests: `store/test_migrate.py`.
"""

import sqlalchemy as sa
from alembic import op

from pluggy_sync.store.database import schema_of


def create(name: str, on: str) -> None:
    """
    Create the index *name* on *on*, the rest of the statement, unless there is one of that name.

    What the migration did before is committed first: Postgres makes such an index outside of a transaction. An index
    that an interrupted attempt left behind is not used by anyone, and is made anew. Outside of a transaction names do
    not lead to our tables by themselves, so the schema is said.
    """
    schema = schema_of(op.get_bind())
    with op.get_context().autocommit_block():
        conn = op.get_bind()
        made = sa.text(
            "SELECT indisvalid FROM pg_index JOIN pg_class c ON c.oid = indexrelid "
            "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = :name AND n.nspname = :schema"
        )
        is_valid = conn.scalar(made, {"name": name, "schema": schema})
        if is_valid is False:
            op.execute(f'DROP INDEX CONCURRENTLY "{schema}".{name}')
        if not is_valid:
            op.execute(f'CREATE INDEX CONCURRENTLY {name} ON "{schema}".{on}')
