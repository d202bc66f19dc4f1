"""
Parts that could not be read, what the product was told last, and when the sweep starts a sync.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
OUTCOMES = "'running', 'done', 'failed', 'abandoned'"


def upgrade() -> None:
    """Add them. What was synced counts as told; a sync that is not pending is due no more."""
    op.create_table(
        "incomplete_parts",
        sa.Column("item_id", sa.Text, primary_key=True),
        sa.Column("product", sa.Text, primary_key=True),
        sa.Column("part_of", sa.Text, primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("retry_at", INSTANT),
        sa.Column("after_seq", sa.BigInteger, nullable=False),
    )
    op.add_column("items", sa.Column("first_synced_at", INSTANT))
    op.add_column("items", sa.Column("told_change_seq", sa.BigInteger))
    op.execute(
        "UPDATE items SET first_synced_at = coalesce(fetched_at, now()), told_change_seq = change_seq "
        "WHERE synced_update_at IS NOT NULL AND deleted_at IS NULL"
    )
    op.alter_column("item_progress", "due_at", nullable=True)
    # A run now covers the events that were stored as it began; those that were handled are covered.
    op.execute(
        "UPDATE item_progress SET due_at = NULL, synced_seq = greatest(synced_seq, fetched_seq) "
        "WHERE sync_requested_seq <= synced_seq"
    )
    op.create_index(
        "item_progress_due_at_idx", "item_progress", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL")
    )
    op.add_column("sync_runs", sa.Column("repaired", sa.Integer, nullable=False, server_default="0"))
    op.add_column("sync_runs", sa.Column("parts", JSONB))
    op.add_column("sync_runs", sa.Column("incomplete", JSONB))
    op.create_index("sync_runs_repairs_idx", "sync_runs", ["started_at"], postgresql_where=sa.text("repaired > 0"))
    _allow_outcomes(f"{OUTCOMES}, 'rescheduled'")


def downgrade() -> None:
    """Take them away."""
    op.execute("UPDATE sync_runs SET outcome = 'failed' WHERE outcome = 'rescheduled'")
    _allow_outcomes(OUTCOMES)
    op.drop_index("sync_runs_repairs_idx", "sync_runs")
    for column in ("incomplete", "parts", "repaired"):
        op.drop_column("sync_runs", column)
    op.drop_index("item_progress_due_at_idx", "item_progress")
    op.execute("UPDATE item_progress SET due_at = now() WHERE due_at IS NULL")
    op.alter_column("item_progress", "due_at", nullable=False)
    op.drop_column("items", "told_change_seq")
    op.drop_column("items", "first_synced_at")
    op.drop_table("incomplete_parts")


def _allow_outcomes(allowed: str) -> None:
    op.execute("ALTER TABLE sync_runs DROP CONSTRAINT sync_runs_outcome_check")
    op.execute(f"ALTER TABLE sync_runs ADD CONSTRAINT sync_runs_outcome_check CHECK (outcome IN ({allowed}))")
