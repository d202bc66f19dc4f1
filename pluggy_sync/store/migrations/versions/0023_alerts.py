"""
Alerts of the watchdog; how many events came when; when work should have been done, which the sweep does not move; and
when the sweep was last done.

Nobody waits for it: columns are added without a default, and the indexes are made while their tables are written. What
is interrupted can be repeated.

Revision ID: 0023
Revises: 0020
"""

import sqlalchemy as sa
from alembic import op

from pluggy_sync.store import online_indexes

revision = "0023"
down_revision = "0020"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
INDEXES = {
    "inbox_received_at_idx": "inbox USING brin (received_at) WITH (autosummarize = on)",
    "items_quota_used_up_idx": (
        "items (connector_id) WHERE deleted_at IS NULL AND "
        """jsonb_path_exists(raw, '$."statusDetail".*."warnings"[*]?(@."code" == "423")')"""
    ),
}


def upgrade() -> None:
    """Make the tables and columns, then the indexes, each in a transaction of its own."""
    op.create_table(
        "alerts",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False, server_default=""),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("raised_at", INSTANT, nullable=False),
        sa.Column("last_seen_at", INSTANT, nullable=False),
        sa.Column("cleared_at", INSTANT),
        if_not_exists=True,
    )
    op.create_index(
        "alerts_open_key",
        "alerts",
        ["code", "subject"],
        unique=True,
        postgresql_where=sa.text("cleared_at IS NULL"),
        if_not_exists=True,
    )
    op.create_table(
        "event_counts",
        sa.Column("began_at", INSTANT, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("began_at", name=op.f("event_counts_pkey")),
        if_not_exists=True,
    )
    op.create_table(
        "schedule",
        sa.Column("task", sa.Text, nullable=False),
        sa.Column("done_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("task", name=op.f("schedule_pkey")),
        if_not_exists=True,
    )
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in ("inbox", "item_progress"):
        op.add_column(table, sa.Column("scheduled_at", INSTANT), if_not_exists=True)
    op.execute("UPDATE inbox SET scheduled_at = due_at WHERE state = 'stored' AND scheduled_at IS NULL")
    op.execute("UPDATE item_progress SET scheduled_at = due_at WHERE due_at IS NOT NULL AND scheduled_at IS NULL")
    for name, on in INDEXES.items():
        online_indexes.create(name, on)


def downgrade() -> None:
    """Remove all of it."""
    for name in INDEXES:
        op.drop_index(name)
    for table in ("item_progress", "inbox"):
        op.drop_column(table, "scheduled_at")
    op.drop_table("schedule")
    op.drop_table("event_counts")
    op.drop_table("alerts")
