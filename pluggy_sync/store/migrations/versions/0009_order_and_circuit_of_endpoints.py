"""
Deliver in order and keep off an endpoint that fails: claims of notifications, and how each endpoint does.

Revision ID: 0009
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0007"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
OUTBOX = ("claimed_until", "queued_until", "first_tried_at")
ENDPOINTS = ("failing_since", "retry_at", "probing_until")


def upgrade() -> None:
    """Add the columns; a notification that was tried before counts from when it was written."""
    for name in OUTBOX:
        op.add_column("outbox", sa.Column(name, INSTANT))
    op.execute("UPDATE outbox SET first_tried_at = created_at WHERE state = 'pending' AND attempts > 0")
    op.create_index(
        "outbox_pending_of_item_idx", "outbox", ["item_id", "sequence"], postgresql_where=sa.text("state = 'pending'")
    )
    op.rename_table("stopped_endpoints", "endpoints")
    op.execute("ALTER INDEX stopped_endpoints_pkey RENAME TO endpoints_pkey")
    op.alter_column("endpoints", "endpoint", new_column_name="url_digest")
    op.alter_column("endpoints", "stopped_at", nullable=True)
    for name in ENDPOINTS:
        op.add_column("endpoints", sa.Column(name, INSTANT))


def downgrade() -> None:
    """Forget what only the new columns know."""
    op.execute("DELETE FROM endpoints WHERE stopped_at IS NULL")
    for name in ENDPOINTS:
        op.drop_column("endpoints", name)
    op.alter_column("endpoints", "stopped_at", nullable=False)
    op.alter_column("endpoints", "url_digest", new_column_name="endpoint")
    op.execute("ALTER INDEX endpoints_pkey RENAME TO stopped_endpoints_pkey")
    op.rename_table("endpoints", "stopped_endpoints")
    op.drop_index("outbox_pending_of_item_idx", "outbox")
    for name in OUTBOX:
        op.drop_column("outbox", name)
