"""
Ctrl-C and the other signals that end a run.

A process that was started and not yet remembered would be forgotten if an interruption came between the two.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Those that follow one this soon change nothing: the run is about to end. If it has not begun to end by then, the
# exception was lost, as in a destructor, whose exceptions Python drops. So it is raised again, by itself.
_SAME_S = 2.0
_raised_at = -_SAME_S
_deferred_depth = 0
_deferred: list[int] = []


def interrupt_on_signals() -> None:
    """Make SIGTERM and SIGHUP do what Ctrl-C does: raise KeyboardInterrupt in the main thread."""
    for number in (*_ENDING_SIGNALS, signal.SIGALRM):
        signal.signal(number, _interrupt)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    if _deferred_depth:
        _deferred.append(number)
    else:
        _raise()


def _raise() -> None:
    global _raised_at  # noqa: PLW0603  # signals belong to the whole process, and so does this
    if time.monotonic() - _raised_at >= _SAME_S:
        _raised_at = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, _SAME_S)
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
        # Ctrl-C reaches the children as well: what failed in the block may have failed because of it.
        if _deferred and not _deferred_depth:
            _deferred.clear()
            _raise()


def ignore_interruptions() -> None:
    """Ignore interruptions from now on: the run is ending because of one. (Only in the main thread.)"""
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number in _ENDING_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


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
