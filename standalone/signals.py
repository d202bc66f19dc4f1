"""
Ctrl-C and the other signals that end a run.

A process that was started and not yet remembered would be forgotten if an interruption came between the two.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_deferred_depth = 0
_deferred: list[int] = []


def interrupt_on_signals() -> None:
    """Make SIGTERM and SIGHUP do what Ctrl-C does: raise KeyboardInterrupt in the main thread."""
    for number in _ENDING_SIGNALS:
        signal.signal(number, _interrupt)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    if _deferred_depth:
        _deferred.append(number)
    else:
        raise KeyboardInterrupt


@contextmanager
def interruptions_deferred() -> Iterator[None]:
    """Let an interruption wait until the block is done, so that no process is started and then forgotten."""
    global _deferred_depth  # noqa: PLW0603  # signals belong to the whole process, and so does this
    _deferred_depth += 1
    try:
        yield
    finally:
        _deferred_depth -= 1
    if _deferred and not _deferred_depth:
        _deferred.clear()
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
