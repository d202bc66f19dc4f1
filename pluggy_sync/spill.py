"""
The spill: where a web process keeps what Pluggy delivers while Postgres is away, on its own disk.

Each process has one SQLite file, whose bodies are encrypted. A lock file beside it says that its process lives; the
system lets go of the lock when the process dies, however it does. Then whichever process sees the file first adopts
it. What is in Postgres is removed here afterwards: a process that dies in between leaves a repeat, which is known by
its event id.
"""

import fcntl
import os
import sqlite3
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pluggy_sync.encryption import Box

# Files are named by chance, since numbers of processes come again, above all in containers.
_FILE, _LOCK = ".spill", ".lock"
_TABLE = """
    CREATE TABLE IF NOT EXISTS deliveries (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        received_at TEXT NOT NULL,
        -- Why nothing in the body can be read, if it came packed and cannot be unpacked.
        fault TEXT,
        -- How long the body is that is sealed.
        size INTEGER NOT NULL,
        body BLOB NOT NULL
    )
"""
_BLOCK_BYTES = 4096
# What is read at once; one delivery may be larger.
_AT_ONCE_BYTES = 8 * 1024 * 1024


class SpillError(Exception):
    """The spill cannot take more: it is full, its disk is, or it cannot be written."""


@dataclass(frozen=True, kw_only=True)
class Spilled:
    """A delivery in the spill. *body* None: it was sealed with a SECRET_KEY that is not ours."""

    id: int
    received_at: datetime
    fault: str | None
    size: int
    body: bytes | None


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """How many deliveries wait in spills, and since when the oldest one does; None if none does."""

    deliveries: int
    oldest: datetime | None


class SpillFile:
    """One file, of this process or adopted. For all threads of the process that holds its lock."""

    def __init__(self, path: Path, lock: int, box: Box, *, most_bytes: int) -> None:
        """Open *path*, whose lock is held by the file descriptor *lock*."""
        self.path = path
        self._lock_file = lock
        self._box = box
        self._lock = threading.Lock()
        self._closed = False
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=1)
            self._db.execute(f"PRAGMA page_size = {_BLOCK_BYTES}")
            self._db.execute("PRAGMA journal_mode = WAL")
            # Each commit waits for the disk.
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute(f"PRAGMA max_page_count = {max(most_bytes // _BLOCK_BYTES, 8)}")
            self._db.execute(_TABLE)
            self.count: int = self._db.execute("SELECT count(*) FROM deliveries").fetchone()[0]
        except sqlite3.Error as exc:
            raise SpillError(type(exc).__name__) from exc
        _sync(path.parent)

    def append(self, deliveries: Sequence[tuple[bytes, datetime, str | None]]) -> None:
        """
        Keep *deliveries* (body, when it came, fault), all or none. They are on the disk when this returns.

        Raises:
            SpillError: none is kept.
        """
        rows = [(at.isoformat(), fault, len(body), self._box.seal_bytes(body)) for body, at, fault in deliveries]
        with self._lock:
            try:
                with self._transaction():
                    self._db.executemany(
                        "INSERT INTO deliveries (received_at, fault, size, body) VALUES (?, ?, ?, ?)", rows
                    )
            except (sqlite3.Error, OSError) as exc:
                raise SpillError(str(exc)) from exc
            self.count += len(rows)

    def page(self, *, after: int, limit: int) -> list[Spilled]:
        """
        Return the next deliveries after the id *after*, oldest first: *limit*, or fewer if they are large.

        Raises:
            SpillError: the file cannot be read.
        """
        with self._lock:
            try:
                return _page(self._db, self._box, after, limit)
            except sqlite3.Error as exc:
                raise SpillError(str(exc)) from exc

    def remove(self, ids: Sequence[int]) -> None:
        """
        Remove deliveries that are in Postgres. Of an empty file the space is given back.

        Raises:
            SpillError: they are still there.
        """
        with self._lock:
            try:
                with self._transaction():
                    self._db.executemany("DELETE FROM deliveries WHERE id = ?", [(each,) for each in ids])
                self.count -= len(ids)
                if self.count <= 0:
                    self._db.execute("VACUUM")
                    self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except sqlite3.Error as exc:
                raise SpillError(str(exc)) from exc

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            # SQLite has rolled back by itself if the disk is full.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Close the file, and delete it if nothing is in it. Another process may adopt it from now on."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._db.close()
            if not self.count:
                _delete(self.path)
            os.close(self._lock_file)


def box_of(*secret_keys: str) -> Box:
    """Return what seals the bodies in a spill with the first key, and opens what any of them has sealed."""
    return Box(*secret_keys, purpose="spill")


def create(folder: Path, box: Box, *, most_bytes: int) -> SpillFile:
    """
    Return a new file in *folder* for this process; the folder is made if need be. The caller closes it.

    Raises:
        SpillError: it cannot be written there.
    """
    path = folder / f"{uuid.uuid4()}{_FILE}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(path.with_suffix(_LOCK), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # SQLite makes its other files like this one.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError as exc:
        raise SpillError(f"{exc.strerror}: {folder}") from exc
    return SpillFile(path, lock, box, most_bytes=most_bytes)


def adopt(folder: Path, box: Box) -> Iterator[SpillFile]:
    """Yield the files in *folder* whose processes are dead, oldest first. The caller closes each."""
    for path in _files(folder):
        lock = _lock_of_dead(path)
        if lock is None:
            continue
        try:
            # Nothing is added to it, so any size is right.
            file = SpillFile(path, lock, box, most_bytes=2**40)
        except SpillError:
            os.close(lock)
            continue
        yield file


def _lock_of_dead(path: Path) -> int | None:
    """Return the lock of *path*, held; None while its process lives, or when the file has gone meanwhile."""
    lock_path = path.with_suffix(_LOCK)
    try:
        lock = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Somebody may have adopted it, and deleted it, since its name was read.
        if path.exists() and os.fstat(lock).st_ino == lock_path.stat().st_ino:
            return lock
        if not path.exists():
            lock_path.unlink(missing_ok=True)
    except OSError:
        pass
    os.close(lock)
    return None


def waiting(folder: Path) -> Waiting:
    """Return how many deliveries wait in all files of *folder*, and since when. One that cannot be read has none."""
    found = [each for path in _files(folder) if (each := _waiting_in(path)) is not None]
    moments = [each.oldest for each in found if each.oldest is not None]
    return Waiting(deliveries=sum(each.deliveries for each in found), oldest=min(moments, default=None))


def _waiting_in(path: Path) -> Waiting | None:
    try:
        with closing(_read_only(path)) as db:
            number, oldest = db.execute("SELECT count(*), min(received_at) FROM deliveries").fetchone()
    except sqlite3.Error:
        return None
    return Waiting(deliveries=number, oldest=None if oldest is None else datetime.fromisoformat(oldest))


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A file of *folder*, for an operator. *lives*: its process does, and drains it by itself."""

    name: str
    lives: bool
    bytes: int
    waiting: Waiting | None


def listed(folder: Path) -> list[Listed]:
    """Return the files in *folder*, oldest first. `waiting` is None for one that cannot be read."""
    files = []
    for path in _files(folder):
        lock = _lock_of_dead(path)
        size = sum(each.stat().st_size for each in _parts(path) if each.exists())
        files.append(Listed(name=path.name, lives=lock is None, bytes=size, waiting=_waiting_in(path)))
        if lock is not None:
            os.close(lock)
    return files


def deliveries(folder: Path, box: Box, *, limit: int) -> list[Spilled]:
    """Return the oldest deliveries in *folder*, whoever holds them."""
    found: list[Spilled] = []
    for path in _files(folder):
        with suppress(sqlite3.Error), closing(_read_only(path)) as db:
            found += _page(db, box, 0, limit)
    return sorted(found, key=lambda each: each.received_at)[:limit]


def _page(db: sqlite3.Connection, box: Box, after: int, limit: int) -> list[Spilled]:
    rows = db.execute(
        "SELECT id, received_at, fault, size, body FROM deliveries WHERE id > ? ORDER BY id LIMIT ?", (after, limit)
    )
    found: list[Spilled] = []
    left = _AT_ONCE_BYTES
    with closing(rows):
        for id_, at, fault, size, body in rows:
            left -= size
            if left < 0 and found:
                break
            moment = datetime.fromisoformat(at).astimezone(UTC)
            found.append(Spilled(id=id_, received_at=moment, fault=fault, size=size, body=box.open_bytes(body)))
    return found


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=1)


def _files(folder: Path) -> list[Path]:
    """Return the files in *folder*, oldest first."""
    found = []
    for path in folder.glob(f"*{_FILE}") if folder.is_dir() else ():
        with suppress(OSError):
            found.append((path.stat().st_ctime, path))
    return [path for _, path in sorted(found)]


def _parts(path: Path) -> list[Path]:
    return [path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")]


def _delete(path: Path) -> None:
    for each in (*_parts(path), path.with_suffix(_LOCK)):
        with suppress(OSError):
            each.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Have the names of new files on the disk too."""
    with suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
