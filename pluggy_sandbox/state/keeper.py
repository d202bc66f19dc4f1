"""
The file in which a world is kept, so that it outlives the process: one SQLite table, one row for each part.

What the sandbox answers or delivers was written before it went out. So whoever was told of an Item finds it again
after a `kill -9`; a step that nobody was told of may be taken again.
"""

import os
import sqlite3
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

import msgspec

from pluggy_sandbox.state import snapshot
from pluggy_sandbox.state.deliveries import Delivery
from pluggy_sandbox.state.world import Origin, World
from pluggy_sandbox.wire.encoding import encode

FILE = "sandbox.sqlite3"
VERSION = 1  # of what is written; raised when an older file can no longer be read
_DELIVERY = "delivery"


class UnreadableStateError(Exception):
    """The kept state cannot be used: another sandbox has it, or it was written by another version."""


class Keeper:
    """Keeps the world in a folder, which only its owner can read. Callers hold the world's lock."""

    def __init__(self, folder: Path) -> None:
        """
        Open the file in *folder*; both are made if they are not there.

        Raises:
            UnreadableStateError: another sandbox has it, or it is something else.
        """
        self.file = folder / FILE
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self.file, os.O_RDWR | os.O_CREAT, 0o600))
        self._versions: dict[tuple[str, str], object] = {}
        self._deliveries = _WrittenDeliveries()
        self._db = sqlite3.connect(self.file, timeout=0, check_same_thread=False, isolation_level=None)
        try:
            self._open()
        except sqlite3.OperationalError as exc:
            self._db.close()
            raise UnreadableStateError(f"{self.file} is in use by another sandbox ({exc})") from None
        except sqlite3.DatabaseError as exc:
            self._db.close()
            raise UnreadableStateError(f"{self.file} is not a sandbox's state ({exc})") from None

    def load(self, origin: Origin) -> World | None:
        """
        Return the world that is kept, None where none is. Of *origin* it takes where and when it is now.

        Raises:
            UnreadableStateError: it was written by another version.
        """
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        kept: dict[str, dict[str, bytes]] = {}
        for kind, key, body in self._db.execute("SELECT kind, key, body FROM part"):
            kept.setdefault(kind, {})[key] = body
        if not kept:
            return None
        if version != VERSION:
            raise UnreadableStateError(f"{self.file} has version {version}, this sandbox reads {VERSION}")
        try:
            world = snapshot.restored(origin, kept)
        except (msgspec.DecodeError, KeyError, TypeError, ValueError) as exc:
            raise UnreadableStateError(f"{self.file} cannot be read ({type(exc).__name__}: {exc})") from exc
        self._deliveries.note(world.courier.log)
        self._versions = {(kind, key): None for kind in kept for key in kept[kind] if kind != _DELIVERY}
        return world

    def save(self, world: World) -> None:
        """Write what changed since the last time."""
        present = {(part.kind, part.key): part for part in snapshot.parts(world)}
        deliveries, log = self._deliveries, world.courier.log
        written = [
            (part.kind, part.key, part.write())
            for place, part in present.items()
            if place not in self._versions or self._versions[place] != part.version
        ]
        written += [(_DELIVERY, delivery.id, encode(delivery)) for delivery in deliveries.changed(log)]
        removed = [place for place in self._versions if place not in present]
        removed += [(_DELIVERY, delivery_id) for delivery_id in deliveries.dropped(log)]
        if written or removed:
            self._write(written, removed)
        self._versions = {place: part.version for place, part in present.items()}
        deliveries.note(log)

    def clear(self) -> None:
        """Forget everything."""
        self._db.execute("DELETE FROM part")
        self._versions, self._deliveries = {}, _WrittenDeliveries()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _open(self) -> None:
        # Exclusive: two sandboxes on one file would undo each other's work.
        for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = NORMAL"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.execute("BEGIN EXCLUSIVE")
        if not self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'part'").fetchone():
            self._db.execute(
                "CREATE TABLE part (kind TEXT, key TEXT, body BLOB NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID"
            )
            self._db.execute(f"PRAGMA user_version = {VERSION}")
        self._db.execute("COMMIT")

    def _write(self, written: list[tuple[str, str, bytes]], removed: list[tuple[str, str]]) -> None:
        self._db.execute("BEGIN")
        try:
            self._db.executemany("INSERT OR REPLACE INTO part VALUES (?, ?, ?)", written)
            self._db.executemany("DELETE FROM part WHERE kind = ? AND key = ?", removed)
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise


class _WrittenDeliveries:
    """What the file has of the log. Only a delivery that was on its way, or is newer, can have changed since."""

    def __init__(self) -> None:
        self._oldest, self._newest = 1, 0
        self._attempts: dict[int, int] = {}  # of those that were on their way, by number

    def changed(self, log: Sequence[Delivery]) -> list[Delivery]:
        """Return the deliveries in *log* that have to be written."""
        lowest = min(self._attempts, default=self._newest + 1)
        recent = takewhile(lambda delivery: delivery.number >= lowest, reversed(log))
        return [delivery for delivery in recent if self._differs(delivery)]

    def dropped(self, log: Sequence[Delivery]) -> list[str]:
        """Return the ids of deliveries that were written and are no longer in *log*."""
        return [f"d{number}" for number in range(self._oldest, log[0].number)] if log else []

    def note(self, log: Sequence[Delivery]) -> None:
        """Take note that the file has all of *log*."""
        lowest = min(self._attempts, default=self._newest + 1)
        recent = takewhile(lambda delivery: delivery.number >= lowest, reversed(log))
        self._attempts = {d.number: len(d.attempts) for d in recent if d.state == "pending"}
        if log:
            self._oldest, self._newest = log[0].number, log[-1].number

    def _differs(self, delivery: Delivery) -> bool:
        if delivery.number > self._newest:
            return True
        before = self._attempts.get(delivery.number)
        return before is not None and (delivery.state != "pending" or len(delivery.attempts) != before)
