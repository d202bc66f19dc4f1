"""
Tokens of `/v1` that an operator makes, each with a name and a scope.

Revision ID: 0020
Revises: 0022
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; nothing else knows it. It may be repeated."""
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True)),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=op.f("api_tokens_pkey")),
        sa.UniqueConstraint("digest", name=op.f("api_tokens_digest_key")),
        sa.CheckConstraint("scope IN ('read', 'act', 'admin')", name=op.f("api_tokens_scope_check")),
        if_not_exists=True,
    )
    op.create_index(
        "api_tokens_name_key",
        "api_tokens",
        ["name"],
        unique=True,
        postgresql_where=sa.text("revoked_at IS NULL"),
        if_not_exists=True,
    )


def downgrade() -> None:
    """Remove the table. The tokens in it stop working."""
    op.drop_table("api_tokens")
