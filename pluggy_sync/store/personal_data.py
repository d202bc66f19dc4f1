"""
Where persons are: the one place that says of each table whether it holds data of persons, and which rows are theirs.

What is removed when an Item is deleted, and when a person is erased, is made from it. A table that is named in none of
the lists fails a test, which says what to do.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from pluggy_sync.store import tables

Condition = sa.ColumnElement[bool]


def _no_row(_: str) -> Condition:
    return sa.false()


@dataclass(frozen=True, kw_only=True)
class Held:
    """
    A table that holds data of persons.

    *rows_of* says which rows are an Item's, by its id; *naming*, which rows name a person, by the product's id, and are
    no Item's. *emptied*: these rows stay, and get these values; None: they are removed.
    """

    table: sa.Table
    rows_of: Callable[[str], Condition]
    naming: Callable[[str], Condition] = _no_row
    emptied: Mapping[str, Any] | None = field(default=None)


def _by_item(table: sa.Table) -> Held:
    """Return a table whose rows name their Item."""
    return Held(table=table, rows_of=lambda item_id: table.c.item_id == item_id)


def _by_parent(table: sa.Table, column: str, parent: sa.Table) -> Held:
    """Return a table whose *column* names a row of *parent*, which names its Item."""

    def rows_of(item_id: str) -> Condition:
        return table.c[column].in_(sa.select(parent.c.id).where(parent.c.item_id == item_id))

    return Held(table=table, rows_of=rows_of)


def _anywhere_in(column: sa.Column[Any]) -> Callable[[str], Condition]:
    """Return a condition: a text somewhere in the JSON of *column* is the given one."""

    def is_in(text: str) -> Condition:
        given = sa.func.jsonb_build_object("text", sa.literal(text, sa.Text))
        return sa.func.jsonb_path_exists(column, sa.cast("strict $.** ? (@ == $text)", _JsonPath), given)

    return is_in


class _JsonPath(sa.types.UserDefinedType[str]):
    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "jsonpath"


# Removed when the Item is deleted, and when its person is erased. A table comes before the one that its rows refer to.
PURGED: tuple[Held, ...] = (
    _by_item(tables.transactions),
    _by_item(tables.transaction_revisions),
    _by_item(tables.tombstones),
    _by_item(tables.changes),
    _by_item(tables.change_stream),
    _by_item(tables.balances),
    _by_item(tables.bills),
    _by_item(tables.investments),
    _by_item(tables.investment_transactions),
    _by_item(tables.identities),
    _by_item(tables.loans),
    _by_item(tables.consents),
    _by_item(tables.data_product_watermarks),
    _by_item(tables.unreadable_rows),
    _by_item(tables.incomplete_parts),
    _by_parent(tables.submissions, "action_id", tables.user_actions),
    _by_item(tables.user_actions),
    _by_item(tables.predecessor_searches),
    _by_item(tables.shared_resources),
    _by_item(tables.bank_returns),
    _by_item(tables.accounts),
)

_links, _account_links, _transaction_links = tables.item_links.c, tables.account_links.c, tables.transaction_links.c


def _of_linked_accounts(item_id: str) -> Condition:
    ids = sa.select(tables.accounts.c.id).where(tables.accounts.c.item_id == item_id)
    return sa.or_(_transaction_links.old_account_id.in_(ids), _transaction_links.new_account_id.in_(ids))


# Which of the person's Items took the place of which: removed first, since accounts tell whose they are.
LINKS: tuple[Held, ...] = (
    Held(table=tables.transaction_links, rows_of=_of_linked_accounts),
    Held(
        table=tables.account_links,
        rows_of=lambda item_id: sa.or_(_account_links.old_item_id == item_id, _account_links.new_item_id == item_id),
    ),
    Held(
        table=tables.item_links,
        rows_of=lambda item_id: sa.or_(_links.old_item_id == item_id, _links.new_item_id == item_id),
    ),
)

# Of a deleted Item these stay, without anything of its person but the Item's id. An erasure removes them too.
ERASED: tuple[Held, ...] = (
    _by_parent(tables.delivery_attempts, "notification_id", tables.outbox),
    _by_parent(tables.notification_stream, "notification_id", tables.outbox),
    _by_item(tables.deliveries),
    _by_item(tables.outbox),
    _by_item(tables.sync_runs),
    _by_item(tables.listed_items),
    _by_item(tables.item_progress),
    Held(table=tables.items, rows_of=lambda item_id: tables.items.c.id == item_id),
)

_operation_names = _anywhere_in(tables.bulk_operations.c.wanted)
_entry_names = _anywhere_in(tables.audit_entries.c.detail)

# Their rows stay, with nothing of a person in them.
EMPTIED: tuple[Held, ...] = (
    # A repeat of an event is recognised by its id.
    Held(
        table=tables.inbox,
        rows_of=lambda item_id: tables.inbox.c.item_id == item_id,
        naming=lambda person: tables.inbox.c.payload["clientUserId"].astext == person,
        emptied={
            **dict.fromkeys(("item_id", "item_seq", "payload", "raw", "unread", "error"), sa.null()),
            "state": "handled",
            "outcome": "erased",
            "handled_at": sa.func.coalesce(tables.inbox.c.handled_at, sa.func.now()),
        },
    ),
    # Who did what, and when.
    Held(
        table=tables.audit_entries,
        rows_of=lambda item_id: sa.or_(tables.audit_entries.c.about == item_id, _entry_names(item_id)),
        naming=lambda person: sa.or_(tables.audit_entries.c.about == person, _entry_names(person)),
        emptied={"about": sa.null(), "detail": sa.null()},
    ),
    # One that still runs needs what it was asked for: the erasure waits for its end.
    Held(
        table=tables.bulk_operations,
        rows_of=lambda item_id: sa.or_(tables.bulk_operations.c.position == item_id, _operation_names(item_id)),
        naming=_operation_names,
        emptied={"wanted": sa.literal({}, JSONB), "position": sa.null()},
    ),
    # A pass of the removal by age that stands there begins anew.
    Held(
        table=tables.pruning,
        rows_of=lambda item_id: sa.literal(item_id, sa.Text) == sa.any_(tables.pruning.c.place),
        emptied={"place": sa.null()},
    ),
)

# By name, with the reason.
NOT_OF_PERSONS: Mapping[str, str] = {
    "alerts": "troubles of the service, of an endpoint or of a bank",
    "api_tokens": "an operator's name for a token, and its digest",
    "bank_incidents": "banks",
    "categories": "the same for everybody",
    "connectors": "banks",
    "console_sessions": "operators",
    "counters": "numbers",
    "endpoints": "addresses of the product",
    "erasure_items": "a digest under our own key; the Item's id is sealed, and gone once the erasure is done",
    "erasure_tombstones": "digests under our own key",
    "erasures": "numbers; the person's id is sealed, and gone once the erasure is done",
    "event_counts": "numbers",
    "figure_samples": "numbers",
    "freshness_counts": "numbers",
    "freshness_days": "numbers",
    "history_begins": "a moment",
    "item_counts": "numbers",
    "item_list_checks": "moments, numbers, and while a comparison goes on a cursor of Pluggy's",
    "schedule": "moments",
    "sealed_keys": "keys of this service",
}

HELD: tuple[Held, ...] = (*EMPTIED, *LINKS, *PURGED, *ERASED)
