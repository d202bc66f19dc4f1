"""
Items that took the place of others: a person connected the same bank anew (`rules/succession.py`).

Linked, the old Item is no longer synced, and nobody is asked for it. What its successor lacks of its rows stays
readable as one series with the successor's, also after the old Item is deleted. Nothing is merged: each Item keeps its
own rows, and a link can be undone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from pluggy_sync import queue
from pluggy_sync.engine import actions, requests
from pluggy_sync.engine.errors import EngineError
from pluggy_sync.notifications import messages
from pluggy_sync.resources import Resources
from pluggy_sync.rules import succession
from pluggy_sync.rules.action_states import SUPERSEDED
from pluggy_sync.rules.succession import Comparison, ItemFacts, Verdict
from pluggy_sync.store import item_links, items, series, user_actions
from pluggy_sync.store.inbox import GRACE
from pluggy_sync.store.item_links import Maker, State
from pluggy_sync.store.items import StoredItem
from pluggy_sync.transaction import Transaction

log = structlog.get_logger(__name__)

# A search whose process died is made again: with the sweep's own interval that is within promise 10.
SEARCH_AGAIN_AFTER = timedelta(seconds=30)
SEARCHES_PER_SWEEP = 100
# What becomes of the open actions of a replaced Item.
REPLACED = "replaced"
# Longer chains of Items, each in the place of the one before, are a mistake.
LONGEST_CHAIN = 50


class CannotLinkError(EngineError):
    """Two Items cannot be linked, or a link cannot be undone; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a link of two Items would do, or does. `paired`: rows that both have; `kept`: rows that only the old has."""

    comparison: Comparison
    paired: int
    kept: int


def request_search(tx: Transaction, item_id: str, *, now: datetime) -> None:
    """Have the Items looked for whose place this one took, once it is committed."""
    item_links.request_search(tx.conn, item_id, due_at=now + GRACE)
    tx.after_commit(queue.FIND_PREDECESSORS, item_id)


def queue_due_searches(res: Resources) -> None:
    """Queue again the searches that were lost. Called by the sweep."""
    now = res.now()
    with res.begin() as tx:
        for item_id in item_links.take_due_searches(
            tx.conn, now=now, until=now + SEARCH_AGAIN_AFTER, limit=SEARCHES_PER_SWEEP
        ):
            tx.after_commit(queue.FIND_PREDECESSORS, item_id)


def find_predecessors(res: Resources, item_id: str) -> None:
    """
    Link the Item with those whose place it took, and with the one that took its own; suggest what is in doubt.

    Safe to repeat. What an operator has undone is left alone.
    """
    with res.database.begin() as conn:
        found = _comparisons(conn, item_id)
    for old, new, comparison in found:
        if comparison.verdict is Verdict.LINK:
            _link(res, old, new, comparison, Maker.RULE)
        else:
            _suggest(res, old, new, comparison)
    with res.database.begin() as conn:
        item_links.end_search(conn, item_id)


def _comparisons(conn: Connection, item_id: str) -> list[tuple[ItemFacts, ItemFacts, Comparison]]:
    """Return the pairs of Items to link or suggest, older Item first; the best pair comes first."""
    own = item_links.facts(conn, item_id)
    if own is None:
        return []
    found = []
    for candidate in item_links.perhaps_of_the_same_person(conn, item_id):
        other = item_links.facts(conn, candidate)
        if other is None:
            continue
        old, new = (own, other) if own.connected_at < other.connected_at else (other, own)
        known = item_links.get(conn, old.id, new.id)
        if known is None or known.state is State.SUGGESTED:
            comparison = _compare(conn, old, new)
            if comparison.verdict is not Verdict.NONE:
                found.append((old, new, comparison))
    return sorted(found, key=lambda each: (each[2].score, each[1].connected_at), reverse=True)


def _compare(conn: Connection, old: ItemFacts, new: ItemFacts) -> Comparison:
    pairs = succession.account_pairs(old.accounts, new.accounts)
    return succession.compare(old, new, series.evidence(conn, [(each.old.id, each.new.id) for each in pairs]))


def _suggest(res: Resources, old: ItemFacts, new: ItemFacts, comparison: Comparison) -> None:
    now = res.now()
    with res.database.begin() as conn:
        item_links.lock(conn, [old.id, new.id])
        row = items.get(conn, old.id)
        if row is None or row.replaced_by is not None or _is_settled(conn, old.id, new.id):
            return
        _save(conn, old, new, comparison, State.SUGGESTED, by=Maker.RULE, now=now)
    log.info("link.suggested", item_id=old.id, by=new.id, score=comparison.score, reasons=list(comparison.reasons))


def _is_settled(conn: Connection, old_item_id: str, new_item_id: str) -> bool:
    known = item_links.get(conn, old_item_id, new_item_id)
    return known is not None and known.state is not State.SUGGESTED


def _save(
    conn: Connection, old: ItemFacts, new: ItemFacts, comparison: Comparison, state: State, *, by: Maker, now: datetime
) -> None:
    item_links.save(
        conn,
        old.id,
        new.id,
        state=state,
        score=comparison.score,
        reasons=[each.value for each in comparison.reasons],
        made_by=by,
        now=now,
    )


def _link(res: Resources, old: ItemFacts, new: ItemFacts, comparison: Comparison, made_by: Maker) -> bool:
    """Link the Items and tell the product; return False if one of them cannot be linked any more."""
    now = res.now()
    with res.begin() as tx:
        conn = tx.conn
        item_links.lock(conn, [old.id, new.id])
        if _why_not(conn, old.id, new.id) is not None:
            return False
        if made_by is Maker.RULE and _is_settled(conn, old.id, new.id):
            return False
        _save(conn, old, new, comparison, State.LINKED, by=made_by, now=now)
        item_links.replace(conn, old.id, new.id, comparison.accounts)
        for each in comparison.accounts:
            series.pair(conn, each.new.id)
        for action in user_actions.unsettled(conn, old.id):
            user_actions.settle(conn, action.id, SUPERSEDED, REPLACED, now=now)
            actions.time_to_settle(res, action, SUPERSEDED, now=now)
        messages.replaced(
            tx,
            old.id,
            old.client_user_id,
            by=new.id,
            accounts=[{"old": each.old.id, "new": each.new.id} for each in comparison.accounts],
            now=now,
        )
    log.info("item.replaced", item_id=old.id, by=new.id, score=comparison.score, reasons=list(comparison.reasons))
    return True


def _why_not(conn: Connection, old_item_id: str, new_item_id: str) -> str | None:
    """Return why the Items cannot be linked, or None."""
    old, new = items.get(conn, old_item_id), items.get(conn, new_item_id)
    if old is None or new is None:
        return "One of the Items is not known here."
    if old_item_id == new_item_id:
        return "It is one Item."
    if old.deleted_at is not None or new.deleted_at is not None:
        return "One of the Items is deleted."
    if old.replaced_by is not None:
        return f"The older Item was replaced already, by {old.replaced_by}."
    return "The newer Item was itself replaced by the older one." if _leads_to(conn, new, old_item_id) else None


def _leads_to(conn: Connection, item: StoredItem, item_id: str) -> bool:
    """Return whether *item*, or one in the chain of those that replaced it, was replaced by the Item *item_id*."""
    for _ in range(LONGEST_CHAIN):
        if item.replaced_by == item_id:
            return True
        following = None if item.replaced_by is None else items.get(conn, item.replaced_by)
        if following is None:
            return False
        item = following
    return True


def preview(res: Resources, old_item_id: str, new_item_id: str) -> Preview:
    """
    Return what a link of the Items would do, or does. Nothing is changed.

    Raises:
        CannotLinkError: one of them is not known here.
    """
    with res.database.connect() as conn:
        # Pairing writes. It is rolled back.
        comparison = _compare(conn, *_both(conn, old_item_id, new_item_id))
        row = items.get(conn, old_item_id)
        if row is not None and row.replaced_by is None:
            item_links.replace(conn, old_item_id, new_item_id, comparison.accounts)
            for each in comparison.accounts:
                series.pair(conn, each.new.id)
        own = [each.old_account_id for each in item_links.account_links_of(conn, old_item_id)]
        found = Preview(
            comparison=comparison,
            paired=sum(series.paired(conn, each) for each in own),
            kept=sum(series.kept(conn, each) for each in own),
        )
        conn.rollback()
    return found


def _both(conn: Connection, old_item_id: str, new_item_id: str) -> tuple[ItemFacts, ItemFacts]:
    old, new = item_links.facts(conn, old_item_id), item_links.facts(conn, new_item_id)
    if old is None or new is None:
        raise CannotLinkError("One of the Items is not known here, or deleted.")
    return old, new


def confirm(res: Resources, old_item_id: str, new_item_id: str) -> None:
    """
    Link the Items because an operator says so, also where the rule is in doubt, or the link was undone before.

    Raises:
        CannotLinkError: they cannot be linked, or have no account in common.
    """
    with res.database.begin() as conn:
        why_not = _why_not(conn, old_item_id, new_item_id)
        if why_not is not None:
            raise CannotLinkError(why_not)
        old, new = _both(conn, old_item_id, new_item_id)
        comparison = _compare(conn, old, new)
    if not comparison.accounts:
        raise CannotLinkError("The Items have no account in common.")
    if not _link(res, old, new, comparison, Maker.OPERATOR):
        raise CannotLinkError("One of the Items changed meanwhile. Look at them again.")


def undo(res: Resources, old_item_id: str, new_item_id: str) -> None:
    """
    Undo a link, or turn a suggestion down. The old Item is synced again, and its person is asked again.

    Raises:
        CannotLinkError: there is no such link, or the old Item is deleted: its history would be lost.
    """
    now = res.now()
    with res.begin() as tx:
        conn = tx.conn
        item_links.lock(conn, [old_item_id, new_item_id])
        link, old = item_links.get(conn, old_item_id, new_item_id), items.get(conn, old_item_id)
        if link is None or old is None:
            raise CannotLinkError("There is no such link.")
        if link.state is State.LINKED and old.deleted_at is not None:
            raise CannotLinkError("The older Item is deleted. Its history is kept with the newer one, or not at all.")
        item_links.save(
            conn,
            old_item_id,
            new_item_id,
            state=State.UNDONE,
            score=link.score,
            reasons=link.reasons,
            made_by=Maker.OPERATOR,
            now=now,
        )
        if link.state is State.LINKED:
            _give_back(tx, old_item_id, old.client_user_id, by=new_item_id, now=now)
    log.info("link.undone", item_id=old_item_id, by=new_item_id)


def _give_back(tx: Transaction, old_item_id: str, client_user_id: str | None, *, by: str, now: datetime) -> None:
    """Put a living Item in its own place again, tell the product, and have it fetched."""
    for each in item_links.account_links_of(tx.conn, old_item_id):
        series.unpair(tx.conn, each.old_account_id)
    item_links.give_back(tx.conn, old_item_id)
    messages.replacement_undone(tx, old_item_id, client_user_id, by=by, now=now)
    requests.fetch(tx, old_item_id, why=requests.LINK_UNDONE, now=now)


def lock_with_predecessors(conn: Connection, item_id: str) -> None:
    """Take the write locks of the Item and of all whose place it took, before anything else of them is locked."""
    item_links.lock(conn, [item_id, *_all_replaced(conn, item_id)])


def _all_replaced(conn: Connection, item_id: str) -> Sequence[str]:
    found: list[str] = []
    left = [item_id]
    while left and len(found) < LONGEST_CHAIN:
        replaced = [each for each in item_links.replaced_items(conn, left.pop()) if each not in found]
        found += replaced
        left += replaced
    return found


def end(tx: Transaction, item_id: str, *, now: datetime) -> None:
    """
    End the links of an Item that is purged and has no successor: what it kept of its predecessors goes with it.

    A predecessor that lives is in its own place again. The caller holds the locks of `lock_with_predecessors`.
    """
    for old_item_id in item_links.replaced_items(tx.conn, item_id):
        old = items.get(tx.conn, old_item_id)
        if old is None or old.deleted_at is None:
            _give_back(tx, old_item_id, None if old is None else old.client_user_id, by=item_id, now=now)
        else:
            end(tx, old_item_id, now=now)
            _forget(tx.conn, old_item_id, deleted_at=old.deleted_at)
    series.remove(tx.conn, item_id)
    item_links.remove(tx.conn, item_id)


def _forget(conn: Connection, item_id: str, *, deleted_at: datetime) -> None:
    """Remove what is kept of a deleted Item. Its tombstone stays."""
    series.remove(conn, item_id)
    item_links.remove(conn, item_id)
    items.purge(conn, item_id, now=deleted_at)
