"""What is started as a process, and as whom."""

import os
import pwd
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any


@dataclass(frozen=True, kw_only=True)
class Program:
    """A command with its environment, and how a process of it is asked to stop."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(repr=False)
    # None: where we are.
    cwd: Path | None = None
    # None: the user that we are.
    user: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    # The others need it, so it stops after them.
    stops_last: bool = False


def start(program: Program, output: int | IO[bytes]) -> subprocess.Popen[bytes]:
    """
    Start a process of *program*, whose output goes to *output*.

    It leads a session of its own: a Ctrl-C in our terminal does not reach it, and its group can be ended as one.
    """
    return subprocess.Popen(
        program.argv,
        env=program.env,
        cwd=program.cwd,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        **_identity(program.user),
    )


def ending(name: str, code: int) -> str:
    """Return how process *name* ended, given the code of its Popen."""
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    return f"{name} {how}"


def _identity(user: str | None) -> dict[str, Any]:
    if user is None or os.geteuid() != 0:
        return {}
    account = pwd.getpwnam(user)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
