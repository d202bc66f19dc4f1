"""
The code behind what was decided about an event.

Revision ID: 0032
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, empty: Postgres rewrites nothing for it."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("inbox", sa.Column("reason", sa.Text), if_not_exists=True)


def downgrade() -> None:
    """Remove it."""
    op.drop_column("inbox", "reason")
