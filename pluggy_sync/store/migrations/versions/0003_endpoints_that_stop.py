"""
Endpoints of the product that answered 410.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make their table."""
    op.create_table(
        "stopped_endpoints",
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("endpoint", name="stopped_endpoints_pkey"),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("stopped_endpoints")
