"""
Indexes that the metrics are read from.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the indexes."""
    op.create_index("inbox_dead_idx", "inbox", ["id"], postgresql_where=sa.text("state = 'dead'"))
    op.create_index("inbox_looks_idx", "inbox", ["id"], postgresql_where=sa.text("name = 'local/look_requested'"))
    op.create_index("sync_runs_started_at_idx", "sync_runs", ["started_at"])
    op.create_index(
        "sync_runs_reconciliations_idx",
        "sync_runs",
        ["started_at"],
        postgresql_where=sa.text("trigger = 'reconciliation'"),
    )
    op.create_index("outbox_dead_idx", "outbox", ["created_at"], postgresql_where=sa.text("state = 'dead'"))


def downgrade() -> None:
    """Drop them."""
    for name in (
        "outbox_dead_idx",
        "sync_runs_reconciliations_idx",
        "sync_runs_started_at_idx",
        "inbox_looks_idx",
        "inbox_dead_idx",
    ):
        op.drop_index(name)
