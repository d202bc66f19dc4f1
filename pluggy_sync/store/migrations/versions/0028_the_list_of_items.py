"""
The comparison with Pluggy's list of Items.

Revision ID: 0028
Revises: 0031
"""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "item_list_checks",
        sa.Column("application", sa.Text, nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True)),
        sa.Column("after", sa.Text),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("refused_at", sa.DateTime(timezone=True)),
        sa.Column("unknown_here", sa.Integer, nullable=False, server_default="0"),
        sa.Column("unknown_there", sa.Integer, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("application", name=op.f("item_list_checks_pkey")),
        if_not_exists=True,
    )
    op.create_table(
        "listed_items",
        sa.Column("item_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("item_id", name=op.f("listed_items_pkey")),
        if_not_exists=True,
    )


def downgrade() -> None:
    """Remove them."""
    op.drop_table("listed_items")
    op.drop_table("item_list_checks")
