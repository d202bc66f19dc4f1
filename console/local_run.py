"""
The service that `make up` runs in this folder, as other processes see it.

While it is up it has a lock, and its addresses and keys are in `up.env`. If it is killed, that file stays. The file
counts only while somebody has the lock.
"""

import fcntl
from pathlib import Path

from dotenv import dotenv_values

DATA_FOLDER = Path(".data")
LOCK = "lock"
UP_ENV = "up.env"


def is_up(folder: Path = DATA_FOLDER) -> bool:
    """Return whether a run has *folder*: it is up, starting or stopping."""
    try:
        with (folder / LOCK).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def settings(folder: Path = DATA_FOLDER) -> dict[str, str]:
    """Return the settings with which a process can join the run that has *folder*; none if nothing is up there."""
    return env_file(folder / UP_ENV) if is_up(folder) else {}


def env_file(file: Path) -> dict[str, str]:
    """Return the variables that are set to something in *file*, lines of NAME=value; none without such a file."""
    # interpolate=False: a secret may hold a dollar sign.
    return {name: value for name, value in dotenv_values(file, interpolate=False).items() if value}
