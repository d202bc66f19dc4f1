"""
What transactions were before they were modified or removed, from now on.

No row is written again: the present content of each counts as recorded now. The index that is made at once is of a new
table.

Revision ID: 0017
Revises: 0028
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0017"
down_revision = "0028"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
# As of the other large tables: vacuumed and analyzed after one row in fifty.
_OFTEN = (
    "autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02, "
    "autovacuum_vacuum_insert_scale_factor = 0.02"
)


def upgrade() -> None:
    """Make the tables; note when history begins, if there are transactions already."""
    op.create_table(
        "transaction_revisions",
        sa.Column("item_id", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("id", sa.Text, nullable=False, comment="id of the transaction"),
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT, nullable=False),
        sa.Column("date", INSTANT, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("status", sa.Text),
        sa.Column("raw", JSONB, nullable=False),
        sa.Column("replaces", sa.Text),
        sa.Column("replaces_rule", sa.Text),
        sa.PrimaryKeyConstraint("item_id", "seq", name=op.f("transaction_revisions_pkey")),
        if_not_exists=True,
    )
    op.create_index(
        "transaction_revisions_account_id_ended_at_idx",
        "transaction_revisions",
        ["account_id", "ended_at"],
        if_not_exists=True,
    )
    op.create_index(
        "transaction_revisions_ended_at_item_id_seq_idx",
        "transaction_revisions",
        ["ended_at", "item_id", "seq"],
        if_not_exists=True,
    )
    op.execute(f"ALTER TABLE transaction_revisions SET ({_OFTEN})")
    op.create_table(
        "history_begins",
        sa.Column("is_only", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("is_only", name=op.f("history_begins_pkey")),
        sa.CheckConstraint("is_only", name=op.f("history_begins_is_only_check")),
        if_not_exists=True,
    )
    op.execute("SET LOCAL lock_timeout = '5s'")
    # The default is taken once, and stands for all rows that are there. A process of the version before makes a
    # temporary table like this one and gives no value for the column: with NOT NULL it could not.
    op.add_column("transactions", sa.Column("recorded_at", INSTANT, server_default=sa.func.now()), if_not_exists=True)
    # A process of the version before may still change rows for a moment, without a revision.
    op.execute(
        "INSERT INTO history_begins (at) SELECT now() + interval '5 minutes' "
        "WHERE EXISTS (SELECT FROM transactions) ON CONFLICT DO NOTHING"
    )


def downgrade() -> None:
    """Forget the history."""
    op.drop_column("transactions", "recorded_at")
    op.drop_table("history_begins")
    op.drop_table("transaction_revisions")
