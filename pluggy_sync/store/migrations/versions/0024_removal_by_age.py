"""
Where the removal by age is, and the indexes by which it finds its rows.

Nobody waits for it: the indexes are made while their tables are written. What is interrupted can be repeated.

Revision ID: 0024
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op

from pluggy_sync.store import online_indexes

revision = "0024"
down_revision = "0015"
branch_labels = None
depends_on = None

INDEXES = {
    "inbox_payload_idx": (
        "inbox (handled_at, id) WHERE state = 'handled' AND name <> 'local/fetch_requested' "
        "AND (payload IS NOT NULL OR raw IS NOT NULL)"
    ),
    "balances_collected_at_idx": "balances (collected_at)",
    "deliveries_endpoint_id_idx": "deliveries (endpoint_id)",
}

# Tables that now shrink as they grow are vacuumed after one row in fifty.
_OFTEN = "autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02"
_NAMES = "autovacuum_vacuum_scale_factor, autovacuum_vacuum_insert_scale_factor"
TABLES = ("balances", "delivery_attempts", "notification_stream", "outbox", "submissions")


def upgrade() -> None:
    """Make the table, then the indexes, each in a transaction of its own."""
    op.create_table(
        "pruning",
        sa.Column("tier", sa.Text, nullable=False),
        sa.Column("place", sa.ARRAY(sa.Text)),
        sa.Column("is_over", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("removed", sa.BigInteger, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("tier", name=op.f("pruning_pkey")),
        if_not_exists=True,
    )
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} SET ({_OFTEN})")
    for name, on in INDEXES.items():
        online_indexes.create(name, on)


def downgrade() -> None:
    """Remove all of it."""
    for name in INDEXES:
        op.drop_index(name)
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} RESET ({_NAMES})")
    op.drop_table("pruning")
