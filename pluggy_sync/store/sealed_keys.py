"""
Keys that this service made for itself. They outlive SECRET_KEY: when that is replaced, they are sealed anew.

Callers own the transaction.

Tests: `engine/test_erasure.py`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from pluggy_sync.store.tables import sealed_keys

# Anything that is hashed with it is a person or an Item that was erased.
TOMBSTONES = "tombstones"
# Signs receipts of erasures (Ed25519).
RECEIPTS = "receipts"


@dataclass(frozen=True, kw_only=True)
class SealedKey:
    """A key. `public`: what everybody may know of it; None: nothing."""

    purpose: str
    number: int
    sealed: str = field(repr=False)
    public: bytes | None
    created_at: datetime


_COLUMNS = [sealed_keys.c[name] for name in SealedKey.__dataclass_fields__]


_ALL = sa.select(*_COLUMNS).order_by(sealed_keys.c.purpose, sealed_keys.c.number.desc())
_OF_PURPOSE = _ALL.where(sealed_keys.c.purpose == sa.bindparam("purpose"))


def of_purpose(conn: Connection, purpose: str) -> Sequence[SealedKey]:
    """Return the keys of *purpose*, newest first."""
    return _keys(conn.execute(_OF_PURPOSE, {"purpose": purpose}))


def all_(conn: Connection) -> Sequence[SealedKey]:
    """Return all keys."""
    return _keys(conn.execute(_ALL))


def _keys(rows: Iterable[sa.Row[Any]]) -> Sequence[SealedKey]:
    return [SealedKey(**row._mapping) for row in rows]


_ADD = insert(sealed_keys).on_conflict_do_nothing()


def add(conn: Connection, purpose: str, *, after: int, sealed: str, public: bytes | None, now: datetime) -> None:
    """Add the key that comes after the number *after*, unless another process has added it."""
    values = {"purpose": purpose, "number": after + 1, "sealed": sealed, "public": public, "created_at": now}
    conn.execute(_ADD, values)


def seal_anew(conn: Connection, sealed_anew: Callable[[str], str | None]) -> None:
    """Replace what *sealed_anew* gives another text for."""
    for each in all_(conn):
        sealed = sealed_anew(each.sealed)
        if sealed is not None:
            conn.execute(
                sa.update(sealed_keys)
                .where(sealed_keys.c.purpose == each.purpose, sealed_keys.c.number == each.number)
                .values(sealed=sealed)
            )
