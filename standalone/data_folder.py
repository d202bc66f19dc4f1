"""
The folder of one run's data: keys, Postgres, Valkey, notifications, logs. One run at a time, for its owner's eyes only.
"""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from console.local_run import LOCK
from standalone.polling import WaitedInVainError, eventually

# What was started, for the case that we are killed.
LEDGER = "processes.jsonl"
LOGS = "logs"
# Who only looks whether it is locked has the lock for a moment.
WAIT_FOR_LOCK_S = 0.5
# Postgres keeps the modes of its own files, and their owner may be another user.
_NOT_OURS = "postgres"


class AlreadyRunningError(Exception):
    """Another run uses the same data."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """
    Keep *folder*, which is made if it is not there, to ourselves.

    Raises:
        AlreadyRunningError: another run has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as held:
        try:
            eventually(lambda: _take(held), within_s=WAIT_FOR_LOCK_S, what="the lock")
        except WaitedInVainError:
            raise AlreadyRunningError(
                f"another run is using {folder}, and goes on; to start anew, stop that one first"
            ) from None
        yield


def _take(held: IO[str]) -> bool:
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def make_private(folder: Path) -> None:
    """Let only its owner read what is in *folder*, and what this process and its children make from now on."""
    os.umask(0o077)
    if not folder.exists():
        return
    _keep_others_out(folder)
    for parent, folders, files in os.walk(folder):
        if _NOT_OURS in folders:
            folders.remove(_NOT_OURS)
        for name in (*folders, *files):
            _keep_others_out(Path(parent, name))


def _keep_others_out(path: Path) -> None:
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        return
    # Where we are root, Postgres runs as another user, whose group passes through to its folder.
    let_in = 0o010 if status.st_gid != os.getegid() else 0
    path.chmod(stat.S_IMODE(status.st_mode) & (0o700 | let_in if stat.S_ISDIR(status.st_mode) else 0o600))
