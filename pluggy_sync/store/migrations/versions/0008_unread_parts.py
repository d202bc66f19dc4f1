"""
What could not be read of an event.

Revision ID: 0008
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, empty, and the index by which such events are found."""
    op.add_column("inbox", sa.Column("unread", sa.ARRAY(sa.Text)))
    op.create_index("inbox_unread_idx", "inbox", ["id"], postgresql_where=sa.text("unread IS NOT NULL"))


def downgrade() -> None:
    """Remove both."""
    op.drop_index("inbox_unread_idx", "inbox")
    op.drop_column("inbox", "unread")
