"""
Erasing a person: at Pluggy and here, in every table, with a receipt at the end. Each step may be repeated.

1. Tombstones of the person and of the Items that are known are committed with the request. From then on nothing new of
   them is stored.
2. Everything is looked through for further Items of the person: also those that were deleted before.
3. Once no transaction goes on that began before the tombstones were there, all rows are removed; and once more, after
   the last transaction that began before that. Meanwhile Pluggy is asked to delete each Item.
4. What names them in Redis and in the spill is removed, or waited for.
5. The receipt is signed. Now nothing here tells whom it was about.

Whatever fails is tried again, and the erasure says what it waits for. Nothing is claimed before it is so.
"""

from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from redis.exceptions import RedisError
from sqlalchemy import Connection

from pluggy_sync import queue, spill, wire
from pluggy_sync.engine import deletion, receipts, requests
from pluggy_sync.pluggy.errors import PluggyError, PluggyLimitedError, PluggyUnavailableError
from pluggy_sync.pluggy.payloads import Item
from pluggy_sync.resources import Resources
from pluggy_sync.rules import backoff
from pluggy_sync.store import erased, erasures, inbox, sealed_keys
from pluggy_sync.store.erasures import ErasedItem, Erasure
from pluggy_sync.transaction import Transaction

log = structlog.get_logger(__name__)

# What an erasure waits for.
PLUGGY = "pluggy"
TRANSACTIONS = "transactions"
SPILL = "spill"
REDIS = "redis"
OPERATION = "operation"
SECRET_KEY = "secret_key"  # noqa: S105 - the name of a setting

# If the process ends, the sweep goes on with the erasure after this time: with the sweep's own interval that is within
# promise 10. An attempt that takes longer says at each step that it goes on.
ATTEMPT = timedelta(seconds=30)
# For one request to Pluggy: nobody else makes it meanwhile, as long as it usually takes. Made twice it does no harm.
_ASKED_FOR = timedelta(seconds=30)
AGAIN_SOON = timedelta(seconds=2)
# Pluggy may be away for days. It is asked at least this often.
AGAIN_AT_THE_LATEST = timedelta(hours=1)
# An Item may have been begun before the request and be heard of later: a token for the widget lives for half an hour,
# and Pluggy's event takes a while.
LATE = timedelta(minutes=60)
SPILL_READ_AT_ONCE = 500


class WaitsError(Exception):
    """The erasure cannot go on now. *what* it waits for, and until when."""

    def __init__(self, what: str, until: datetime) -> None:
        super().__init__(what)
        self.what = what
        self.until = until


def request(res: Resources, client_user_id: str) -> Erasure:
    """
    Have the person erased; return the erasure, which goes on by itself.

    If the person was erased before and nothing of them came since, that erasure is returned as it is. If something
    came, it is done once more.
    """
    now = res.now()
    user_sealed = receipts.secret_box(res).seal(client_user_id).decode()
    with res.begin() as tx:
        conn = tx.conn
        erasure_id = erased.erasure_of_user(conn, client_user_id)
        if erasure_id is None:
            erasure_id = erasures.new_id()
            erasures.add(conn, erasure_id, user_sealed=user_sealed, now=now)
            erased.add(conn, erased.USER, client_user_id, erasure_id, now=now)
        before = _locked(conn, erasure_id)
        item_ids = erasures.items_known_of(conn, client_user_id)
        if before.state == erasures.DONE:
            if not item_ids:
                return before
            erasures.reopen(conn, erasure_id, user_sealed=user_sealed, now=now)
        _add_items(res, conn, erasure_id, item_ids)
        tx.after_commit(queue.ERASE, erasure_id)
        requested = _locked(conn, erasure_id)
    log.info("erasure.requested", erasure_id=erasure_id)
    return requested


def _locked(conn: Connection, erasure_id: str) -> Erasure:
    found = erasures.lock(conn, erasure_id)
    if found is None:
        raise LookupError("an erasure that a tombstone names is not there")
    return found


def is_going_on(conn: Connection, client_user_id: str) -> bool:
    """Return whether the person is being erased now. Nobody is let in before that is done."""
    erasure_id = erased.erasure_of_user(conn, client_user_id)
    return erasure_id is not None and _locked(conn, erasure_id).state != erasures.DONE


def let_return(res: Resources, client_user_id: str) -> None:
    """Let a person who was erased connect banks again, since the product wants it. Erased Items stay erased."""
    with res.database.begin() as conn:
        erasure_id = erased.erasure_of_user(conn, client_user_id)
        if erasure_id is not None and _locked(conn, erasure_id).state == erasures.DONE:
            _lift(conn, client_user_id, erasure_id)


def _lift(conn: Connection, client_user_id: str, erasure_id: str) -> None:
    erased.lift(conn, client_user_id)
    log.info("erasure.person_is_back", erasure_id=erasure_id, next="what they connect from now on is stored")


def _add_items(res: Resources, conn: Connection, erasure_id: str, item_ids: Collection[str]) -> None:
    """Leave a tombstone of each Item, unless there is one, and add the Item to the erasure."""
    box = receipts.secret_box(res)
    for item_id in sorted(item_ids):
        digest = erased.add(conn, erased.ITEM, item_id, erasure_id, now=res.now())
        erasures.add_item(conn, erasure_id, digest, box.seal(item_id).decode(), now=res.now())


def keeps_out(tx: Transaction, res: Resources, item: Item) -> bool:
    """
    Return whether *item*, which Pluggy showed, is that of a person who was erased. Then nothing of it is left here.

    The caller holds its lock. If the Item may have been begun before the request, it is erased too, at Pluggy as well.
    If it is surely newer, the person came back: they are let in, once the erasure is done.
    """
    erasure_id = None if item.client_user_id is None else erased.erasure_of_user(tx.conn, item.client_user_id)
    if erasure_id is None or item.client_user_id is None:
        return False
    if _is_surely_newer(tx.conn, item, erasure_id, now=res.now()):
        if _locked(tx.conn, erasure_id).state == erasures.DONE:
            _lift(tx.conn, item.client_user_id, erasure_id)
            return False
        erasures.remove_item(tx.conn, item.id)
        due_at = res.now() + AGAIN_AT_THE_LATEST
        requests.fetch(tx, item.id, why=requests.PERSON_IS_BACK, now=res.now(), due_at=due_at)
        log.warning("erasure.new_item_waits", erasure_id=erasure_id, item_id=item.id, next_try_at=str(due_at))
        return True
    # Items before the erasure, as whoever goes on with it locks them.
    removed = erasures.remove_item(tx.conn, item.id)
    if _locked(tx.conn, erasure_id).state == erasures.DONE:
        sealed = receipts.secret_box(res).seal(item.client_user_id).decode()
        erasures.reopen(tx.conn, erasure_id, user_sealed=sealed, now=res.now())
    erasures.count_removed(tx.conn, erasure_id, removed)
    _add_items(res, tx.conn, erasure_id, [item.id])
    tx.after_commit(queue.ERASE, erasure_id)
    log.warning("erasure.late_item", erasure_id=erasure_id, next="it is erased too")
    return True


def _is_surely_newer(conn: Connection, item: Item, erasure_id: str, *, now: datetime) -> bool:
    """
    Return whether the Item was begun after the request, as both clocks say.

    Ours says when we first heard of it. Pluggy's says when it was made, and may be hours ahead of ours.
    """
    created_at = wire.instant_or_none(item.raw.get("createdAt"))
    heard_at = inbox.first_received_at(conn, item.id) or now
    erasure = erasures.get(conn, erasure_id)
    if erasure is None or created_at is None:
        return False
    return min(created_at, heard_at) > erasure.requested_at + LATE


def work(res: Resources, erasure_id: str) -> None:
    """Go on with the erasure as far as it goes now. Safe to repeat, and to do twice at once."""
    with res.database.begin() as conn:
        erasure = erasures.begin_attempt(conn, erasure_id, until=res.now() + ATTEMPT)
    if erasure is None:
        return
    with structlog.contextvars.bound_contextvars(erasure_id=erasure_id):
        try:
            _work(res, erasure)
        except WaitsError as exc:
            with res.database.begin() as conn:
                erasures.wait(conn, erasure_id, exc.what, until=exc.until)
            log.warning("erasure.waits", waits_for=exc.what, next_try_at=str(exc.until))


def _work(res: Resources, erasure: Erasure) -> None:
    person = _opened(res, erasure.user_sealed)
    if erasure.searched_at is None:
        _search(res, erasure, person)
    _await_older_transactions(res, erasure.id, "visible_at")
    ids = _items(res, erasure.id)
    _remove(res, erasure, person, ids, step="removed_at")
    troubled_until = _delete_at_pluggy(res, erasure.id)
    _await_older_transactions(res, erasure.id, "removed_at")
    _remove(res, erasure, person, ids, step="confirmed_at")
    _forget_in_redis(res, erasure.id, ids)
    _await_spill(res, person, ids)
    if troubled_until is not None:
        raise WaitsError(PLUGGY, troubled_until)
    _finish(res, erasure.id)


def _opened(res: Resources, sealed: str | None) -> str:
    text = None if sealed is None else receipts.secret_box(res).open(sealed.encode())
    if text is None:
        log.error("erasure.key_lost", next="set PREVIOUS_SECRET_KEYS, or request the erasure again")
        raise WaitsError(SECRET_KEY, res.now() + AGAIN_AT_THE_LATEST)
    return text


def _goes_on(res: Resources, conn: Connection, erasure_id: str) -> None:
    """Say that this process still works at the erasure: no other one begins beside it."""
    erasures.note(conn, erasure_id, due_at=res.now() + ATTEMPT)


def _search(res: Resources, erasure: Erasure, person: str) -> None:
    """
    Find Items that were the person's once: an event or a notification may still say so.

    Whose events came late enough to be of a new Item, is told by the fetch of that Item.
    """
    before = erasure.requested_at + LATE
    found: set[str] = set()
    with res.database.begin() as conn:
        found.update(erasures.items_known_of(conn, person))
        pages = list(erasures.pages_of_inbox(conn))
    for after, through in pages:
        with res.database.begin() as conn:
            found |= erasures.items_in_inbox(conn, person, after=after, through=through, before=before)
            _goes_on(res, conn, erasure.id)
    last: str | None = ""
    while last is not None:
        with res.database.begin() as conn:
            some, last = erasures.items_in_outbox(conn, person, after=last, limit=erasures.SEARCHED_AT_ONCE)
            _goes_on(res, conn, erasure.id)
        found |= some
    with res.database.begin() as conn:
        _add_items(res, conn, erasure.id, found | erasures.predecessors_of(conn, found))
        erasures.note(conn, erasure.id, searched_at=res.now())


def _await_older_transactions(res: Resources, erasure_id: str, step: str) -> None:
    """Go on if no transaction is open that began before *step* was done."""
    with res.database.begin() as conn:
        erasure = erasures.lock(conn, erasure_id)
        moment: datetime | None = getattr(erasure, step)
        if moment is None:
            moment = erasures.note_now(conn, erasure_id, step)
    with res.database.begin() as conn:
        is_open = erasures.is_older_transaction_open(conn, moment)
    if is_open:
        raise WaitsError(TRANSACTIONS, res.now() + AGAIN_SOON)


def _items(res: Resources, erasure_id: str) -> list[str]:
    with res.database.begin() as conn:
        found = erasures.items_of(conn, erasure_id)
    return [_opened(res, each.item_sealed) for each in found if each.item_sealed is not None]


def _remove(res: Resources, erasure: Erasure, person: str, ids: Collection[str], *, step: str) -> None:
    """Remove all rows, one Item in a transaction, and then whatever names the person and is no Item's."""
    erasure_id, before = erasure.id, erasure.requested_at + LATE
    for item_id in ids:
        with res.database.begin() as conn:
            erasures.count_removed(conn, erasure_id, erasures.remove_item(conn, item_id))
            _goes_on(res, conn, erasure_id)
    with res.database.begin() as conn:
        pages = list(erasures.pages_of_inbox(conn))
        others = erasures.empty_others_naming(conn, person)
        others["inbox"] += erasures.empty_raw_naming(conn, person, ids)
        erasures.count_removed(conn, erasure_id, others)
    for after, through in pages:
        with res.database.begin() as conn:
            emptied = erasures.empty_events_naming(conn, person, ids, after=after, through=through, before=before)
            erasures.count_removed(conn, erasure_id, {"inbox": emptied})
            _goes_on(res, conn, erasure_id)
    with res.database.begin() as conn:
        if erasures.is_named_by_running_operation(conn, person, ids):
            raise WaitsError(OPERATION, res.now() + timedelta(seconds=30))
    with res.database.begin() as conn:
        erasures.note_now(conn, erasure_id, step)


def _delete_at_pluggy(res: Resources, erasure_id: str) -> datetime | None:
    """Ask Pluggy to delete each Item that is due; return when it is to be asked again, None if all are settled."""
    while True:
        with res.database.begin() as conn:
            item = erasures.take_item(conn, erasure_id, now=res.now(), until=res.now() + _ASKED_FOR)
            _goes_on(res, conn, erasure_id)
        if item is None:
            break
        _delete_item(res, erasure_id, item)
    with res.database.begin() as conn:
        left = [each.due_at for each in erasures.items_of(conn, erasure_id) if each.outcome is None]
    return min(left, default=None)


def _delete_item(res: Resources, erasure_id: str, item: ErasedItem) -> None:
    item_id = _opened(res, item.item_sealed)
    outcome = None
    wait = min(backoff.wait(item.attempts), AGAIN_AT_THE_LATEST)
    try:
        if res.pluggy.delete_item(item_id):
            outcome = erasures.DELETED
        elif deletion.is_gone(res, item_id, told=True):
            outcome = erasures.ABSENT
        trouble = "pluggy-shows-no-item"
    except PluggyLimitedError as exc:
        trouble, wait = "pluggy-busy", timedelta(seconds=exc.retry_after_s)
    except PluggyUnavailableError:
        trouble = "pluggy-unavailable"
    except PluggyError:
        trouble = "refused-by-pluggy"
    with res.database.begin() as conn:
        if outcome is not None:
            erasures.settle_item(conn, erasure_id, item.digest, outcome)
        else:
            erasures.fail_item(conn, erasure_id, item.digest, trouble, until=res.now() + wait)
    if outcome is None:
        log.warning("erasure.item_not_deleted", trouble=trouble, attempts=item.attempts + 1, next_try_in_s=wait.seconds)


def _forget_in_redis(res: Resources, erasure_id: str, ids: Collection[str]) -> None:
    """Remove keys and queued messages that name an Item."""
    try:
        forgotten = queue.forget(res.redis, ids)
    except RedisError:
        raise WaitsError(REDIS, res.now() + timedelta(seconds=10)) from None
    with res.database.begin() as conn:
        erasures.count_removed(conn, erasure_id, {"redis": forgotten})


def _await_spill(res: Resources, person: str, ids: Collection[str]) -> None:
    """
    Go on if no delivery in the spill, as far as this process sees it, names the person or an Item.

    Web processes bring their spills into Postgres within seconds, and there the tombstones take out what is in it.
    """
    folder = res.settings.spill_folder
    if folder is None:
        return
    box = spill.box_of(res.settings.secret_key, *res.settings.previous_secret_keys)
    waiting = spill.deliveries(Path(folder), box, limit=SPILL_READ_AT_ONCE)
    # One that cannot be opened, or was not looked at, may be theirs.
    if len(waiting) >= SPILL_READ_AT_ONCE or any(
        each.body is None or erasures.names(each.body, person, ids) for each in waiting
    ):
        raise WaitsError(SPILL, res.now() + timedelta(seconds=10))


def _finish(res: Resources, erasure_id: str) -> None:
    now = res.now()
    with res.database.begin() as conn:
        erasure = erasures.lock(conn, erasure_id)
        found = erasures.items_of(conn, erasure_id)
        # A late Item may have been added meanwhile.
        if erasure is None or erasure.confirmed_at is None or any(each.outcome is None for each in found):
            raise WaitsError(PLUGGY, now + AGAIN_SOON)
    receipt = receipts.signed(res, _claims(res, erasure, found, completed_at=now))
    with res.database.begin() as conn:
        before = erasures.lock(conn, erasure_id)
        if before is None or before.confirmed_at != erasure.confirmed_at:
            raise WaitsError(PLUGGY, now + AGAIN_SOON)
        erasures.finish(conn, erasure_id, receipt=receipt, now=now)
    log.info("erasure.done", items=len(found), removed=sum(erasure.removed.values()))


def _claims(
    res: Resources, erasure: Erasure, found: Collection[ErasedItem], *, completed_at: datetime
) -> dict[str, object]:
    return {
        "iss": res.settings.public_url,
        "jti": erasure.id,
        "iat": int(completed_at.timestamp()),
        "requestedAt": wire.to_text(erasure.requested_at),
        "completedAt": wire.to_text(completed_at),
        "items": dict(counts_of_items(found)),
        "removed": dict(sorted(erasure.removed.items())),
        "remains": {"tombstones": len(found) + 1},
    }


def counts_of_items(found: Collection[ErasedItem]) -> Counter[str]:
    """Return how many Items Pluggy deleted, how many it did not have any more, and how many still wait."""
    counts = Counter({"deletedAtPluggy": 0, "absentAtPluggy": 0, "waiting": 0})
    names = {erasures.DELETED: "deletedAtPluggy", erasures.ABSENT: "absentAtPluggy", None: "waiting"}
    counts.update(names[each.outcome] for each in found)
    return counts


def seal_anew(res: Resources) -> None:
    """Seal our keys, and who is being erased, with the present SECRET_KEY."""
    if not res.settings.previous_secret_keys:
        return
    box = receipts.secret_box(res)
    with res.database.begin() as conn:
        sealed_keys.seal_anew(conn, box.sealed_anew)
        erasures.seal_anew(conn, box.sealed_anew)
