"""Which process meets which trouble, and when: all of it follows from the seed."""

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import psutil

from chaos.service import Service

ROUND_S = 60.0
FROZEN_S = (3.0, 10.0)
KINDS = ("kill", "stop", "freeze")


class Meanwhile(Protocol):
    """What goes on while a process is frozen."""

    def go_on_until(self, moment: float) -> None:
        """Go on until *moment*, a time of the monotonic clock."""


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """*name* is a process; *at_s* counts from the beginning; *for_s* is how long it stays frozen."""

    at_s: float
    name: str
    kind: str
    for_s: float


def plan(seed: int, seconds: float, names: Sequence[str]) -> Iterator[Trouble]:
    """
    Yield the troubles of *seconds*: in each minute every process meets one, in an order that changes.

    Over three minutes every process is killed, stopped and frozen.
    """
    chance = random.Random(seed)
    kinds = {name: chance.sample(KINDS, len(KINDS)) for name in names}
    rounds = max(1, round(seconds / ROUND_S))
    length = seconds / rounds
    for number in range(rounds):
        step = length / len(names)
        for position, name in enumerate(chance.sample(list(names), len(names))):
            yield Trouble(
                at_s=number * length + position * step,
                name=name,
                kind=kinds[name][number % len(KINDS)],
                for_s=min(chance.uniform(*FROZEN_S), step),
            )


class Troubles:
    """Makes trouble for the processes of *service*."""

    def __init__(self, service: Service, *, say: Callable[[str], None]) -> None:
        self._service = service
        self._say = say

    def make(self, trouble: Trouble, *, meanwhile: Meanwhile) -> None:
        """Make one trouble. A process that is frozen goes on at the end of it."""
        self._say(f"{trouble.at_s:6.1f} s: {trouble.kind} {trouble.name}")
        if trouble.kind == "freeze":
            frozen = self._service.family(trouble.name)
            # What goes on may itself wait for the frozen process, so its end does not depend on that.
            thaw = threading.Timer(trouble.for_s, _send, (frozen, signal.SIGCONT))
            _send(frozen, signal.SIGSTOP)
            thaw.start()
            meanwhile.go_on_until(time.monotonic() + trouble.for_s)
            thaw.join()
        elif trouble.kind == "kill":
            _send(self._service.family(trouble.name), signal.SIGKILL)
        else:
            # On SIGTERM Postgres waits for its sessions to end, and ours never do; whoever runs it sends SIGINT.
            how = signal.SIGINT if trouble.name == "postgres" else signal.SIGTERM
            _send(self._service.family(trouble.name)[:1], how)

    def end(self) -> None:
        """Leave no process frozen."""
        for name in self._service.names():
            _send(self._service.family(name), signal.SIGCONT)


def _send(processes: Sequence[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
