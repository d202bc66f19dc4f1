"""
Ctrl-C and its relatives.

A process that was started and not yet remembered would be forgotten if an interruption came between the two.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_put_off_depth = 0
_reschedule: list[int] = []


def interrupt_on_signals() -> None:
    """Make SIGTERM and SIGHUP do what Ctrl-C does: raise KeyboardInterrupt in the main thread."""
    for number in _ENDING_SIGNALS:
        signal.signal(number, _interrupt)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    if _put_off_depth:
        _reschedule.append(number)
    else:
        raise KeyboardInterrupt


@contextmanager
def interruptions_put_off() -> Iterator[None]:
    """Let an interruption wait until the block is done, so that no process is started and then forgotten."""
    global _put_off_depth  # noqa: PLW0603  # signals belong to the whole process, and so does this
    _put_off_depth += 1
    try:
        yield
    finally:
        _put_off_depth -= 1
    if _reschedule and not _put_off_depth:
        _reschedule.clear()
        raise KeyboardInterrupt


@contextmanager
def interruptions_ignored() -> Iterator[None]:
    """Ignore interruptions in the block, which is already the answer to one. (Only in the main thread.)"""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _ENDING_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def children_spared() -> Iterator[None]:
    """
    Start no process in the block that gets the Ctrl-C of the terminal: each inherits that it is held back.

    For libraries that start a process in our own group. We stop it ourselves, after those that need it.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
