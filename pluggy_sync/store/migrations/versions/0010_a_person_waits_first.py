"""
Indexes by which the sweep finds what a person waits for, and reconciliation the Items whose turn it is.

Revision ID: 0010
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0012"
branch_labels = None
depends_on = None

URGENT = (
    "name IN ('item/waiting_user_input', 'item/waiting_user_action', 'item/error')"
    " OR coalesce(payload ->> 'urgent', '') = 'true'"
)


def upgrade() -> None:
    """Add the indexes; each holds a small part of its table."""
    op.create_index(
        "inbox_urgent_due_idx", "inbox", ["due_at"], postgresql_where=sa.text(f"state = 'stored' AND ({URGENT})")
    )
    op.create_index(
        "items_reconciled_idx",
        "items",
        [sa.text("coalesce(reconciled_at, first_seen_at)")],
        postgresql_where=sa.text("deleted_at IS NULL AND status = 'UPDATED'"),
    )
    op.create_index(
        "items_silent_idx",
        "items",
        ["next_auto_sync_at"],
        postgresql_where=sa.text("deleted_at IS NULL AND fetched_at < next_auto_sync_at"),
    )


def downgrade() -> None:
    """Remove them."""
    op.drop_index("inbox_urgent_due_idx", "inbox")
    op.drop_index("items_reconciled_idx", "items")
    op.drop_index("items_silent_idx", "items")
