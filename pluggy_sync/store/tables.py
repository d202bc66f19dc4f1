"""
The tables. Postgres is the truth about work to do and about what is known of each Item.

Two rows carry the order of an Item's life. Its `item_progress` row numbers its events (`last_event_seq`) and says how
far each consumer is (`fetched_seq`, `synced_seq`); webhook intake locks it, briefly. Its `items` row is the write lock
of everything else of the Item: whoever writes rows, changes, actions or notifications of an Item holds it.
"""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from pluggy_sync import events
from pluggy_sync.rules import action_states
from pluggy_sync.rules.needs import Kind
from pluggy_sync.rules.scopes import Scope
from pluggy_sync.rules.statuses import UPDATED

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


def document_in_sql(column: str) -> str:
    """Return the SQL of a CPF or CNPJ without dots and strokes, as `rules.succession` compares it; of an index too."""
    return f"upper(regexp_replace({column}, '[^0-9A-Za-z]', '', 'g'))"


def _listed_in_sql(values: Iterable[str]) -> str:
    return ", ".join(f"'{value}'" for value in values)


# Which events a person waits for, as `queue.task_of_event` says of those of Pluggy; ours say it themselves.
_URGENT_NAMES = ", ".join(f"'{name}'" for name in events.URGENT)
URGENT_EVENTS = f"name IN ({_URGENT_NAMES}) OR coalesce(payload ->> 'urgent', '') = 'true'"


# Events that were handled and still have what Pluggy sent. Ours say why a fetch was asked for, and keep it.
EVENT_WITH_PAYLOAD = (
    f"state = 'handled' AND name <> '{events.FETCH_REQUESTED}' AND (payload IS NOT NULL OR raw IS NOT NULL)"
)


# Every authenticated delivery, once. `state`: stored -> handled | dead (a dead letter; an operator may redrive it).
inbox = sa.Table(
    "inbox",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("event_id", sa.Text, nullable=False, unique=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("item_id", sa.Text),
    # The value to which this event raised item_progress.last_event_seq; null without an Item.
    sa.Column("item_seq", sa.BigInteger),
    sa.Column("payload", JSONB),
    # The body as it came, if part of it could not be read. `unread` names the parts.
    sa.Column("raw", sa.LargeBinary),
    sa.Column("unread", sa.ARRAY(sa.Text)),
    sa.Column("state", sa.Text, nullable=False, server_default="stored"),
    sa.Column("outcome", sa.Text),
    # The code behind the outcome, mostly Pluggy's `executionStatus`; null: there is none.
    sa.Column("reason", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("error", sa.Text),
    sa.Column("received_at", INSTANT, nullable=False),
    # When the sweep queues it; it moves this on as it does.
    sa.Column("due_at", INSTANT, nullable=False),
    # While it is stored, when it should be handled: soon after it came, or the time it was rescheduled to.
    sa.Column("scheduled_at", INSTANT),
    sa.Column("handled_at", INSTANT),
    sa.CheckConstraint("state IN ('stored', 'handled', 'dead')", name="state"),
    # For the sweep, which sends what a person waits for first.
    sa.Index("inbox_urgent_due_idx", "due_at", postgresql_where=sa.text(f"state = 'stored' AND ({URGENT_EVENTS})")),
    sa.Index("inbox_due_idx", "due_at", postgresql_where=sa.text("state = 'stored'")),
    sa.Index("inbox_item_id_item_seq_idx", "item_id", "item_seq"),
    # For what came in some time. Rows lie in that order: the index is tiny.
    sa.Index("inbox_received_at_idx", "received_at", postgresql_using="brin", postgresql_with={"autosummarize": "on"}),
    # For lists of what an operator may have to look at.
    sa.Index("inbox_unread_idx", "id", postgresql_where=sa.text("unread IS NOT NULL")),
    sa.Index("inbox_kept_idx", "id", postgresql_where=sa.text("outcome = 'kept'")),
    sa.Index("inbox_of_connectors_idx", "id", postgresql_where=sa.text(f"name = '{events.CONNECTOR_STATUS_UPDATED}'")),
    # For the metrics.
    sa.Index("inbox_dead_idx", "id", postgresql_where=sa.text("state = 'dead'")),
    sa.Index("inbox_fetch_requests_idx", "id", postgresql_where=sa.text(f"name = '{events.FETCH_REQUESTED}'")),
    # For "one open request per Item and reason".
    sa.Index(
        "inbox_open_fetches_idx",
        "item_id",
        postgresql_where=sa.text(f"state = 'stored' AND name = '{events.FETCH_REQUESTED}'"),
    ),
    # For their removal by age.
    sa.Index("inbox_payload_idx", "handled_at", "id", postgresql_where=sa.text(EVENT_WITH_PAYLOAD)),
)

# How far each consumer of an Item's events is. Every number is a value of `last_event_seq`.
item_progress = sa.Table(
    "item_progress",
    metadata,
    sa.Column("item_id", sa.Text, primary_key=True),
    _count("last_event_seq"),
    # Where `last_event_seq` stood when the Item was last fetched and saved.
    _count("fetched_seq"),
    # The number of the newest request to sync, in the sequence of the events.
    _count("sync_requested_seq"),
    # Where it stood when the last finished run began, which covers the events and requests up to here.
    _count("synced_seq"),
    sa.Column("sync_attempts", sa.Integer, nullable=False, server_default="0"),
    # When the sweep starts a run, unless one has the Item's lease; null: nothing is to be done.
    sa.Column("due_at", INSTANT),
    # When a run should have started. The sweep moves `due_at` on as it queues one, and not this.
    sa.Column("scheduled_at", INSTANT),
    # Up to which event the fetched Item agreed with its events, and its `updatedAt` and `lastUpdatedAt` then.
    _count("settled_seq"),
    sa.Column("settled_updated_at", INSTANT),
    sa.Column("settled_last_updated_at", INSTANT),
    # How Pluggy's answer contradicts the events after `settled_seq`, and how often the Item was fetched again for it.
    sa.Column("contradiction", sa.Text),
    sa.Column("refetches", sa.Integer, nullable=False, server_default="0"),
    sa.Index("item_progress_due_at_idx", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")),
    # For the metrics.
    sa.Index("item_progress_due_idx", "due_at", postgresql_where=sa.text("sync_requested_seq > synced_seq")),
    sa.Index(
        "item_progress_contradiction_idx",
        "contradiction",
        postgresql_where=sa.text("contradiction IS NOT NULL"),
    ),
)

# Items whose last execution did not end well, goes on, or was never seen. Queries say it in these words, or Postgres
# would not use the indexes.
NOT_UPDATED = f"deleted_at IS NULL AND status IS DISTINCT FROM '{UPDATED}'"

# Items of which the month's requests to the bank are used up for some data product (Pluggy facts 5.9).
QUOTA_USED_UP = """jsonb_path_exists(raw, '$."statusDetail".*."warnings"[*]?(@."code" == "423")')"""

# Items as last seen. A deleted Item stays as a tombstone: its id and when, nothing of the person.
items = sa.Table(
    "items",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("client_user_id", sa.Text),
    sa.Column("connector_id", sa.BigInteger),
    # Null until the Item was first seen.
    sa.Column("status", sa.Text),
    sa.Column("execution_status", sa.Text),
    sa.Column("raw", JSONB),
    sa.Column("updated_at", INSTANT),
    sa.Column("last_updated_at", INSTANT),
    sa.Column("next_auto_sync_at", INSTANT),
    sa.Column("consent_expires_at", INSTANT),
    # The watermark: the collection of transactions up to which every account is stored. Null before the first sync.
    sa.Column("synced_through", INSTANT),
    # `lastUpdatedAt` of the Item that the last good run worked from.
    sa.Column("synced_update_at", INSTANT),
    # When the first collection was stored as far as Pluggy showed it. Before that the product is told of no sync.
    sa.Column("first_synced_at", INSTANT),
    # Where the change feed stood as the product was last told; null before the first time.
    sa.Column("told_change_seq", sa.BigInteger),
    sa.Column("first_seen_at", INSTANT, nullable=False),
    # The client id with which Pluggy showed it last.
    sa.Column("application", sa.Text),
    # When it was last fetched and saved, and when its whole stored year was last compared with Pluggy's.
    sa.Column("fetched_at", INSTANT),
    sa.Column("reconciled_at", INSTANT),
    # A reconciliation that failed is not tried again before then; how often it failed in a row.
    sa.Column("reconcile_after", INSTANT),
    sa.Column("reconcile_failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("deleted_at", INSTANT),
    # The Item that took its place (`item_links`): this one is no longer synced, and nobody is asked for it.
    sa.Column("replaced_by", sa.Text),
    # Until when one request to update the Item counts for all that come meanwhile.
    sa.Column("refresh_until", INSTANT),
    # The run that may write, and until when. A run that lost the lease can write nothing more.
    sa.Column("run_id", sa.Uuid),
    sa.Column("lease_until", INSTANT),
    # The end of the consent that the product was last warned of, and the step of that warning, in days.
    sa.Column("consent_warned_of", INSTANT),
    sa.Column("consent_warned_days", sa.Integer),
    # `last_updated_at` of the Item when the product was told last that it is stale.
    sa.Column("stale_told_of", INSTANT),
    _count("change_seq"),
    _count("notification_seq"),
    # A hash: products choose these ids, and one may be too long for a B-tree.
    sa.Index("items_client_user_id_idx", "client_user_id", postgresql_using="hash"),
    sa.Index("items_connector_id_idx", "connector_id"),
    sa.Index("items_next_auto_sync_at_idx", "next_auto_sync_at"),
    sa.Index("items_consent_expires_at_idx", "consent_expires_at"),
    # For reconciliation: the good Items, those first that have gone without it for longest; and the silent ones. The
    # expression has statistics of its own (revision 0033): Postgres does not use those of a partial index.
    sa.Index(
        "items_reconciled_idx",
        sa.text("coalesce(reconciled_at, first_seen_at)"),
        postgresql_where=sa.text("deleted_at IS NULL AND status = 'UPDATED'"),
    ),
    sa.Index(
        "items_silent_idx",
        "next_auto_sync_at",
        postgresql_where=sa.text("deleted_at IS NULL AND fetched_at < next_auto_sync_at"),
    ),
    # For lists of the Items that are not well, of all banks and of one, and of those that are gone.
    sa.Index("items_not_updated_idx", "id", postgresql_where=sa.text(NOT_UPDATED)),
    sa.Index("items_not_updated_of_connector_idx", "connector_id", "id", postgresql_where=sa.text(NOT_UPDATED)),
    sa.Index("items_deleted_idx", "id", postgresql_where=sa.text("deleted_at IS NOT NULL")),
    sa.Index("items_replaced_idx", "id", postgresql_where=sa.text("replaced_by IS NOT NULL")),
    # For the copy of Pluggy's own list.
    sa.Index("items_newest_idx", "first_seen_at", "id", postgresql_where=sa.text("deleted_at IS NULL")),
    # Without a planned update one is expected some time after the last.
    sa.Index(
        "items_unplanned_idx",
        sa.text("coalesce(last_updated_at, first_seen_at)"),
        postgresql_where=sa.text("deleted_at IS NULL AND next_auto_sync_at IS NULL"),
    ),
    sa.Index(
        "items_quota_used_up_idx",
        "connector_id",
        postgresql_where=sa.text(f"deleted_at IS NULL AND {QUOTA_USED_UP}"),
    ),
    # For counting them.
    sa.Index("items_status_idx", "status", postgresql_where=sa.text("deleted_at IS NULL")),
    sa.Index("items_living_of_connector_idx", "connector_id", postgresql_where=sa.text("deleted_at IS NULL")),
    # For the metrics.
    sa.Index("items_stale_told_idx", "id", postgresql_where=sa.text("stale_told_of IS NOT NULL")),
)

connectors = sa.Table(
    "connectors",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text),
    sa.Column("image_url", sa.Text),
    sa.Column("status", sa.Text),
    sa.Column("updated_at", INSTANT, nullable=False),
    # When it came back from OFFLINE, until its Items and persons are followed up; null: nothing to do.
    sa.Column("back_at", INSTANT),
    # When it last came back; null: never, as far as was heard. The person's page says it.
    sa.Column("came_back_at", INSTANT),
    # The worst incident that goes on, its type and when it began; null: none. `away`: nobody is asked for anything.
    sa.Column("incident_type", sa.Text),
    sa.Column("incident_since", INSTANT),
    sa.Column("away", sa.Boolean, nullable=False, server_default=sa.false()),
)

# Incidents of banks (`rules/incidents.py`), as an Item's connector or the status page told of them last.
bank_incidents = sa.Table(
    "bank_incidents",
    metadata,
    sa.Column("connector_id", sa.BigInteger, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    # item or status_page: what is told by the one is not ended by the other.
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("type", sa.Text),
    sa.Column("product", sa.Text),
    sa.Column("severity", sa.Text),
    sa.Column("state", sa.Text),
    sa.Column("title", sa.Text),
    sa.Column("url", sa.Text),
    sa.Column("started_at", INSTANT),
    sa.Column("seen_at", INSTANT, nullable=False),
)

# Items that an incident hit and whose bank is back: their product is told once, outside quiet hours.
bank_returns = sa.Table(
    "bank_returns",
    metadata,
    sa.Column("item_id", sa.Text, primary_key=True),
    sa.Column("connector_id", sa.BigInteger, nullable=False),
    sa.Column("incident_type", sa.Text),
    sa.Column("since", INSTANT),
    sa.Column("back_at", INSTANT, nullable=False),
    sa.Index("bank_returns_back_at_idx", "back_at"),
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
    # This account's own watermark, and the first day that was last read up to it (null: everything was).
    sa.Column("synced_through", INSTANT),
    sa.Column("synced_from_day", sa.Date),
    # As in the tables of listed products, below.
    sa.Column("missing_since", INSTANT),
    sa.Index("accounts_item_id_idx", "item_id"),
    # For finding the Items of one person.
    sa.Index("accounts_document_idx", sa.text(document_in_sql("raw ->> 'taxNumber'"))),
)

# What a bank account's balance was at each collection, and whether the rows in between explain it.
balances = sa.Table(
    "balances",
    metadata,
    sa.Column("account_id", sa.Text, primary_key=True),
    sa.Column("collected_at", INSTANT, primary_key=True),
    sa.Column("item_id", sa.Text, nullable=False),
    sa.Column("balance", sa.Numeric, nullable=False),
    # Sum of all posted rows up to that moment, in the account's currency.
    sa.Column("rows_total", sa.Numeric, nullable=False),
    # What the balance changed by beyond the rows since the previous balance; null for the first one.
    sa.Column("drift", sa.Numeric),
    sa.Index("balances_item_id_idx", "item_id"),
    # For their removal by age.
    sa.Index("balances_collected_at_idx", "collected_at"),
)


def _listed(name: str, parent: str, *columns: sa.Column[Any], indexes: Iterable[sa.Index] = ()) -> sa.Table:
    """
    Return the table of a data product that is read again as a whole list.

    `parent_id` is what the list belongs to. `missing_since` is set when a list that is not empty lacks the row. The row
    stays: an answer may lack it by mistake.
    """
    return sa.Table(
        name,
        metadata,
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("item_id", sa.Text, nullable=False),
        sa.Column("parent_id", sa.Text, nullable=False, comment=f"id of the {parent}"),
        *columns,
        sa.Column("raw", JSONB, nullable=False),
        sa.Column("synced_at", INSTANT, nullable=False),
        sa.Column("missing_since", INSTANT),
        sa.Index(f"{name}_item_id_idx", "item_id"),
        sa.Index(f"{name}_parent_id_idx", "parent_id"),
        *indexes,
    )


bills = _listed(
    "bills",
    "account",
    sa.Column("due_date", sa.Date),
    sa.Column("closing_date", sa.Date),
    sa.Column("total_amount", sa.Numeric),
    sa.Column("minimum_payment_amount", sa.Numeric),
    sa.Column("currency_code", sa.Text),
)
investments = _listed(
    "investments",
    "item",
    sa.Column("type", sa.Text),
    sa.Column("subtype", sa.Text),
    sa.Column("name", sa.Text),
    sa.Column("status", sa.Text),
    sa.Column("balance", sa.Numeric),
    sa.Column("amount", sa.Numeric),
    sa.Column("currency_code", sa.Text),
    sa.Column("due_date", sa.Date),
)
investment_transactions = _listed(
    "investment_transactions",
    "investment",
    sa.Column("type", sa.Text),
    sa.Column("movement_type", sa.Text),
    sa.Column("date", sa.Date),
    sa.Column("amount", sa.Numeric),
    sa.Column("quantity", sa.Numeric),
    sa.Column("value", sa.Numeric),
)
identities = _listed(
    "identities",
    "item",
    sa.Column("full_name", sa.Text),
    sa.Column("tax_number", sa.Text),
    # For finding the Items of one person.
    indexes=[sa.Index("identities_document_idx", sa.text(document_in_sql("tax_number")))],
)
loans = _listed(
    "loans",
    "item",
    sa.Column("contract_number", sa.Text),
    sa.Column("product_name", sa.Text),
    sa.Column("type", sa.Text),
    sa.Column("kind", sa.Text),
    sa.Column("contract_amount", sa.Numeric),
    sa.Column("currency_code", sa.Text),
    sa.Column("due_date", sa.Date),
)
consents = _listed(
    "consents",
    "item",
    sa.Column("created_at", INSTANT),
    sa.Column("expires_at", INSTANT),
    sa.Column("revoked_at", INSTANT),
)

# What the bank of an Open Finance Item shares, when Pluggy last said that it changed (`rules/sharing.py`).
shared_resources = sa.Table(
    "shared_resources",
    metadata,
    sa.Column("item_id", sa.Text, primary_key=True),
    # `resourcesCollectedAt` and `hasResourcesPendingAuthorization` of the Item then.
    sa.Column("collected_at", INSTANT),
    sa.Column("pending", sa.Boolean, nullable=False),
    # Type and status of each; null: they could not be read.
    sa.Column("resources", JSONB),
    sa.Column("read_at", INSTANT, nullable=False),
)

# The categories of transactions: of no person and no Item.
categories = sa.Table(
    "categories",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("description", sa.Text),
    sa.Column("description_translated", sa.Text),
    sa.Column("parent_id", sa.Text),
    sa.Column("raw", JSONB, nullable=False),
    sa.Column("synced_at", INSTANT, nullable=False),
)

# Up to which collection each data product of an Item is stored; transactions have `items.synced_through`.
data_product_watermarks = sa.Table(
    "data_product_watermarks",
    metadata,
    sa.Column("item_id", sa.Text, primary_key=True),
    sa.Column("product", sa.Text, primary_key=True),
    sa.Column("collected_at", INSTANT, nullable=False),
    sa.Column("synced_at", INSTANT, nullable=False),
)

# Rows of Pluggy that could not be read, as they came, until a later read succeeds. A few per Item.
unreadable_rows = sa.Table(
    "unreadable_rows",
    metadata,
    # Empty: of no Item, as a category.
    sa.Column("item_id", sa.Text, primary_key=True),
    # item, account, transaction, or the table of a data product.
    sa.Column("what", sa.Text, primary_key=True),
    # The id of the row, or a digest if it has none that can be read.
    sa.Column("key", sa.Text, primary_key=True),
    # What its list belongs to: an Item, an account, an investment.
    sa.Column("parent_id", sa.Text, nullable=False),
    sa.Column("raw", JSONB, nullable=False),
    # Names the fields that cannot be read, and quotes none.
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("first_seen_at", INSTANT, nullable=False),
    sa.Column("last_seen_at", INSTANT, nullable=False),
)

# Parts of an Item that could not be read completely, until they are. `part_of` is the account, card or investment that
# was asked about; empty for a part of the Item itself. `retry_at` null: read again only with a later run.
incomplete_parts = sa.Table(
    "incomplete_parts",
    metadata,
    sa.Column("item_id", sa.Text, primary_key=True),
    sa.Column("product", sa.Text, primary_key=True),
    sa.Column("part_of", sa.Text, primary_key=True),
    sa.Column("reason", sa.Text, nullable=False),
    # What Pluggy answered, for an operator; no data of the person.
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("since", INSTANT, nullable=False),
    sa.Column("retry_at", INSTANT),
    # Events up to here were covered before the part became incomplete.
    sa.Column("after_seq", sa.BigInteger, nullable=False),
)

# No foreign key to accounts: a row is checked against its account when it is read, and bulk writes stay cheap.
transactions = sa.Table(
    "transactions",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("account_id", sa.Text, nullable=False),
    sa.Column("item_id", sa.Text, nullable=False),
    # As sent, and the day that this means (decision 17).
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
    # The pending transaction, gone now, whose place this one took, and what told so: a value of `replacements.Rule`.
    sa.Column("replaces", sa.Text),
    sa.Column("replaces_rule", sa.Text),
    # Since when this is its content here. What it was before stands in `transaction_revisions`.
    # Never null, and not declared so: a process of the version before copies the declaration, and knows no value.
    sa.Column("recorded_at", INSTANT, server_default=sa.func.now()),
    sa.Index("transactions_account_id_date_id_idx", "account_id", sa.text("date DESC"), "id"),
    sa.Index("transactions_item_id_idx", "item_id"),
)

# What transactions were before they were modified or removed: the content in [recorded_at, ended_at).
transaction_revisions = sa.Table(
    "transaction_revisions",
    metadata,
    sa.Column("item_id", sa.Text, primary_key=True),
    # The entry of the Item's change feed that ended it.
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("id", sa.Text, nullable=False, comment="id of the transaction"),
    sa.Column("account_id", sa.Text, nullable=False),
    sa.Column("recorded_at", INSTANT, nullable=False),
    sa.Column("ended_at", INSTANT, nullable=False),
    # As in `transactions`, for the filters of lists.
    sa.Column("date", INSTANT, nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("status", sa.Text),
    sa.Column("raw", JSONB, nullable=False),
    sa.Column("replaces", sa.Text),
    sa.Column("replaces_rule", sa.Text),
    sa.Index("transaction_revisions_account_id_ended_at_idx", "account_id", "ended_at"),
    # For their removal by age.
    sa.Index("transaction_revisions_ended_at_item_id_seq_idx", "ended_at", "item_id", "seq"),
)

# Since when `transaction_revisions` has all that there was. At most one row; without one, since the first transaction.
history_begins = sa.Table(
    "history_begins",
    metadata,
    sa.Column("is_only", sa.Boolean, primary_key=True, server_default=sa.true()),
    sa.Column("at", INSTANT, nullable=False),
    sa.CheckConstraint("is_only", name="is_only"),
)

# Removed transactions. A page that was read before `removed_at` cannot bring one back; a later one lifts the tombstone.
tombstones = sa.Table(
    "tombstones",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("item_id", sa.Text, nullable=False),
    sa.Column("account_id", sa.Text, nullable=False),
    # Why Pluggy was asked for it by id, and did not give it. event: an event told of its deletion; absent: it was no
    # longer listed.
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
    # The value of item_progress.last_event_seq as it began.
    sa.Column("began_at_seq", sa.BigInteger, nullable=False),
    sa.Column("window_from", sa.Date),
    sa.Column("window_to", INSTANT),
    sa.Column("requests", sa.Integer, nullable=False, server_default="0"),
    sa.Column("added", sa.Integer, nullable=False, server_default="0"),
    sa.Column("modified", sa.Integer, nullable=False, server_default="0"),
    sa.Column("removed", sa.Integer, nullable=False, server_default="0"),
    # Rows that Pluggy stopped listing in an answer too empty to be believed; they were kept.
    sa.Column("doubted", sa.Integer, nullable=False, server_default="0"),
    # Rows among `added` that we had removed by mistake.
    sa.Column("repaired", sa.Integer, nullable=False, server_default="0"),
    # The parts that it read, each with the reason.
    sa.Column("parts", JSONB),
    # Parts of the Item that were not complete as it ended; null when all were.
    sa.Column("incomplete", JSONB),
    sa.Column("started_at", INSTANT, nullable=False),
    sa.Column("finished_at", INSTANT),
    # running -> done | failed (it will be tried again) | rescheduled (there was no budget; it goes on later)
    #         | abandoned (its worker died or lost the lease)
    sa.Column("outcome", sa.Text, nullable=False, server_default="running"),
    sa.Column("error", sa.Text),
    # Where the Item's change feed stood as it began.
    sa.Column("cursor", sa.BigInteger, nullable=False),
    sa.CheckConstraint("outcome IN ('running', 'done', 'failed', 'rescheduled', 'abandoned')", name="outcome"),
    sa.Index("sync_runs_item_id_started_at_idx", "item_id", sa.text("started_at DESC")),
    # For the metrics.
    sa.Index("sync_runs_started_at_idx", "started_at"),
    sa.Index("sync_runs_reconciliations_idx", "started_at", postgresql_where=sa.text("trigger = 'reconciliation'")),
    sa.Index("sync_runs_repairs_idx", "started_at", postgresql_where=sa.text("repaired > 0")),
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
    sa.Column("dedup_key", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default=action_states.OPEN),
    sa.Column("parameter", JSONB),
    sa.Column("user_action", JSONB),
    sa.Column("provider_message", sa.Text),
    sa.Column("expires_at", INSTANT),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("created_at", INSTANT, nullable=False),
    sa.Column("submitted_at", INSTANT),
    # `updatedAt` of the Item when Pluggy accepted the submission. A later view of the Item shows its outcome.
    sa.Column("accepted_at", INSTANT),
    # Not to be tried before: Pluggy makes a person wait after two failed logins (Pluggy facts 3.7).
    sa.Column("retry_at", INSTANT),
    # `lastUpdatedAt` of the Item, for an action that asks for a newer update.
    sa.Column("asked_at_update", INSTANT),
    sa.Column("reminders", sa.Integer, nullable=False, server_default="0"),
    # When the product was last told of it: when it was opened, or by the last reminder.
    sa.Column("told_at", INSTANT),
    # When the next reminder is due; null when there is none to come.
    sa.Column("remind_at", INSTANT),
    sa.Column("settled_at", INSTANT),
    sa.Column("outcome", sa.Text),
    sa.CheckConstraint(f"kind IN ({_listed_in_sql(Kind)})", name="kind"),
    sa.CheckConstraint(f"state IN ({_listed_in_sql(action_states.STATES)})", name="state"),
    sa.Index(
        "user_actions_unsettled_key",
        "item_id",
        "dedup_key",
        unique=True,
        postgresql_where=sa.text(f"state IN ({_listed_in_sql(action_states.UNSETTLED)})"),
    ),
    sa.Index("user_actions_state_idx", "state", "expires_at"),
    sa.Index("user_actions_item_id_idx", "item_id"),
    # For lists, newest first. A hash: products choose these ids, as in `items`.
    sa.Index("user_actions_created_at_id_idx", "created_at", "id"),
    sa.Index("user_actions_state_created_at_id_idx", "state", "created_at", "id"),
    sa.Index("user_actions_client_user_id_idx", "client_user_id", postgresql_using="hash"),
    sa.Index("user_actions_remind_at_idx", "remind_at", postgresql_where=sa.text(f"state = '{action_states.OPEN}'")),
)

# Every attempt of a person or the product to settle an action. What was given is not stored.
submissions = sa.Table(
    "submissions",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("action_id", sa.Text, sa.ForeignKey("user_actions.id", ondelete="CASCADE"), nullable=False),
    # mfa, credentials, update (the run was started again)
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("started_at", INSTANT, nullable=False),
    # taken, a code of `rules/refusals.py`, or `unavailable`; null while Pluggy is asked.
    sa.Column("outcome", sa.Text),
    sa.Index("submissions_action_id_idx", "action_id"),
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
    # When the webhook came that caused it; null: none of Pluggy's did.
    sa.Column("received_at", INSTANT),
    sa.Column("created_at", INSTANT, nullable=False),
    sa.Index("outbox_item_id_idx", "item_id", "sequence"),
    sa.Index("outbox_created_at_idx", "created_at"),
)

# Where notifications go. The endpoint of the settings is the row `ep_environment`; the settings have its address.
endpoints = sa.Table(
    "endpoints",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("url", sa.Text),
    # Of the settings' endpoint: a digest of the address that the state below is about. The address may hold a secret.
    sa.Column("url_digest", sa.Text),
    sa.Column("description", sa.Text),
    # Which types are sent there; null: all.
    sa.Column("types", sa.ARRAY(sa.Text)),
    sa.Column("enabled", sa.Boolean, nullable=False, server_default=sa.true()),
    # Sealed with SECRET_KEY. The one before signs too, until then.
    sa.Column("secret", sa.Text),
    sa.Column("previous_secret", sa.Text),
    sa.Column("previous_secret_until", INSTANT),
    sa.Column("created_at", INSTANT, nullable=False, server_default=sa.func.now()),
    sa.Column("deleted_at", INSTANT),
    # It answered 410 (`gone`) or failed for days (`failing`): nothing is sent there until somebody resumes it.
    sa.Column("stopped_at", INSTANT),
    sa.Column("stop_reason", sa.Text),
    # While it fails, one notification at a time is sent: not before `retry_at`, and no other one until `probing_until`.
    sa.Column("failing_since", INSTANT),
    sa.Column("retry_at", INSTANT),
    sa.Column("probing_until", INSTANT),
    sa.CheckConstraint("stop_reason IN ('gone', 'failing')", name="stop_reason"),
)

# A notification on its way to one endpoint.
deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("endpoint_id", sa.Text, sa.ForeignKey("endpoints.id"), nullable=False),
    sa.Column("notification_id", sa.Text, sa.ForeignKey("outbox.id", ondelete="CASCADE"), nullable=False),
    # As in the outbox: they order the deliveries to an endpoint.
    sa.Column("item_id", sa.Text),
    sa.Column("sequence", sa.BigInteger),
    sa.Column("created_at", INSTANT, nullable=False),
    # pending -> delivered | dead (a dead letter; an operator may redrive it)
    sa.Column("state", sa.Text, nullable=False, server_default="pending"),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("due_at", INSTANT, nullable=False),
    # A worker delivers it, until then at the latest.
    sa.Column("claimed_until", INSTANT),
    # A message for it was sent to Redis; it is not sent again before then.
    sa.Column("queued_until", INSTANT),
    sa.Column("first_tried_at", INSTANT),
    sa.Column("delivered_at", INSTANT),
    sa.CheckConstraint("state IN ('pending', 'delivered', 'dead')", name="state"),
    sa.UniqueConstraint("notification_id", "endpoint_id"),
    sa.Index("deliveries_due_idx", "endpoint_id", "due_at", postgresql_where=sa.text("state = 'pending'")),
    # The first of each Item comes first.
    sa.Index(
        "deliveries_pending_of_item_idx",
        "endpoint_id",
        "item_id",
        "sequence",
        postgresql_where=sa.text("state = 'pending'"),
    ),
    sa.Index("deliveries_item_id_idx", "item_id"),
    # For lists, newest first.
    sa.Index("deliveries_created_at_id_idx", "created_at", "id"),
    sa.Index(
        "deliveries_claimed_idx", "endpoint_id", "claimed_until", postgresql_where=sa.text("claimed_until IS NOT NULL")
    ),
    sa.Index("deliveries_dead_idx", "created_at", postgresql_where=sa.text("state = 'dead'")),
    # For the removal of an endpoint.
    sa.Index("deliveries_endpoint_id_idx", "endpoint_id"),
    sa.Index("deliveries_oldest_idx", "endpoint_id", "created_at", postgresql_where=sa.text("state = 'pending'")),
)

# Two Items for the same accounts: the newer one took the place of the older one (`rules/succession.py`).
item_links = sa.Table(
    "item_links",
    metadata,
    sa.Column("old_item_id", sa.Text, primary_key=True),
    sa.Column("new_item_id", sa.Text, primary_key=True),
    # suggested -> linked | undone; linked -> undone. What an operator has undone, only an operator links again.
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("score", sa.Integer, nullable=False),
    sa.Column("reasons", sa.ARRAY(sa.Text), nullable=False),
    # Whether the rule or an operator brought it to its state.
    sa.Column("made_by", sa.Text, nullable=False),
    sa.Column("created_at", INSTANT, nullable=False),
    sa.Column("changed_at", INSTANT, nullable=False),
    sa.CheckConstraint("state IN ('suggested', 'linked', 'undone')", name="state"),
    sa.CheckConstraint("made_by IN ('rule', 'operator')", name="made_by"),
    sa.Index("item_links_new_item_id_idx", "new_item_id"),
    sa.Index("item_links_changed_at_idx", "changed_at"),
    sa.Index("item_links_linked_key", "old_item_id", unique=True, postgresql_where=sa.text("state = 'linked'")),
)

# Of linked Items: each account that has a successor. Without a row it has none.
account_links = sa.Table(
    "account_links",
    metadata,
    sa.Column("old_account_id", sa.Text, primary_key=True),
    sa.Column("new_account_id", sa.Text, nullable=False),
    sa.Column("old_item_id", sa.Text, nullable=False),
    sa.Column("new_item_id", sa.Text, nullable=False),
    sa.Index("account_links_new_account_id_idx", "new_account_id"),
    sa.Index("account_links_old_item_id_idx", "old_item_id"),
    sa.Index("account_links_new_item_id_idx", "new_item_id"),
)

# Of linked accounts: rows of the older account that the newer one has too. A series shows the newer row alone. A row
# stays here also when Pluggy removes the newer one: then it is gone.
transaction_links = sa.Table(
    "transaction_links",
    metadata,
    sa.Column("old_id", sa.Text, primary_key=True),
    sa.Column("new_id", sa.Text, nullable=False, unique=True),
    sa.Column("old_account_id", sa.Text, nullable=False),
    sa.Column("new_account_id", sa.Text, nullable=False),
    sa.Index("transaction_links_old_account_id_idx", "old_account_id"),
    sa.Index("transaction_links_new_account_id_idx", "new_account_id"),
)

# Items whose predecessors are still to be looked for.
predecessor_searches = sa.Table(
    "predecessor_searches",
    metadata,
    sa.Column("item_id", sa.Text, primary_key=True),
    sa.Column("due_at", INSTANT, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Index("predecessor_searches_due_at_idx", "due_at"),
)

# Tokens of `/v1` that an operator made, beside those of the settings. Of each only a digest is here.
api_tokens = sa.Table(
    "api_tokens",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("created_at", INSTANT, nullable=False),
    # Written now and then, not at each use.
    sa.Column("last_used_at", INSTANT),
    sa.Column("revoked_at", INSTANT),
    sa.CheckConstraint(f"scope IN ({_listed_in_sql(Scope)})", name="scope"),
    # A name may be given again when its token is revoked.
    sa.Index("api_tokens_name_key", "name", unique=True, postgresql_where=sa.text("revoked_at IS NULL")),
)

# Keys that this service made for itself, each sealed with SECRET_KEY. The newest of a purpose is used.
sealed_keys = sa.Table(
    "sealed_keys",
    metadata,
    sa.Column("purpose", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("sealed", sa.Text, nullable=False),
    # What everybody may know of a key that signs.
    sa.Column("public", sa.LargeBinary),
    sa.Column("created_at", INSTANT, nullable=False),
)

# Persons that are erased or to be erased. `state`: running -> done.
erasures = sa.Table(
    "erasures",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False, server_default="running"),
    # The person's id, sealed, until it is done.
    sa.Column("user_sealed", sa.Text),
    sa.Column("requested_at", INSTANT, nullable=False),
    sa.Column("completed_at", INSTANT),
    # When everything was looked through for Items of the person.
    sa.Column("searched_at", INSTANT),
    # By the clock of Postgres: since when each transaction that begins sees all the tombstones; since when all rows are
    # gone; and when they were removed once more, after the last transaction that began before.
    sa.Column("visible_at", INSTANT),
    sa.Column("removed_at", INSTANT),
    sa.Column("confirmed_at", INSTANT),
    # By table: how many rows were removed.
    sa.Column("removed", JSONB, nullable=False, server_default="{}"),
    # What it waits for, when it goes on, and how often it went on without an end.
    sa.Column("waits_for", sa.Text),
    sa.Column("due_at", INSTANT, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    # Signed (JWS), once it is done.
    sa.Column("receipt", sa.Text),
    sa.CheckConstraint("state IN ('running', 'done')", name="state"),
    sa.Index("erasures_due_at_idx", "due_at", postgresql_where=sa.text("state = 'running'")),
)

# The Items of an erasure, each by a digest under a key of our own.
erasure_items = sa.Table(
    "erasure_items",
    metadata,
    sa.Column("erasure_id", sa.Text, sa.ForeignKey("erasures.id"), primary_key=True),
    sa.Column("digest", sa.LargeBinary, primary_key=True),
    # The Item's id, sealed, until the erasure is done.
    sa.Column("item_sealed", sa.Text),
    # What Pluggy answered: deleted, or absent (404, while it shows another Item of ours); null: not asked, or in vain.
    sa.Column("outcome", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("trouble", sa.Text),
    sa.Column("due_at", INSTANT, nullable=False),
    sa.CheckConstraint("outcome IN ('deleted', 'absent')", name="outcome"),
)

# What remains of erased persons and their Items: digests, with which they are recognised and kept out.
erasure_tombstones = sa.Table(
    "erasure_tombstones",
    metadata,
    sa.Column("digest", sa.LargeBinary, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("erasure_id", sa.Text, sa.ForeignKey("erasures.id"), nullable=False),
    sa.Column("erased_at", INSTANT, nullable=False),
    sa.CheckConstraint("kind IN ('user', 'item')", name="kind"),
    sa.Index("erasure_tombstones_erasure_id_idx", "erasure_id"),
)

# How far the weekly comparison with Pluggy's list of Items is. One row, once it was asked for.
item_list_checks = sa.Table(
    "item_list_checks",
    metadata,
    sa.Column("application", sa.Text, primary_key=True),
    # While one goes on: when it began, and the cursor of the next page.
    sa.Column("began_at", INSTANT),
    sa.Column("after", sa.Text),
    sa.Column("finished_at", INSTANT),
    # Pluggy does not list Items for this application: it is not asked again until an operator asks.
    sa.Column("refused_at", INSTANT),
    # What the last finished one found: Items that we did not know, and Items that Pluggy did not list.
    sa.Column("unknown_here", sa.Integer, nullable=False, server_default="0"),
    sa.Column("unknown_there", sa.Integer, nullable=False, server_default="0"),
)

# The Items that Pluggy has listed so far in the comparison that goes on. Empty between two of them.
listed_items = sa.Table(
    "listed_items",
    metadata,
    sa.Column("item_id", sa.Text, primary_key=True),
)

# Totals over all of history (`store/counters.py`).
counters = sa.Table(
    "counters",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)

# How many Items were in each status when they were last counted, for the metrics.
item_counts = sa.Table(
    "item_counts",
    metadata,
    sa.Column("status", sa.Text, primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("counted_at", INSTANT, nullable=False),
)

# Troubles that the watchdog told the operator of (`rules/alerts.py`). Those that are over stay for a while.
alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("code", sa.Text, nullable=False),
    # What it is about, where one code may be open for several things, as an endpoint or a bank.
    sa.Column("subject", sa.Text, nullable=False, server_default=""),
    sa.Column("detail", sa.Text, nullable=False),
    # When the trouble began, as far as is known; when it was told; when it was seen last.
    sa.Column("since", INSTANT, nullable=False),
    sa.Column("raised_at", INSTANT, nullable=False),
    sa.Column("last_seen_at", INSTANT, nullable=False),
    # Null while it is open.
    sa.Column("cleared_at", INSTANT),
    sa.Index("alerts_open_key", "code", "subject", unique=True, postgresql_where=sa.text("cleared_at IS NULL")),
)

# When what beat sends was last done, so that it is seen when nobody does it.
schedule = sa.Table(
    "schedule",
    metadata,
    sa.Column("task", sa.Text, primary_key=True),
    sa.Column("done_at", INSTANT, nullable=False),
)

# How many events of Pluggy's came in each few minutes, so that silence can be told from what is usual.
event_counts = sa.Table(
    "event_counts",
    metadata,
    sa.Column("began_at", INSTANT, primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
)

# Where the removal by age is, for each tier (`store/pruning.py`).
pruning = sa.Table(
    "pruning",
    metadata,
    sa.Column("tier", sa.Text, primary_key=True),
    # The row that was visited last in this pass; null: none yet.
    sa.Column("place", sa.ARRAY(sa.Text)),
    sa.Column("is_over", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("began_at", INSTANT, nullable=False),
    sa.Column("finished_at", INSTANT),
    # Rows over all of history.
    _count("removed"),
)

# How many Items of each bank were in each state of freshness when they were last counted; bank 0: none is known.
freshness_counts = sa.Table(
    "freshness_counts",
    metadata,
    sa.Column("connector_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("state", sa.Text, primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("counted_at", INSTANT, nullable=False),
)

# Of all counts of a day: how many Items, and how many of them were as fresh as promised, for each data product.
freshness_days = sa.Table(
    "freshness_days",
    metadata,
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("connector_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("product", sa.Text, primary_key=True),
    sa.Column("fresh", sa.BigInteger, nullable=False),
    sa.Column("counted", sa.BigInteger, nullable=False),
)

delivery_attempts = sa.Table(
    "delivery_attempts",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("notification_id", sa.Text, sa.ForeignKey("outbox.id", ondelete="CASCADE"), nullable=False),
    sa.Column("endpoint_id", sa.Text, nullable=False),
    sa.Column("started_at", INSTANT, nullable=False),
    sa.Column("duration_ms", sa.Integer, nullable=False),
    # Null when no answer came; then `error` names what went wrong.
    sa.Column("status_code", sa.Integer),
    sa.Column("error", sa.Text),
    # How the answer's body begins, cleaned; for the operator only.
    sa.Column("answer", sa.Text),
    sa.Index("delivery_attempts_notification_id_idx", "notification_id"),
    sa.Index("delivery_attempts_endpoint_id_idx", "endpoint_id", "id"),
)

# The order in which notifications, and changes of all Items, were committed. A row gets its position after its commit
# (`store/streams.py`). `serial` orders the rows of one Item, whose writers hold its lock.
notification_stream = sa.Table(
    "notification_stream",
    metadata,
    sa.Column("serial", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("position", sa.BigInteger, unique=True),
    sa.Column("notification_id", sa.Text, sa.ForeignKey("outbox.id", ondelete="CASCADE"), nullable=False, unique=True),
    sa.Index("notification_stream_new_idx", "serial", postgresql_where=sa.text("position IS NULL")),
)
change_stream = sa.Table(
    "change_stream",
    metadata,
    sa.Column("serial", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("position", sa.BigInteger, unique=True),
    # The entries of the Item's feed after the one number and through the other.
    sa.Column("item_id", sa.Text, nullable=False),
    sa.Column("after_seq", sa.BigInteger, nullable=False),
    sa.Column("through_seq", sa.BigInteger, nullable=False),
    sa.Index("change_stream_new_idx", "serial", postgresql_where=sa.text("position IS NULL")),
    sa.Index("change_stream_item_id_idx", "item_id", "through_seq"),
)
stream_positions = sa.Sequence("stream_positions", metadata=metadata)

# Operators who are signed in to the console. The token itself is in their browser only.
console_sessions = sa.Table(
    "console_sessions",
    metadata,
    sa.Column("token_digest", sa.Text, primary_key=True),
    sa.Column("operator", sa.Text, nullable=False),
    # A digest of what let them in: with another password their sessions end.
    sa.Column("login_digest", sa.Text, nullable=False),
    sa.Column("signed_in_at", INSTANT, nullable=False),
    sa.Column("used_at", INSTANT, nullable=False),
    sa.Column("ends_at", INSTANT, nullable=False),
    sa.Index("console_sessions_ends_at_idx", "ends_at"),
)

# What operators did in the console. No bank data: ids, filters and counts.
audit_entries = sa.Table(
    "audit_entries",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("at", INSTANT, nullable=False),
    # Who. Of a sign-in that was refused: the name that was given.
    sa.Column("operator", sa.Text, nullable=False),
    sa.Column("what", sa.Text, nullable=False),
    # The id of the Item, event, notification, endpoint or bulk operation that it was about.
    sa.Column("about", sa.Text),
    sa.Column("detail", JSONB),
    sa.Column("address", sa.Text),
    sa.Index("audit_entries_at_idx", "at"),
    # For the limit of attempts.
    sa.Index("audit_entries_refused_idx", "at", postgresql_where=sa.text("what = 'sign_in_refused'")),
)

# What operators do to many things at once, in the background, and how far it is.
bulk_operations = sa.Table(
    "bulk_operations",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("operator", sa.Text, nullable=False),
    sa.Column("what", sa.Text, nullable=False),
    # Which things, as the operator chose them.
    sa.Column("wanted", JSONB, nullable=False),
    # How many there were when it was begun, and how many are done.
    sa.Column("counted", sa.BigInteger, nullable=False),
    _count("done"),
    # Up to where the things were gone through, by their ids; null at the beginning.
    sa.Column("position", sa.Text),
    # running -> done | stopped (by an operator)
    sa.Column("state", sa.Text, nullable=False, server_default="running"),
    sa.Column("started_at", INSTANT, nullable=False),
    sa.Column("finished_at", INSTANT),
    sa.CheckConstraint("state IN ('running', 'done', 'stopped')", name="state"),
    sa.Index("bulk_operations_running_idx", "started_at", postgresql_where=sa.text("state = 'running'")),
    sa.Index("bulk_operations_started_at_idx", "started_at"),
)

# Figures of the whole service, once a minute, for the console's charts.
figure_samples = sa.Table(
    "figure_samples",
    metadata,
    sa.Column("at", INSTANT, primary_key=True),
    sa.Column("figures", JSONB, nullable=False),
)
