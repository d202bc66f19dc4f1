"""
The console: who is signed in, what operators did, what they do to many things at once, and figures for its charts.

Nobody waits for it, and what is interrupted can be repeated.

Revision ID: 0022
Revises: 0024
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from pluggy_sync.store import online_indexes

revision = "0022"
down_revision = "0024"
branch_labels = None
depends_on = None

INDEXES = {
    "inbox_kept_idx": "inbox (id) WHERE outcome = 'kept'",
    "inbox_of_connectors_idx": "inbox (id) WHERE name = 'connector/status_updated'",
}

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables, then the indexes, which are made while their table is written."""
    op.create_table(
        "console_sessions",
        sa.Column("token_digest", sa.Text, nullable=False),
        sa.Column("operator", sa.Text, nullable=False),
        sa.Column("login_digest", sa.Text, nullable=False),
        sa.Column("signed_in_at", INSTANT, nullable=False),
        sa.Column("used_at", INSTANT, nullable=False),
        sa.Column("ends_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("token_digest", name=op.f("console_sessions_pkey")),
        if_not_exists=True,
    )
    op.create_index("console_sessions_ends_at_idx", "console_sessions", ["ends_at"], if_not_exists=True)
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("operator", sa.Text, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("about", sa.Text),
        sa.Column("detail", JSONB),
        sa.Column("address", sa.Text),
        sa.PrimaryKeyConstraint("id", name=op.f("audit_entries_pkey")),
        if_not_exists=True,
    )
    op.create_index("audit_entries_at_idx", "audit_entries", ["at"], if_not_exists=True)
    op.create_index(
        "audit_entries_refused_idx",
        "audit_entries",
        ["at"],
        postgresql_where=sa.text("what = 'sign_in_refused'"),
        if_not_exists=True,
    )
    op.create_table(
        "bulk_operations",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("operator", sa.Text, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("wanted", JSONB, nullable=False),
        sa.Column("counted", sa.BigInteger, nullable=False),
        sa.Column("done", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("position", sa.Text),
        sa.Column("state", sa.Text, server_default="running", nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT),
        sa.CheckConstraint("state IN ('running', 'done', 'stopped')", name=op.f("bulk_operations_state_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("bulk_operations_pkey")),
        if_not_exists=True,
    )
    op.create_index(
        "bulk_operations_running_idx",
        "bulk_operations",
        ["started_at"],
        postgresql_where=sa.text("state = 'running'"),
        if_not_exists=True,
    )
    op.create_index("bulk_operations_started_at_idx", "bulk_operations", ["started_at"], if_not_exists=True)
    op.create_table(
        "figure_samples",
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("figures", JSONB, nullable=False),
        sa.PrimaryKeyConstraint("at", name=op.f("figure_samples_pkey")),
        if_not_exists=True,
    )
    for name, on in INDEXES.items():
        online_indexes.create(name, on)


def downgrade() -> None:
    """Remove them."""
    for name in INDEXES:
        op.drop_index(name, "inbox")
    for name in ("figure_samples", "bulk_operations", "audit_entries", "console_sessions"):
        op.drop_table(name)
