"""
Who was erased: persons and Items that must not come back, recognised by a digest of their id under a key of our own.

The key is made when it is first needed, sealed with SECRET_KEY, and kept by each process. Connections know it: each
statement that could bring an Item in asks here, whoever runs it. A connection of an engine that `guard` was not called
for knows of nobody.

Tests: `engine/test_erasure.py`.
"""

import hashlib
import hmac
import secrets
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import sqlalchemy as sa
import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.dialects.postgresql import insert

from pluggy_sync.encryption import Box
from pluggy_sync.store import sealed_keys
from pluggy_sync.store.sealed_keys import SealedKey
from pluggy_sync.store.tables import erasure_tombstones

log = structlog.get_logger(__name__)

USER = "user"
ITEM = "item"

_OPTION = "pluggy_sync_erased"


class _Keys:
    """The keys of one process, for all its threads."""

    def __init__(self, engine: Engine, box: Box) -> None:
        self._engine = engine
        self._box = box
        self._lock = threading.Lock()
        self._keys: tuple[bytes, ...] = ()

    def all(self) -> tuple[bytes, ...]:
        if not self._keys:
            with self._lock:
                if not self._keys:
                    self._keys = self._read_or_made()
        return self._keys

    def _read_or_made(self) -> tuple[bytes, ...]:
        # In transactions of their own: a key that is used must be there, whatever becomes of the caller's transaction.
        with self._own_transaction() as conn:
            stored = sealed_keys.of_purpose(conn, sealed_keys.TOMBSTONES)
            found = self._opened(stored)
            if not found:
                sealed = self._box.seal(secrets.token_hex(32)).decode()
                after = stored[0].number if stored else 0
                now = datetime.now(UTC)
                sealed_keys.add(conn, sealed_keys.TOMBSTONES, after=after, sealed=sealed, public=None, now=now)
        if found:
            return found
        with self._own_transaction() as conn:
            # Another process may have been first.
            return self._opened(sealed_keys.of_purpose(conn, sealed_keys.TOMBSTONES))

    @contextmanager
    def _own_transaction(self) -> Iterator[Connection]:
        """Open a transaction on a connection that is not kept: the writer of webhooks shares none with anybody."""
        with self._engine.connect() as conn:
            with conn.begin():
                yield conn
            conn.invalidate()

    def _opened(self, stored: Sequence[SealedKey]) -> tuple[bytes, ...]:
        opened = [self._box.open(each.sealed.encode()) for each in stored]
        if None in opened:
            log.error(
                "erasures.key_lost",
                keys=opened.count(None),
                next="set PREVIOUS_SECRET_KEYS: until then persons erased before may come back",
            )
        return tuple(bytes.fromhex(each) for each in opened if each is not None)


def box(secret_key: str, *previous: str) -> Box:
    """Return what seals our own keys, and the ids of those who are being erased."""
    return Box(secret_key, *previous, purpose="erasures")


def guard(engine: Engine, secret_box: Box) -> None:
    """Have the connections of *engine* know who was erased. Nothing connects yet."""
    engine.update_execution_options(**{_OPTION: _Keys(engine, secret_box)})


def digests(conn: Connection, kind: str, id_: str) -> Sequence[bytes]:
    """
    Return the digests of the id, the first of which is the one to store; none if *conn* knows of nobody.

    Raises:
        SQLAlchemyError: the key is not known yet, and Postgres does not give it.
    """
    keys: _Keys | None = conn.get_execution_options().get(_OPTION)
    text = f"{kind}:{id_}".encode()
    return [] if keys is None else [hmac.digest(key, text, hashlib.sha256) for key in keys.all()]


def is_item(conn: Connection, item_id: str) -> bool:
    """Return whether the Item was erased, or is being erased."""
    return _erasure_of(conn, ITEM, item_id) is not None


def items_among(conn: Connection, item_ids: Collection[str]) -> set[str]:
    """Return those of *item_ids* that were erased, or are being erased."""
    by_digest = {digest: each for each in item_ids for digest in digests(conn, ITEM, each)}
    if not by_digest:
        return set()
    stmt = sa.select(erasure_tombstones.c.digest).where(erasure_tombstones.c.digest.in_(by_digest))
    return {by_digest[bytes(digest)] for digest in conn.scalars(stmt)}


def erasure_of_user(conn: Connection, client_user_id: str) -> str | None:
    """Return the id of the person's erasure, also while it runs; None: the person may come."""
    return _erasure_of(conn, USER, client_user_id)


_ERASURE_OF = (
    sa.select(erasure_tombstones.c.erasure_id)
    .where(erasure_tombstones.c.digest.in_(sa.bindparam("digests", expanding=True)))
    .limit(1)
)


def _erasure_of(conn: Connection, kind: str, id_: str) -> str | None:
    found = digests(conn, kind, id_)
    if not found:
        return None
    erasure_id: str | None = conn.scalar(_ERASURE_OF, {"digests": found})
    return erasure_id


def add(conn: Connection, kind: str, id_: str, erasure_id: str, *, now: datetime) -> bytes:
    """Leave a tombstone, unless there is one; return its digest."""
    found = digests(conn, kind, id_)
    if not found:
        raise LookupError("this connection does not know the key")
    values = {"digest": found[0], "kind": kind, "erasure_id": erasure_id, "erased_at": now}
    conn.execute(insert(erasure_tombstones).values(values).on_conflict_do_nothing())
    return found[0]


def lift(conn: Connection, client_user_id: str) -> bool:
    """Let the person come back, with new Items; return whether there was a tombstone. Those of the Items stay."""
    found = digests(conn, USER, client_user_id)
    lifted = conn.execute(sa.delete(erasure_tombstones).where(erasure_tombstones.c.digest.in_(found)))
    return bool(lifted.rowcount)
