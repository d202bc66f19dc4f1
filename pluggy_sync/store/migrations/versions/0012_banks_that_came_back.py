"""
When a bank last came back, for the person's page.

Revision ID: 0012
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, empty: Postgres rewrites nothing for it."""
    op.add_column("connectors", sa.Column("came_back_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    """Remove it."""
    op.drop_column("connectors", "came_back_at")
