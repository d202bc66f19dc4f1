"""
Incidents of banks, and whom to tell when they are over.

Revision ID: 0027
Revises: 0026
"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables and columns. The default of a column is not written into its rows."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE connectors ADD COLUMN IF NOT EXISTS incident_type text")
    op.execute("ALTER TABLE connectors ADD COLUMN IF NOT EXISTS incident_since timestamptz")
    op.execute("ALTER TABLE connectors ADD COLUMN IF NOT EXISTS away boolean NOT NULL DEFAULT false")
    op.create_table(
        "bank_incidents",
        sa.Column("connector_id", sa.BigInteger, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        *(sa.Column(name, sa.Text) for name in ("type", "product", "severity", "state", "title", "url")),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("connector_id", "id", "source", name=op.f("bank_incidents_pkey")),
        if_not_exists=True,
    )
    op.create_table(
        "bank_returns",
        sa.Column("item_id", sa.Text, nullable=False),
        sa.Column("connector_id", sa.BigInteger, nullable=False),
        sa.Column("incident_type", sa.Text),
        sa.Column("since", sa.DateTime(timezone=True)),
        sa.Column("back_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("item_id", name=op.f("bank_returns_pkey")),
        if_not_exists=True,
    )
    op.create_index("bank_returns_back_at_idx", "bank_returns", ["back_at"], if_not_exists=True)


def downgrade() -> None:
    """Remove all of it."""
    op.drop_table("bank_returns")
    op.drop_table("bank_incidents")
    for column in ("away", "incident_since", "incident_type"):
        op.drop_column("connectors", column)
