"""
What Pluggy sent and we could not read, on its way to the table `unreadable_rows`.

The client leaves such rows out of what it returns and hands them to the `Unreadable` of the block that it works for:

    found = Unreadable(unreadable_rows.known(conn, item_id))
    with unreadable.collecting(found):
        ...  # read from Pluggy and write
    unreadable_rows.save(conn, item_id, found, now=now)

Outside of such a block they are only logged.
"""

import hashlib
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from pluggy_sync import wire
from pluggy_sync.pluggy import payloads

ITEM = "item"
ACCOUNT = "account"
TRANSACTION = "transaction"

# How many rows of one block are kept. If Pluggy sends more, these show what is wrong.
MAX_KEPT = 100

_Parsed = TypeVar("_Parsed", payloads.Item, payloads.Account, payloads.Transaction)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class UnreadableRow:
    """
    A row as it came. `reason` names its fields and quotes no value.

    `parent_id` is what the row was asked of, `row_id` its own id, or None if it has none.
    """

    what: str
    parent_id: str
    row_id: str | None
    raw: Any
    reason: str

    @property
    def key(self) -> str:
        """What identifies the row: its id, or a digest if it has none."""
        return self.row_id or "sha256:" + hashlib.sha256(wire.encode(self.raw)).hexdigest()


def unreadable_row(what: str, parent_id: str, raw: Any, error: payloads.UnreadableError) -> UnreadableRow:
    """Return *raw*, which was asked of *parent_id* and could not be read because of *error*."""
    return UnreadableRow(what=what, parent_id=parent_id, row_id=payloads.id_of(raw), raw=raw, reason=str(error))


class Unreadable:
    """Collects from all threads of a sync run. *known*: kind and key of rows that could not be read before."""

    def __init__(self, known: Collection[tuple[str, str]] = ()) -> None:
        self._known = frozenset(known)
        self._lock = threading.Lock()
        self._ids: dict[str, set[str]] = {}
        self._rows: dict[tuple[str, str], UnreadableRow] = {}
        # Kind and key of known rows that could be read in this block.
        self.healed: set[tuple[str, str]] = set()

    @property
    def found_anything(self) -> bool:
        """Whether there is anything to write down."""
        return bool(self._rows or self.healed)

    @property
    def rows(self) -> Sequence[UnreadableRow]:
        """The rows to keep, each once."""
        return list(self._rows.values())

    def add(self, row: UnreadableRow) -> None:
        """Take a row that could not be read."""
        with self._lock:
            self._ids.setdefault(row.what, set()).update([] if row.row_id is None else [row.row_id])
            if len(self._rows) < MAX_KEPT:
                self._rows[row.what, row.key] = row

    def note_read(self, what: str, ids: Collection[str]) -> None:
        """Note ids of rows that could be read. Some of them may have been unreadable before."""
        if self._known or self._rows:
            with self._lock:
                for each in ids:
                    self._rows.pop((what, each), None)
                self.healed |= self._known & {(what, each) for each in ids}

    def ids(self, what: str) -> frozenset[str]:
        """Return the ids of unreadable rows of *what* that Pluggy listed. They are not absent."""
        with self._lock:
            return frozenset(self._ids.get(what, ()))

    def any_of(self, what: str) -> bool:
        """Return whether a row of *what* could not be read. Then a list of them does not prove that others are gone."""
        return what in self._ids


_collecting: ContextVar[Unreadable | None] = ContextVar("unreadable", default=None)


@contextmanager
def collecting(found: Unreadable) -> Iterator[None]:
    """Let *found* collect what the client cannot read in the block. A thread takes part with a copy of the context."""
    token = _collecting.set(found)
    try:
        yield
    finally:
        _collecting.reset(token)


def readable(what: str, parse: Callable[[Any], _Parsed], rows: Sequence[Any], *, parent_id: str) -> list[_Parsed]:
    """Return the *rows* that *parse* can read, each id once: the later copy stands. The others are collected."""
    found: dict[str, _Parsed] = {}
    odd: list[UnreadableRow] = []
    for raw in rows:
        try:
            parsed = parse(raw)
        except payloads.UnreadableError as exc:
            odd.append(unreadable_row(what, parent_id, raw, exc))
        else:
            found[parsed.id] = parsed
    _collect(what, odd, found.keys())
    return list(found.values())


def _collect(what: str, odd: Sequence[UnreadableRow], read: Collection[str]) -> None:
    collected = _collecting.get()
    if odd:
        kept = "nothing is kept" if collected is None else "kept raw; the rest is stored"
        log.warning("pluggy.unreadable", what=what, rows=len(odd), reason=odd[0].reason, next=kept)
    if collected is not None:
        for row in odd:
            collected.add(row)
        collected.note_read(what, read)
