"""
Items that took the place of others: what tells connections apart, the links, and the searches that are due.

Callers own the transaction; who writes holds the write locks of both Items (`lock`).

Tests: `engine/test_succession.py`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from pluggy_sync.pluggy import fields
from pluggy_sync.rules.succession import AccountFacts, AccountPair, ItemFacts
from pluggy_sync.store.tables import (
    account_links,
    accounts,
    document_in_sql,
    identities,
    item_links,
    items,
    predecessor_searches,
)


class State(StrEnum):
    """Of a link. Suggested: an operator decides."""

    SUGGESTED = "suggested"
    LINKED = "linked"
    UNDONE = "undone"


class Maker(StrEnum):
    """Who brought a link to its state."""

    RULE = "rule"
    OPERATOR = "operator"


@dataclass(frozen=True, kw_only=True)
class Link:
    """Two Items for the same accounts, and why that is believed."""

    old_item_id: str
    new_item_id: str
    state: State
    score: int
    reasons: Sequence[str]
    made_by: Maker
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True, kw_only=True)
class AccountLink:
    """An account of a linked Item, and the account that took its place."""

    old_account_id: str
    new_account_id: str


# A person has few Items. More than these are a mistake, as one clientUserId for all persons.
MOST_CANDIDATES = 20

_DOCUMENTS = sa.text(
    f"""
    SELECT {document_in_sql("tax_number")} FROM identities WHERE item_id = :item_id AND tax_number IS NOT NULL
    UNION
    SELECT {document_in_sql("raw ->> 'taxNumber'")} FROM accounts
    WHERE item_id = :item_id AND raw ->> 'taxNumber' IS NOT NULL
    """  # noqa: S608 - nothing in it comes from outside
)
_OF_DOCUMENTS = sa.text(
    f"""
    SELECT item_id FROM identities WHERE {document_in_sql("tax_number")} = ANY (:documents)
    UNION
    SELECT item_id FROM accounts WHERE {document_in_sql("raw ->> 'taxNumber'")} = ANY (:documents)
    LIMIT :limit
    """  # noqa: S608 - as above
)


def lock(conn: Connection, item_ids: Collection[str]) -> None:
    """Take the write locks of the Items, in the order of their ids: nobody waits for them in a circle."""
    conn.execute(
        sa.select(items.c.id).where(items.c.id.in_(item_ids)).order_by(items.c.id).with_for_update(key_share=True)
    )


_USER_OF = sa.select(items.c.client_user_id).where(items.c.id == sa.bindparam("item"))
_OF_USER = sa.select(items.c.id).where(items.c.client_user_id == sa.bindparam("user")).limit(MOST_CANDIDATES + 2)
_LIVING_AMONG = (
    sa.select(items.c.id)
    .where(items.c.id == sa.func.any(sa.bindparam("ids", type_=sa.ARRAY(sa.Text))), items.c.deleted_at.is_(None))
    .order_by(items.c.id)
)


def perhaps_of_the_same_person(conn: Connection, item_id: str) -> list[str]:
    """Return ids of living Items with the Item's clientUserId or a document of it; none if there are far too many."""
    client_user_id = conn.scalar(_USER_OF, {"item": item_id})
    found: set[str] = set()
    if client_user_id is not None:
        found.update(conn.scalars(_OF_USER, {"user": client_user_id}))
    documents = [each for each in conn.scalars(_DOCUMENTS, {"item_id": item_id}) if each]
    if documents:
        found.update(conn.scalars(_OF_DOCUMENTS, {"documents": documents, "limit": MOST_CANDIDATES + 2}))
    found.discard(item_id)
    if not found or len(found) > MOST_CANDIDATES:
        return []
    return list(conn.scalars(_LIVING_AMONG, {"ids": list(found)}))


_SEEN = sa.select(items.c.id, items.c.client_user_id, items.c.connector_id, items.c.first_seen_at, items.c.raw).where(
    items.c.id == sa.bindparam("item"), items.c.raw.is_not(None), items.c.deleted_at.is_(None)
)
_TAX_NUMBERS = sa.select(identities.c.tax_number).where(identities.c.item_id == sa.bindparam("item"))
_ACCOUNTS = sa.select(accounts).where(accounts.c.item_id == sa.bindparam("item")).order_by(accounts.c.id)


def facts(conn: Connection, item_id: str) -> ItemFacts | None:
    """Return what tells the Item apart; None if it is not known here, deleted, or nothing of it was seen yet."""
    row = conn.execute(_SEEN, {"item": item_id}).one_or_none()
    if row is None:
        return None
    connector = fields.object_of(row.raw.get("connector")) or {}
    documents = conn.scalars(_TAX_NUMBERS, {"item": item_id})
    own = conn.execute(_ACCOUNTS, {"item": item_id})
    return ItemFacts(
        id=row.id,
        client_user_id=row.client_user_id,
        connector_id=row.connector_id,
        connector_name=fields.text(connector.get("name")),
        documents=[each for each in documents if each],
        connected_at=fields.instant(row.raw.get("createdAt")) or row.first_seen_at,
        accounts=[_account(each) for each in own],
    )


def _account(row: sa.Row[Any]) -> AccountFacts:
    get = row.raw.get
    bank_data, credit_data = fields.object_of(get("bankData")) or {}, fields.object_of(get("creditData")) or {}
    return AccountFacts(
        id=row.id,
        type=row.type,
        subtype=row.subtype,
        currency=row.currency_code,
        number=row.number,
        transfer_number=fields.text(bank_data.get("transferNumber")),
        owner=fields.text(get("owner")),
        document=fields.text(get("taxNumber")),
        brand=fields.text(credit_data.get("brand")),
        listed=row.missing_since is None,
    )


_COLUMNS = list(item_links.columns)


def _link(row: sa.Row[Any]) -> Link:
    values = row._mapping
    return Link(**{**values, "state": State(row.state), "made_by": Maker(row.made_by)})


def get(conn: Connection, old_item_id: str, new_item_id: str) -> Link | None:
    """Return the link of the two Items, or None."""
    row = conn.execute(
        sa.select(*_COLUMNS).where(item_links.c.old_item_id == old_item_id, item_links.c.new_item_id == new_item_id)
    ).one_or_none()
    return None if row is None else _link(row)


def of_item(conn: Connection, item_id: str) -> Sequence[Link]:
    """Return the links of the Item, as the older or the newer one, oldest first."""
    rows = conn.execute(
        sa.select(*_COLUMNS)
        .where(sa.or_(item_links.c.old_item_id == item_id, item_links.c.new_item_id == item_id))
        .order_by(item_links.c.created_at, item_links.c.old_item_id)
    )
    return [_link(row) for row in rows]


def newest(conn: Connection, *, state: State | None, limit: int) -> Sequence[Link]:
    """Return the links that changed last, all or those in *state*."""
    stmt = sa.select(*_COLUMNS)
    if state is not None:
        stmt = stmt.where(item_links.c.state == state.value)
    newest_first = stmt.order_by(item_links.c.changed_at.desc(), item_links.c.old_item_id)
    return [_link(row) for row in conn.execute(newest_first.limit(limit))]


def save(
    conn: Connection,
    old_item_id: str,
    new_item_id: str,
    *,
    state: State,
    score: int,
    reasons: Sequence[str],
    made_by: Maker,
    now: datetime,
) -> None:
    """Keep the link as it is now."""
    values = {"state": state.value, "score": score, "reasons": list(reasons), "made_by": made_by.value}
    conn.execute(
        insert(item_links)
        .values(old_item_id=old_item_id, new_item_id=new_item_id, created_at=now, changed_at=now, **values)
        .on_conflict_do_update(
            index_elements=[item_links.c.old_item_id, item_links.c.new_item_id], set_={**values, "changed_at": now}
        )
    )


def replace(conn: Connection, old_item_id: str, new_item_id: str, pairs: Sequence[AccountPair]) -> None:
    """Record that the new Item brings the old one's accounts. A sync run of the old one loses its lease."""
    conn.execute(
        sa.update(items)
        .where(items.c.id == old_item_id)
        .values(replaced_by=new_item_id, run_id=None, lease_until=None, stale_told_of=None)
    )
    if pairs:
        new = insert(account_links).values(
            [
                {
                    "old_account_id": each.old.id,
                    "new_account_id": each.new.id,
                    "old_item_id": old_item_id,
                    "new_item_id": new_item_id,
                }
                for each in pairs
            ]
        )
        conn.execute(new.on_conflict_do_nothing(index_elements=[account_links.c.old_account_id]))


def give_back(conn: Connection, old_item_id: str) -> None:
    """Record that the Item is in its own place again."""
    conn.execute(sa.update(items).where(items.c.id == old_item_id).values(replaced_by=None))
    conn.execute(sa.delete(account_links).where(account_links.c.old_item_id == old_item_id))


def account_links_of(conn: Connection, old_item_id: str) -> Sequence[AccountLink]:
    """Return the accounts of the replaced Item that have a successor."""
    rows = conn.execute(
        sa.select(account_links.c.old_account_id, account_links.c.new_account_id)
        .where(account_links.c.old_item_id == old_item_id)
        .order_by(account_links.c.old_account_id)
    )
    return [AccountLink(**row._mapping) for row in rows]


_SUCCESSOR_ACCOUNTS = (
    sa.select(account_links.c.new_account_id)
    .where(account_links.c.new_item_id == sa.bindparam("item"))
    .distinct()
    .order_by(account_links.c.new_account_id)
)


def successor_accounts(conn: Connection, item_id: str) -> Sequence[str]:
    """Return ids of the Item's accounts that took the place of others."""
    return list(conn.scalars(_SUCCESSOR_ACCOUNTS, {"item": item_id}))


def replaced_items(conn: Connection, item_id: str) -> Sequence[str]:
    """Return ids of the Items whose place this one took itself, deleted ones too, by id."""
    return list(
        conn.scalars(
            sa.select(item_links.c.old_item_id)
            .where(item_links.c.new_item_id == item_id, item_links.c.state == State.LINKED.value)
            .order_by(item_links.c.old_item_id)
        )
    )


def remove(conn: Connection, item_id: str) -> None:
    """Remove all links of the Item."""
    conn.execute(
        sa.delete(item_links).where(sa.or_(item_links.c.old_item_id == item_id, item_links.c.new_item_id == item_id))
    )
    conn.execute(
        sa.delete(account_links).where(
            sa.or_(account_links.c.old_item_id == item_id, account_links.c.new_item_id == item_id)
        )
    )


_SEARCH = insert(predecessor_searches)
_REQUEST_SEARCH = _SEARCH.on_conflict_do_update(
    index_elements=[predecessor_searches.c.item_id], set_={"due_at": _SEARCH.excluded.due_at, "attempts": 0}
)


def request_search(conn: Connection, item_id: str, *, due_at: datetime) -> None:
    """Have the predecessors of the Item looked for at *due_at*."""
    conn.execute(_REQUEST_SEARCH, {"item_id": item_id, "due_at": due_at})


_DUE = (
    sa.select(predecessor_searches.c.item_id)
    .where(predecessor_searches.c.due_at <= sa.bindparam("now"))
    .order_by(predecessor_searches.c.due_at)
    .limit(sa.bindparam("limit"))
    .with_for_update(skip_locked=True)
    .cte("due")
)
_TAKE_DUE = (
    sa.update(predecessor_searches)
    .where(predecessor_searches.c.item_id == _DUE.c.item_id)
    .values(attempts=predecessor_searches.c.attempts + 1)
    .returning(predecessor_searches.c.item_id)
)


def take_due_searches(conn: Connection, *, now: datetime, until: datetime, limit: int) -> list[str]:
    """Return ids of Items whose search is due, the longest waiting first; each is rescheduled *until* then."""
    return list(conn.scalars(_TAKE_DUE, {"now": now, "limit": limit, "due_at": until}))


_END_SEARCH = sa.delete(predecessor_searches).where(predecessor_searches.c.item_id == sa.bindparam("item"))


def end_search(conn: Connection, item_id: str) -> None:
    """Record that the search is done."""
    conn.execute(_END_SEARCH, {"item": item_id})
