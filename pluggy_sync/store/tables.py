"""
The tables. Postgres is the truth about work to do and about what is known of each Item.

Two rows carry the order of an Item's life. Its `item_work` row counts what came in (`wanted`) and how far that was
followed (`looked`, `synced`); webhook intake locks it, briefly. Its `items` row is the write lock of everything
else that belongs to the Item: whoever writes rows, changes, actions or notifications of an Item holds it.
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

metadata = sa.MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)

INSTANT = sa.DateTime(timezone=True)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False, server_default="0")


# Every authenticated delivery, once. `state`: stored -> handled | dead (given up; an operator can send it again).
inbox = sa.Table(
    "inbox",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("event_id", sa.Text, nullable=False, unique=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("item_id", sa.Text),
    # The value of item_work.wanted that this event raised it to; null without an Item.
    sa.Column("item_seq", sa.BigInteger),
    sa.Column("payload", JSONB),
    # The body as it came, kept only when it could not be parsed.
    sa.Column("raw", sa.LargeBinary),
    sa.Column("state", sa.Text, nullable=False, server_default="stored"),
    sa.Column("outcome", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("error", sa.Text),
    sa.Column("received_at", INSTANT, nullable=False),
    sa.Column("due_at", INSTANT, nullable=False),
    sa.Column("handled_at", INSTANT),
    sa.CheckConstraint("state IN ('stored', 'handled', 'dead')", name="state"),
    sa.Index("inbox_due_idx", "due_at", postgresql_where=sa.text("state = 'stored'")),
    sa.Index("inbox_item_id_item_seq_idx", "item_id", "item_seq"),
)

# How far each Item's events were followed; every number is a value of `wanted`.
item_work = sa.Table(
    "item_work",
    metadata,
    sa.Column("item_id", sa.Text, primary_key=True),
    _count("wanted"),
    # As of which the Item was last fetched from Pluggy and saved.
    _count("looked"),
    # As of which there was something to sync.
    _count("sync_wanted"),
    # As of which the last finished run began.
    _count("synced"),
    sa.Column("sync_attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("due_at", INSTANT, nullable=False),
    sa.Index("item_work_due_idx", "due_at", postgresql_where=sa.text("sync_wanted > synced")),
)

# Items as last seen. A deleted Item stays as a tombstone: its id and when, nothing of the person.
items = sa.Table(
    "items",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("client_user_id", sa.Text),
    sa.Column("connector_id", sa.Integer),
    # Null until the Item was first seen.
    sa.Column("status", sa.Text),
    sa.Column("execution_status", sa.Text),
    sa.Column("raw", JSONB),
    sa.Column("updated_at", INSTANT),
    sa.Column("last_updated_at", INSTANT),
    sa.Column("next_auto_sync_at", INSTANT),
    sa.Column("consent_expires_at", INSTANT),
    # The watermark: the collection of transactions up to which everything is stored. Null before the first sync.
    sa.Column("synced_through", INSTANT),
    # `lastUpdatedAt` of the Item that the last good run worked from.
    sa.Column("synced_update_at", INSTANT),
    # First day that the last good run read; null when it read everything or there was none.
    sa.Column("synced_from_day", sa.Date),
    sa.Column("first_seen_at", INSTANT, nullable=False),
    sa.Column("deleted_at", INSTANT),
    # The run that may write, and until when. A run that lost the lease can write nothing more.
    sa.Column("run_id", sa.Uuid),
    sa.Column("run_held_until", INSTANT),
    _count("change_seq"),
    _count("notification_seq"),
    sa.Index("items_client_user_id_idx", "client_user_id"),
    sa.Index("items_connector_id_idx", "connector_id"),
)

connectors = sa.Table(
    "connectors",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text),
    sa.Column("image_url", sa.Text),
    sa.Column("status", sa.Text),
    sa.Column("updated_at", INSTANT, nullable=False),
)

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("item_id", sa.Text, sa.ForeignKey("items.id"), nullable=False),
    sa.Column("type", sa.Text),
    sa.Column("subtype", sa.Text),
    sa.Column("number", sa.Text),
    sa.Column("name", sa.Text),
    sa.Column("balance", sa.Numeric),
    sa.Column("currency_code", sa.Text),
    sa.Column("raw", JSONB, nullable=False),
    sa.Column("synced_at", INSTANT, nullable=False),
    sa.Index("accounts_item_id_idx", "item_id"),
)

# No foreign key to accounts: a row is checked against its account when it is read, and bulk writes stay cheap.
transactions = sa.Table(
    "transactions",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("account_id", sa.Text, nullable=False),
    sa.Column("item_id", sa.Text, nullable=False),
    # As sent, and the day that instant is in São Paulo (Pluggy facts 9.7).
    sa.Column("date", INSTANT, nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("description", sa.Text),
    sa.Column("amount", sa.Numeric),
    sa.Column("amount_in_account_currency", sa.Numeric),
    sa.Column("currency_code", sa.Text),
    sa.Column("type", sa.Text),
    sa.Column("status", sa.Text),
    sa.Column("category_id", sa.Text),
    sa.Column("provider_id", sa.Text),
    sa.Column("created_at", INSTANT),
    sa.Column("updated_at", INSTANT),
    sa.Column("raw", JSONB, nullable=False),
    sa.Index("transactions_account_id_date_id_idx", "account_id", sa.text("date DESC"), "id"),
    sa.Index("transactions_item_id_idx", "item_id"),
)

# Ids of removed transactions. A row whose id stands here is never stored again.
tombstones = sa.Table(
    "tombstones",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("item_id", sa.Text, nullable=False),
    sa.Column("account_id", sa.Text, nullable=False),
    # event: Pluggy said so; absent: Pluggy lists it no more, also when asked for it by id.
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("removed_at", INSTANT, nullable=False),
    sa.CheckConstraint("reason IN ('event', 'absent')", name="reason"),
    sa.Index("tombstones_item_id_idx", "item_id"),
)

# The change feed: numbered per Item without gaps, in the order of commits.
changes = sa.Table(
    "changes",
    metadata,
    sa.Column("item_id", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("transaction_id", sa.Text, nullable=False),
    sa.Column("account_id", sa.Text, nullable=False),
    sa.Column("changed_at", INSTANT, nullable=False),
    sa.CheckConstraint("kind IN ('added', 'modified', 'removed')", name="kind"),
)

sync_runs = sa.Table(
    "sync_runs",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("item_id", sa.Text, nullable=False),
    # Name of the event that made it due, and who started Pluggy's run (USER, CLIENT, SYNC, INTERNAL).
    sa.Column("trigger", sa.Text, nullable=False),
    sa.Column("triggered_by", sa.Text),
    # The value of item_work.sync_wanted as it began.
    sa.Column("began_at_seq", sa.BigInteger, nullable=False),
    sa.Column("window_from", sa.Date),
    sa.Column("window_to", INSTANT),
    sa.Column("requests", sa.Integer, nullable=False, server_default="0"),
    sa.Column("added", sa.Integer, nullable=False, server_default="0"),
    sa.Column("modified", sa.Integer, nullable=False, server_default="0"),
    sa.Column("removed", sa.Integer, nullable=False, server_default="0"),
    # Rows that Pluggy stopped listing in an answer too empty to be believed; they were kept.
    sa.Column("doubted", sa.Integer, nullable=False, server_default="0"),
    sa.Column("started_at", INSTANT, nullable=False),
    sa.Column("finished_at", INSTANT),
    # running -> done | failed (it will be tried again) | abandoned (its worker died or lost the lease)
    sa.Column("outcome", sa.Text, nullable=False, server_default="running"),
    sa.Column("error", sa.Text),
    # Where the Item's change feed stood as it began.
    sa.Column("cursor", sa.BigInteger, nullable=False),
    sa.CheckConstraint("outcome IN ('running', 'done', 'failed', 'abandoned')", name="outcome"),
    sa.Index("sync_runs_item_id_started_at_idx", "item_id", sa.text("started_at DESC")),
)

user_actions = sa.Table(
    "user_actions",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("item_id", sa.Text, sa.ForeignKey("items.id"), nullable=False),
    sa.Column("client_user_id", sa.Text),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    # What makes two reports the same need.
    sa.Column("need", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="open"),
    sa.Column("parameter", JSONB),
    sa.Column("user_action", JSONB),
    sa.Column("provider_message", sa.Text),
    sa.Column("expires_at", INSTANT),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("created_at", INSTANT, nullable=False),
    sa.Column("submitted_at", INSTANT),
    sa.Column("settled_at", INSTANT),
    sa.Column("outcome", sa.Text),
    sa.CheckConstraint("kind IN ('mfa', 'authorize', 'credentials', 'consent', 'bank')", name="kind"),
    sa.CheckConstraint("state IN ('open', 'submitted', 'resolved', 'expired', 'superseded')", name="state"),
    sa.Index(
        "user_actions_unsettled_key",
        "item_id",
        "need",
        unique=True,
        postgresql_where=sa.text("state IN ('open', 'submitted')"),
    ),
    sa.Index("user_actions_state_idx", "state", "expires_at"),
    sa.Index("user_actions_item_id_idx", "item_id"),
)

# Notifications to the product, written in the transaction that caused them. `body` is sent byte for byte.
outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("item_id", sa.Text),
    sa.Column("sequence", sa.BigInteger),
    sa.Column("body", sa.Text, nullable=False),
    # pending -> delivered | dead (given up; an operator can send it again)
    sa.Column("state", sa.Text, nullable=False, server_default="pending"),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("created_at", INSTANT, nullable=False),
    sa.Column("due_at", INSTANT, nullable=False),
    sa.Column("delivered_at", INSTANT),
    sa.CheckConstraint("state IN ('pending', 'delivered', 'dead')", name="state"),
    sa.Index("outbox_due_idx", "due_at", postgresql_where=sa.text("state = 'pending'")),
    sa.Index("outbox_item_id_idx", "item_id", "sequence"),
)

delivery_attempts = sa.Table(
    "delivery_attempts",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("notification_id", sa.Text, sa.ForeignKey("outbox.id", ondelete="CASCADE"), nullable=False),
    sa.Column("started_at", INSTANT, nullable=False),
    sa.Column("duration_ms", sa.Integer, nullable=False),
    # Null when no answer came; then `error` names what went wrong.
    sa.Column("status_code", sa.Integer),
    sa.Column("error", sa.Text),
    sa.Index("delivery_attempts_notification_id_idx", "notification_id"),
)
