"""
Erasures of persons, and what remains of them: digests under a key of our own.

Processes of the version before know nothing of erased persons. Erase nobody before all of them are replaced.

Revision ID: 0021
Revises: 0032
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0021"
down_revision = "0032"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables; nothing else knows them. It may be repeated."""
    op.create_table(
        "sealed_keys",
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("sealed", sa.Text, nullable=False),
        sa.Column("public", sa.LargeBinary),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("purpose", "number", name=op.f("sealed_keys_pkey")),
        if_not_exists=True,
    )
    op.create_table(
        "erasures",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False, server_default="running"),
        sa.Column("user_sealed", sa.Text),
        sa.Column("requested_at", INSTANT, nullable=False),
        sa.Column("completed_at", INSTANT),
        sa.Column("searched_at", INSTANT),
        sa.Column("visible_at", INSTANT),
        sa.Column("removed_at", INSTANT),
        sa.Column("confirmed_at", INSTANT),
        sa.Column("removed", JSONB, nullable=False, server_default="{}"),
        sa.Column("waits_for", sa.Text),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("receipt", sa.Text),
        sa.PrimaryKeyConstraint("id", name=op.f("erasures_pkey")),
        sa.CheckConstraint("state IN ('running', 'done')", name=op.f("erasures_state_check")),
        if_not_exists=True,
    )
    op.create_index(
        "erasures_due_at_idx", "erasures", ["due_at"], postgresql_where=sa.text("state = 'running'"), if_not_exists=True
    )
    op.create_table(
        "erasure_items",
        sa.Column("erasure_id", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("item_sealed", sa.Text),
        sa.Column("outcome", sa.Text),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("trouble", sa.Text),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("erasure_id", "digest", name=op.f("erasure_items_pkey")),
        sa.ForeignKeyConstraint(["erasure_id"], ["erasures.id"], name=op.f("erasure_items_erasure_id_fkey")),
        sa.CheckConstraint("outcome IN ('deleted', 'absent')", name=op.f("erasure_items_outcome_check")),
        if_not_exists=True,
    )
    op.create_table(
        "erasure_tombstones",
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("erasure_id", sa.Text, nullable=False),
        sa.Column("erased_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("erasure_tombstones_pkey")),
        sa.ForeignKeyConstraint(["erasure_id"], ["erasures.id"], name=op.f("erasure_tombstones_erasure_id_fkey")),
        sa.CheckConstraint("kind IN ('user', 'item')", name=op.f("erasure_tombstones_kind_check")),
        if_not_exists=True,
    )
    op.create_index("erasure_tombstones_erasure_id_idx", "erasure_tombstones", ["erasure_id"], if_not_exists=True)


def downgrade() -> None:
    """Remove the tables. Erased persons may come back after that."""
    for table in ("erasure_tombstones", "erasure_items", "erasures", "sealed_keys"):
        op.drop_table(table)
