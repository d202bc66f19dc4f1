"""
Several looks at once, each bounded: a peer that does not answer holds up its own look and no other.

Tests: `console/checkup/test_at_once.py`.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pluggy_sync.pluggy import deadline

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class Seen(Generic[_T]):
    """What a look has yielded. *ended* False: its time was over; it may have had more to say."""

    results: Sequence[_T]
    ended: bool


@dataclass(kw_only=True)
class _Look(Generic[_T]):
    results: list[_T] = field(default_factory=list)
    failure: BaseException | None = None

    def run(self, look: Callable[[], Iterator[_T]], seconds: float) -> None:
        try:
            with deadline.within(seconds):
                for result in look():
                    self.results.append(result)
        except BaseException as exc:  # noqa: BLE001 - raised where somebody waits for it
            self.failure = exc


def at_once(looks: Sequence[Callable[[], Iterator[_T]]], *, seconds: float) -> list[Seen[_T]]:
    """
    Begin all *looks* and return, in their order, what each yielded within *seconds*.

    What a look raises is raised here. A look whose time is over is left alone: its thread ends with the process, or
    when its peer answers.
    """
    ends_at = time.monotonic() + seconds
    running = []
    for look in looks:
        one: _Look[_T] = _Look()
        # Its process ends without it: nobody waits for a peer that never answers.
        thread = threading.Thread(target=copy_context().run, args=(one.run, look, seconds), daemon=True)
        thread.start()
        running.append((one, thread))
    seen = []
    for one, thread in running:
        thread.join(max(0.0, ends_at - time.monotonic()))
        if one.failure is not None:
            raise one.failure
        seen.append(Seen(results=list(one.results), ended=not thread.is_alive()))
    return seen
