"""
Answers of Pluggy that contradict an event, one update per Item at a time, reconciliations that failed, banks that are
back.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# By table: the instants, and the counts.
INSTANTS = [
    ("item_progress", "settled_updated_at"),
    ("item_progress", "settled_last_updated_at"),
    ("items", "reconcile_after"),
    ("items", "refresh_until"),
    ("connectors", "back_at"),
    ("user_actions", "told_at"),
]
COUNTS = [
    ("item_progress", "settled_seq", sa.BigInteger),
    ("item_progress", "refetches", sa.Integer),
    ("items", "reconcile_failures", sa.Integer),
]
INDEXES = [
    ("inbox_open_fetches_idx", "inbox", "item_id", "state = 'stored' AND name = 'local/fetch_requested'"),
    ("item_progress_contradiction_idx", "item_progress", "contradiction", "contradiction IS NOT NULL"),
    ("items_stale_told_idx", "items", "id", "stale_told_of IS NOT NULL"),
]


def upgrade() -> None:
    """Add the columns and indexes. What was fetched before counts as settled: nothing is fetched again for it."""
    for table, name in INSTANTS:
        op.add_column(table, sa.Column(name, sa.DateTime(timezone=True)))
    for table, name, type_ in COUNTS:
        op.add_column(table, sa.Column(name, type_, nullable=False, server_default="0"))
    op.add_column("item_progress", sa.Column("contradiction", sa.Text))
    op.add_column("items", sa.Column("application", sa.Text))
    op.execute("UPDATE item_progress SET settled_seq = fetched_seq")
    for name, table, column_name, where in INDEXES:
        op.create_index(name, table, [column_name], postgresql_where=sa.text(where))


def downgrade() -> None:
    """Drop them."""
    for name, *_ in INDEXES:
        op.drop_index(name)
    op.drop_column("items", "application")
    op.drop_column("item_progress", "contradiction")
    for table, name, _ in COUNTS:
        op.drop_column(table, name)
    for table, name in INSTANTS:
        op.drop_column(table, name)
