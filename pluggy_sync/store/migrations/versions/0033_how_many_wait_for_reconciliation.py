"""
Let Postgres estimate how many Items wait for reconciliation.

It does not use the statistics of a partial index. Without statistics of the expression itself it expects a third of all
Items, and reads all of them.

Revision ID: 0033
Revises: 0021
"""

from alembic import op

revision = "0033"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Collect the statistics, now and with each ANALYZE. Neither readers nor writers wait."""
    op.execute(
        "CREATE STATISTICS IF NOT EXISTS items_reconciled_stats ON (coalesce(reconciled_at, first_seen_at)) FROM items"
    )
    op.execute("ANALYZE items")


def downgrade() -> None:
    """Remove the statistics."""
    op.execute("DROP STATISTICS IF EXISTS items_reconciled_stats")
