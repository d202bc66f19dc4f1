"""
Room for what banks really send: rows that cannot be read, dates that are days, large numbers and long ids.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)

CONNECTOR_NUMBERS = [("items", "connector_id"), ("connectors", "id")]
DAYS = [
    ("bills", "due_date"),
    ("bills", "closing_date"),
    ("investments", "due_date"),
    ("investment_transactions", "date"),
    ("loans", "due_date"),
]
IS_MIDNIGHT_UTC = "({0} AT TIME ZONE 'UTC')::time = '00:00'"
UTC_DAY = "({0} AT TIME ZONE 'UTC')::date"
SAO_PAULO_DAY = "({0} AT TIME ZONE 'America/Sao_Paulo')::date"
DAY = f"CASE WHEN {IS_MIDNIGHT_UTC} THEN {UTC_DAY} ELSE {SAO_PAULO_DAY} END"


def upgrade() -> None:
    """Add the table, widen what was too narrow, and give each date the day that it means."""
    op.create_table(
        "unreadable_rows",
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("parent_id", sa.Text(), nullable=False),
        sa.Column("raw", postgresql.JSONB(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("first_seen_at", INSTANT, nullable=False),
        sa.Column("last_seen_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("item_id", "what", "key", name="unreadable_rows_pkey"),
    )
    for table, column in CONNECTOR_NUMBERS:
        op.alter_column(table, column, type_=sa.BigInteger())
    # -1 stood for a connector without a number.
    op.execute("UPDATE items SET connector_id = NULL WHERE connector_id = -1")
    op.execute("DELETE FROM connectors WHERE id = -1")
    op.drop_index("items_client_user_id_idx", table_name="items")
    op.create_index("items_client_user_id_idx", "items", ["client_user_id"], postgresql_using="hash")
    for table, column in DAYS:
        op.alter_column(table, column, type_=sa.Date(), postgresql_using=DAY.format(f'"{column}"'))
    op.execute(
        f"UPDATE transactions SET day = {UTC_DAY.format('date')} "  # noqa: S608 - our own columns
        f"WHERE {IS_MIDNIGHT_UTC.format('date')} AND day <> {UTC_DAY.format('date')}"
    )


def downgrade() -> None:
    """Take the table and the room away; the days of transactions stay."""
    for table, column in DAYS:
        midnight = f"\"{column}\"::timestamp AT TIME ZONE 'America/Sao_Paulo'"
        op.alter_column(table, column, type_=INSTANT, postgresql_using=midnight)
    op.drop_index("items_client_user_id_idx", table_name="items")
    op.create_index("items_client_user_id_idx", "items", ["client_user_id"])
    for table, column in CONNECTOR_NUMBERS:
        op.alter_column(table, column, type_=sa.Integer())
    op.drop_table("unreadable_rows")
