"""
When the webhook came that caused a notification, and how many Items of each bank are how fresh.

Nobody waits for it: a column without a value is added at once, and the index is made while its table is written.

Revision ID: 0024a
Revises: 0025
"""

import sqlalchemy as sa
from alembic import op

from pluggy_sync.store import online_indexes

revision = "0024a"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and the tables, then the index."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE outbox ADD COLUMN IF NOT EXISTS received_at timestamptz")
    op.create_table(
        "freshness_counts",
        sa.Column("connector_id", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("connector_id", "state", name=op.f("freshness_counts_pkey")),
        if_not_exists=True,
    )
    op.create_table(
        "freshness_days",
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("connector_id", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("product", sa.Text, nullable=False),
        sa.Column("fresh", sa.BigInteger, nullable=False),
        sa.Column("counted", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("day", "connector_id", "product", name=op.f("freshness_days_pkey")),
        if_not_exists=True,
    )
    online_indexes.create("items_living_of_connector_idx", "items (connector_id) WHERE deleted_at IS NULL")


def downgrade() -> None:
    """Remove all of it."""
    op.drop_index("items_living_of_connector_idx")
    op.drop_table("freshness_days")
    op.drop_table("freshness_counts")
    op.drop_column("outbox", "received_at")
