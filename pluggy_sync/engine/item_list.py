"""
Comparing our Items with Pluggy's list of them, once a week (Pluggy facts 13.1).

It finds Items that we do not know, whose `item/created` was lost, and Items that Pluggy does not list. Both are only
fetched: whether one is gone is decided as ever, by asking for it. Most applications may not list their Items. Pluggy
says so once, and is not asked again until an operator asks.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from pluggy_sync.engine import requests
from pluggy_sync.pluggy import rate_budget
from pluggy_sync.pluggy.client import ListedItems
from pluggy_sync.pluggy.errors import PluggyError, PluggyRefusedError
from pluggy_sync.pluggy.payloads import ListedItem
from pluggy_sync.resources import Resources
from pluggy_sync.store import erased, item_list, items
from pluggy_sync.store.item_list import Check

log = structlog.get_logger(__name__)

EVERY = timedelta(days=7)
# Pages of one round, of a hundred Items each. The next round goes on.
PAGES_PER_ROUND = 20
# Items that are fetched by one transaction.
CHUNK = 100
FORBIDDEN = 403


def compare(res: Resources) -> None:
    """Compare a few pages if it is time, or one goes on. Trouble with Pluggy ends the round; the next goes on."""
    application, now = res.settings.pluggy_client_id, res.now()
    with res.database.begin() as conn:
        check = item_list.get(conn, application)
    if check.refused_at is not None:
        return
    if check.began_at is None:
        if check.finished_at is not None and now < check.finished_at + EVERY:
            return
        check = dataclasses.replace(check, began_at=now, after=None, unknown_here=0, unknown_there=0)
        with res.database.begin() as conn:
            item_list.remove_listed(conn)
            item_list.save(conn, application, check)
    try:
        with rate_budget.lane(rate_budget.Lane.RECONCILIATION):
            for _ in range(PAGES_PER_ROUND):
                page = res.pluggy.listed_items(check.after)
                check = _note(res, check, page)
                if page.after is None:
                    _finish(res, check)
                    return
    except PluggyRefusedError as exc:
        _refused(res, check, exc)
    except PluggyError as exc:
        log.info("item_list.rescheduled", error=str(exc), next="the next round goes on")


def _note(res: Resources, check: Check, page: ListedItems) -> Check:
    """Keep that the Items of *page* are listed, and have those fetched that we do not know."""
    now = res.now()
    with res.begin() as tx:
        kept_out = erased.items_among(tx.conn, [each.id for each in page.items])
        listed = {each.id: each for each in page.items if each.id not in kept_out}
        item_list.add(tx.conn, listed.keys())
        unknown = sorted(item_list.unknown_here(tx.conn, listed.keys()))
        register(tx.conn, [listed[each] for each in unknown], now=now)
        requests.fetch_many(tx, unknown, why=requests.LISTED, now=now)
        check = dataclasses.replace(check, after=page.after, unknown_here=check.unknown_here + len(unknown))
        item_list.save(tx.conn, res.settings.pluggy_client_id, check)
    if unknown:
        log.warning("item_list.unknown_here", items=len(unknown), next="they are fetched and synced")
    return check


def register(conn: Connection, found: Sequence[ListedItem], *, now: datetime) -> None:
    """Make the Items known here, with whose they are. In the order of their ids, as everybody locks them."""
    for each in sorted(found, key=lambda listed: listed.id):
        items.lock(conn, each.id, now=now)
        if each.client_user_id is not None:
            items.name_user(conn, each.id, each.client_user_id)


def _finish(res: Resources, check: Check) -> None:
    began_at, unlisted, last = check.began_at or res.now(), 0, ""
    while True:
        with res.begin() as tx:
            found = item_list.unlisted(tx.conn, before=began_at, after_id=last, limit=CHUNK)
            requests.fetch_many(tx, found, why=requests.UNLISTED, now=res.now())
        unlisted += len(found)
        if len(found) < CHUNK:
            break
        last = found[-1]
    check = dataclasses.replace(check, began_at=None, after=None, finished_at=res.now(), unknown_there=unlisted)
    with res.database.begin() as conn:
        item_list.remove_listed(conn)
        item_list.save(conn, res.settings.pluggy_client_id, check)
    log.info("item_list.compared", unknown_here=check.unknown_here, unknown_there=unlisted)


def _refused(res: Resources, check: Check, error: PluggyRefusedError) -> None:
    if error.status != FORBIDDEN:
        # As a cursor that Pluggy no longer knows: begin anew.
        log.warning("item_list.refused", status=error.status, code=error.code, next="it begins anew in a week")
        check = dataclasses.replace(check, finished_at=res.now())
    else:
        log.info("item_list.not_enabled", next="Pluggy is not asked again before `pluggy-sync import --all`")
        check = dataclasses.replace(check, refused_at=res.now())
    with res.database.begin() as conn:
        item_list.remove_listed(conn)
        item_list.save(conn, res.settings.pluggy_client_id, dataclasses.replace(check, began_at=None, after=None))


def all_items(res: Resources) -> Iterator[Sequence[ListedItem]]:
    """
    Yield pages of all Items at Pluggy, because an operator asks. From then on the weekly comparison asks again too.

    Raises:
        PluggyUnavailableError, PluggyRefusedError: as the client.
    """
    after: str | None = None
    while True:
        page = res.pluggy.listed_items(after)
        if after is None:
            _ask_again(res)
        yield page.items
        after = page.after
        if after is None:
            return


def _ask_again(res: Resources) -> None:
    with res.database.begin() as conn:
        check = item_list.get(conn, res.settings.pluggy_client_id)
        item_list.save(conn, res.settings.pluggy_client_id, dataclasses.replace(check, refused_at=None))
