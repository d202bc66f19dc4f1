"""Whether a process is still there."""

import psutil


def is_running(pid: int) -> bool:
    """Return whether *pid* runs. One that has ended and was not yet collected by its parent does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
