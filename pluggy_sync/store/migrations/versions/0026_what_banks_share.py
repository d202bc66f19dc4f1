"""
What the bank of an Open Finance Item shares.

Revision ID: 0026
Revises: 0024a
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0026"
down_revision = "0024a"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "shared_resources",
        sa.Column("item_id", sa.Text, nullable=False),
        sa.Column("collected_at", sa.DateTime(timezone=True)),
        sa.Column("pending", sa.Boolean, nullable=False),
        sa.Column("resources", JSONB),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("item_id", name=op.f("shared_resources_pkey")),
        if_not_exists=True,
    )


def downgrade() -> None:
    """Remove it."""
    op.drop_table("shared_resources")
