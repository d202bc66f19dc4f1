"""
The list of all Items, newest first, costs the same with millions of them.

Revision ID: 0031
Revises: 0016
"""

from alembic import op

from pluggy_sync.store import online_indexes

revision = "0031"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the index while the table is read and written."""
    online_indexes.create("items_newest_idx", "items (first_seen_at, id) WHERE deleted_at IS NULL")


def downgrade() -> None:
    """Drop the index."""
    op.drop_index("items_newest_idx", table_name="items")
