"""
Items that took the place of others: the links between them, their accounts and rows.

Nobody waits for it: the column has no default, and the indexes are made while their tables are written.

Revision ID: 0025
Revises: 0023
"""

import sqlalchemy as sa
from alembic import op

from pluggy_sync.store import online_indexes

revision = "0025"
down_revision = "0023"
branch_labels = None
depends_on = None

INDEXES = {
    "items_replaced_idx": "items (id) WHERE replaced_by IS NOT NULL",
    "accounts_document_idx": "accounts (upper(regexp_replace(raw ->> 'taxNumber', '[^0-9A-Za-z]', '', 'g')))",
    "identities_document_idx": "identities (upper(regexp_replace(tax_number, '[^0-9A-Za-z]', '', 'g')))",
}


def upgrade() -> None:
    """Make the tables and the column, then the indexes, each in a transaction of its own."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE items ADD COLUMN IF NOT EXISTS replaced_by text")
    op.create_table(
        "item_links",
        sa.Column("old_item_id", sa.Text, nullable=False),
        sa.Column("new_item_id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("score", sa.Integer, nullable=False),
        sa.Column("reasons", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("made_by", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('suggested', 'linked', 'undone')", name=op.f("item_links_state_check")),
        sa.CheckConstraint("made_by IN ('rule', 'operator')", name=op.f("item_links_made_by_check")),
        sa.PrimaryKeyConstraint("old_item_id", "new_item_id", name=op.f("item_links_pkey")),
        if_not_exists=True,
    )
    op.create_index("item_links_new_item_id_idx", "item_links", ["new_item_id"], if_not_exists=True)
    op.create_index("item_links_changed_at_idx", "item_links", ["changed_at"], if_not_exists=True)
    op.create_index(
        "item_links_linked_key",
        "item_links",
        ["old_item_id"],
        unique=True,
        postgresql_where=sa.text("state = 'linked'"),
        if_not_exists=True,
    )
    op.create_table(
        "account_links",
        sa.Column("old_account_id", sa.Text, nullable=False),
        sa.Column("new_account_id", sa.Text, nullable=False),
        sa.Column("old_item_id", sa.Text, nullable=False),
        sa.Column("new_item_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("old_account_id", name=op.f("account_links_pkey")),
        if_not_exists=True,
    )
    for column in ("new_account_id", "old_item_id", "new_item_id"):
        op.create_index(f"account_links_{column}_idx", "account_links", [column], if_not_exists=True)
    op.create_table(
        "transaction_links",
        sa.Column("old_id", sa.Text, nullable=False),
        sa.Column("new_id", sa.Text, nullable=False),
        sa.Column("old_account_id", sa.Text, nullable=False),
        sa.Column("new_account_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("old_id", name=op.f("transaction_links_pkey")),
        sa.UniqueConstraint("new_id", name=op.f("transaction_links_new_id_key")),
        if_not_exists=True,
    )
    for column in ("old_account_id", "new_account_id"):
        op.create_index(f"transaction_links_{column}_idx", "transaction_links", [column], if_not_exists=True)
    op.create_table(
        "predecessor_searches",
        sa.Column("item_id", sa.Text, nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("item_id", name=op.f("predecessor_searches_pkey")),
        if_not_exists=True,
    )
    op.create_index("predecessor_searches_due_at_idx", "predecessor_searches", ["due_at"], if_not_exists=True)
    for name, on in INDEXES.items():
        online_indexes.create(name, on)
    # An index on an expression has statistics of its own, which the planner lacks until then.
    op.execute("ANALYZE accounts, identities")


def downgrade() -> None:
    """Remove all of it."""
    for name in INDEXES:
        op.drop_index(name)
    for table in ("predecessor_searches", "transaction_links", "account_links", "item_links"):
        op.drop_table(table)
    op.drop_column("items", "replaced_by")
