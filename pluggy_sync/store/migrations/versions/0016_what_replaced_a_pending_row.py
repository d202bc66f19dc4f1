"""
Which transaction took the place of a pending one, and by which rule. No row is written.

Revision ID: 0016
Revises: 0027
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, empty."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("transactions", sa.Column("replaces", sa.Text), if_not_exists=True)
    op.add_column("transactions", sa.Column("replaces_rule", sa.Text), if_not_exists=True)


def downgrade() -> None:
    """Forget them."""
    op.drop_column("transactions", "replaces_rule")
    op.drop_column("transactions", "replaces")
