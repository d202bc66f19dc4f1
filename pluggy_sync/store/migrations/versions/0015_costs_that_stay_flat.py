"""
Indexes and counts with which lists, the sweep and the metrics cost the same in a large database as in a small one.

Nobody waits for it. An index is made while its table is written, and the settings of a table are changed under a lock
that stops no reader and no writer. What is interrupted can be repeated.

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

from pluggy_sync.store import online_indexes

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

NOT_UPDATED = "deleted_at IS NULL AND status IS DISTINCT FROM 'UPDATED'"

INDEXES = {
    "items_not_updated_idx": f"items (id) WHERE {NOT_UPDATED}",
    "items_not_updated_of_connector_idx": f"items (connector_id, id) WHERE {NOT_UPDATED}",
    "items_deleted_idx": "items (id) WHERE deleted_at IS NOT NULL",
    "items_unplanned_idx": (
        "items (coalesce(last_updated_at, first_seen_at)) WHERE deleted_at IS NULL AND next_auto_sync_at IS NULL"
    ),
    "items_status_idx": "items (status) WHERE deleted_at IS NULL",
    "user_actions_created_at_id_idx": "user_actions (created_at, id)",
    "user_actions_state_created_at_id_idx": "user_actions (state, created_at, id)",
    "user_actions_client_user_id_idx": "user_actions USING hash (client_user_id)",
    "deliveries_created_at_id_idx": "deliveries (created_at, id)",
}

# Rows that change often keep room on their page for the next version. Large tables are vacuumed and analyzed after one
# row in fifty, not one in five or ten.
_OFTEN = "autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02"
_GROWS = f"{_OFTEN}, autovacuum_vacuum_insert_scale_factor = 0.02"
SETTINGS = {
    "item_progress": f"fillfactor = 50, {_OFTEN}",
    "items": f"fillfactor = 70, {_OFTEN}",
    "accounts": f"fillfactor = 80, {_OFTEN}",
    "inbox": f"fillfactor = 85, {_GROWS}",
    "deliveries": f"fillfactor = 85, {_GROWS}",
    "sync_runs": f"fillfactor = 85, {_GROWS}",
    "user_actions": f"fillfactor = 85, {_GROWS}",
    "transactions": _GROWS,
    "changes": _GROWS,
}


def upgrade() -> None:
    """Count what the counters begin with; then make the indexes, each in a transaction of its own."""
    op.create_table(
        "counters",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("counters_pkey")),
        if_not_exists=True,
    )
    op.create_table(
        "item_counts",
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("status", name=op.f("item_counts_pkey")),
        if_not_exists=True,
    )
    op.execute(
        """
        INSERT INTO counters (name, value)
        SELECT 'rows_repaired',
               (SELECT coalesce(sum(added + modified + removed), 0) FROM sync_runs
                WHERE trigger = 'reconciliation' AND outcome <> 'running')
               + (SELECT coalesce(sum(repaired), 0) FROM sync_runs
                  WHERE repaired > 0 AND trigger <> 'reconciliation' AND outcome <> 'running')
        UNION ALL
        SELECT 'found_by_fetching', count(*) FROM inbox
        WHERE name = 'local/fetch_requested' AND payload ->> 'why' = 'silent past its auto-sync'
          AND outcome IN ('sync', 'ask', 'purge')
        ON CONFLICT DO NOTHING
        """
    )
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table, settings in SETTINGS.items():
        op.execute(f"ALTER TABLE {table} SET ({settings})")
    for name, on in INDEXES.items():
        online_indexes.create(name, on)
    # An index on an expression has statistics of its own, which the planner lacks until then.
    op.execute("ANALYZE items")


def downgrade() -> None:
    """Remove all of it."""
    for name in INDEXES:
        op.drop_index(name)
    for table, settings in SETTINGS.items():
        names = ", ".join(each.split(" = ")[0] for each in settings.split(", "))
        op.execute(f"ALTER TABLE {table} RESET ({names})")
    op.drop_table("item_counts")
    op.drop_table("counters")
