"""
Several endpoints, each with its own deliveries; notifications and changes of all Items in the order of their commits.

A process of the version before that still runs cannot write notifications any more: its transaction is rolled back, and
what it was about is done again by a new process. Nothing is lost.

Revision ID: 0014
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0010"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
MOVED = "state, attempts, due_at, claimed_until, queued_until, first_tried_at, delivered_at"
PENDING = sa.text("state = 'pending'")
NEW = sa.text("position IS NULL")


def upgrade() -> None:
    """Make the tables; what is in the outbox belongs to the endpoint of the settings."""
    _extend_endpoints()
    op.create_table(
        "deliveries",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("endpoint_id", sa.Text, sa.ForeignKey("endpoints.id"), nullable=False),
        sa.Column("notification_id", sa.Text, sa.ForeignKey("outbox.id", ondelete="CASCADE"), nullable=False),
        sa.Column("item_id", sa.Text),
        sa.Column("sequence", sa.BigInteger),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("state", sa.Text, nullable=False, server_default="pending"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("claimed_until", INSTANT),
        sa.Column("queued_until", INSTANT),
        sa.Column("first_tried_at", INSTANT),
        sa.Column("delivered_at", INSTANT),
        sa.CheckConstraint("state IN ('pending', 'delivered', 'dead')", name=op.f("deliveries_state_check")),
        sa.UniqueConstraint("notification_id", "endpoint_id", name=op.f("deliveries_notification_id_endpoint_id_key")),
    )
    op.execute(
        f"""
        INSERT INTO deliveries (endpoint_id, notification_id, item_id, sequence, created_at, {MOVED})
        SELECT 'ep_environment', id, item_id, sequence, created_at, {MOVED} FROM outbox ORDER BY created_at, sequence
        """  # noqa: S608 - names of columns
    )
    op.create_index("deliveries_due_idx", "deliveries", ["endpoint_id", "due_at"], postgresql_where=PENDING)
    op.create_index(
        "deliveries_pending_of_item_idx", "deliveries", ["endpoint_id", "item_id", "sequence"], postgresql_where=PENDING
    )
    op.create_index("deliveries_item_id_idx", "deliveries", ["item_id"])
    op.create_index(
        "deliveries_claimed_idx",
        "deliveries",
        ["endpoint_id", "claimed_until"],
        postgresql_where=sa.text("claimed_until IS NOT NULL"),
    )
    op.create_index("deliveries_dead_idx", "deliveries", ["created_at"], postgresql_where=sa.text("state = 'dead'"))
    op.create_index("deliveries_oldest_idx", "deliveries", ["endpoint_id", "created_at"], postgresql_where=PENDING)

    # With a constant default no row is rewritten.
    op.add_column(
        "delivery_attempts", sa.Column("endpoint_id", sa.Text, nullable=False, server_default="ep_environment")
    )
    op.alter_column("delivery_attempts", "endpoint_id", server_default=None)
    op.add_column("delivery_attempts", sa.Column("answer", sa.Text))
    op.create_index("delivery_attempts_endpoint_id_idx", "delivery_attempts", ["endpoint_id", "id"])

    for name in MOVED.split(", "):
        op.drop_column("outbox", name)
    op.create_index("outbox_created_at_idx", "outbox", ["created_at"])
    _make_streams()


def _extend_endpoints() -> None:
    # One row at most is about the present address. Without the settings we cannot know which, if there are several.
    op.execute(
        """
        DELETE FROM endpoints WHERE url_digest NOT IN (
            SELECT url_digest FROM endpoints ORDER BY stopped_at IS NULL, failing_since DESC NULLS LAST LIMIT 1
        )
        """
    )
    op.drop_constraint("endpoints_pkey", "endpoints")
    op.add_column("endpoints", sa.Column("id", sa.Text, nullable=False, server_default="ep_environment"))
    op.alter_column("endpoints", "id", server_default=None)
    op.create_primary_key("endpoints_pkey", "endpoints", ["id"])
    op.alter_column("endpoints", "url_digest", nullable=True)
    for column in (
        sa.Column("url", sa.Text),
        sa.Column("description", sa.Text),
        sa.Column("types", sa.ARRAY(sa.Text)),
        sa.Column("enabled", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("secret", sa.Text),
        sa.Column("previous_secret", sa.Text),
        sa.Column("previous_secret_until", INSTANT),
        sa.Column("created_at", INSTANT, nullable=False, server_default=sa.func.now()),
        sa.Column("deleted_at", INSTANT),
        sa.Column("stop_reason", sa.Text),
    ):
        op.add_column("endpoints", column)
    op.execute("UPDATE endpoints SET stop_reason = 'gone' WHERE stopped_at IS NOT NULL")
    op.create_check_constraint(op.f("endpoints_stop_reason_check"), "endpoints", "stop_reason IN ('gone', 'failing')")
    op.execute("INSERT INTO endpoints (id) VALUES ('ep_environment') ON CONFLICT DO NOTHING")


def _make_streams() -> None:
    op.execute(sa.schema.CreateSequence(sa.Sequence("stream_positions")))
    op.create_table(
        "notification_stream",
        sa.Column("serial", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("position", sa.BigInteger, unique=True),
        sa.Column(
            "notification_id", sa.Text, sa.ForeignKey("outbox.id", ondelete="CASCADE"), nullable=False, unique=True
        ),
    )
    op.create_table(
        "change_stream",
        sa.Column("serial", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("position", sa.BigInteger, unique=True),
        sa.Column("item_id", sa.Text, nullable=False),
        sa.Column("after_seq", sa.BigInteger, nullable=False),
        sa.Column("through_seq", sa.BigInteger, nullable=False),
    )
    op.execute("INSERT INTO notification_stream (notification_id) SELECT id FROM outbox ORDER BY created_at, sequence")
    # Entries that a process of the version before still adds are covered by the Item's next row.
    op.execute(
        """
        INSERT INTO change_stream (item_id, after_seq, through_seq)
        SELECT id, 0, change_seq FROM items WHERE change_seq > 0 AND deleted_at IS NULL
        """
    )
    for name in ("notification_stream", "change_stream"):
        op.create_index(f"{name}_new_idx", name, ["serial"], postgresql_where=NEW)
    op.create_index("change_stream_item_id_idx", "change_stream", ["item_id", "through_seq"])


def downgrade() -> None:
    """Keep what the endpoint of the settings got, and forget the others."""
    op.drop_table("change_stream")
    op.drop_table("notification_stream")
    op.execute("DROP SEQUENCE stream_positions")
    op.drop_index("outbox_created_at_idx", "outbox")
    op.add_column("outbox", sa.Column("state", sa.Text, nullable=False, server_default="delivered"))
    op.alter_column("outbox", "state", server_default="pending")
    op.add_column("outbox", sa.Column("attempts", sa.Integer, nullable=False, server_default="0"))
    for name in ("due_at", "claimed_until", "queued_until", "first_tried_at", "delivered_at"):
        op.add_column("outbox", sa.Column(name, INSTANT))
    op.execute("UPDATE outbox SET due_at = created_at")
    taken = ", ".join(f"{name} = deliveries.{name}" for name in MOVED.split(", "))
    op.execute(
        f"""
        UPDATE outbox SET {taken} FROM deliveries
        WHERE deliveries.notification_id = outbox.id AND deliveries.endpoint_id = 'ep_environment'
        """  # noqa: S608 - names of columns
    )
    op.alter_column("outbox", "due_at", nullable=False)
    op.create_check_constraint(op.f("outbox_state_check"), "outbox", "state IN ('pending', 'delivered', 'dead')")
    op.create_index("outbox_due_idx", "outbox", ["due_at"], postgresql_where=PENDING)
    op.create_index("outbox_pending_of_item_idx", "outbox", ["item_id", "sequence"], postgresql_where=PENDING)
    op.create_index("outbox_dead_idx", "outbox", ["created_at"], postgresql_where=sa.text("state = 'dead'"))
    op.execute("DELETE FROM delivery_attempts WHERE endpoint_id <> 'ep_environment'")
    op.drop_index("delivery_attempts_endpoint_id_idx", "delivery_attempts")
    op.drop_column("delivery_attempts", "answer")
    op.drop_column("delivery_attempts", "endpoint_id")
    op.drop_table("deliveries")
    op.execute("DELETE FROM endpoints WHERE id <> 'ep_environment' OR url_digest IS NULL")
    op.drop_constraint("endpoints_pkey", "endpoints")
    for name in (
        "id",
        "url",
        "description",
        "types",
        "enabled",
        "secret",
        "previous_secret",
        "previous_secret_until",
        "created_at",
        "deleted_at",
        "stop_reason",
    ):
        op.drop_column("endpoints", name)
    op.alter_column("endpoints", "url_digest", nullable=False)
    op.create_primary_key("endpoints_pkey", "endpoints", ["url_digest"])
