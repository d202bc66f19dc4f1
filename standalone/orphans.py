"""
Processes whose parent is dead: those that a killed run left behind, and what is left of a process group.

Each process is written down when it starts, by its id and its time of birth, since ids are given away again.
"""

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

from standalone.polling import WaitedInVainError, eventually

PATIENCE_S = 5.0


def note(ledger: Path, name: str, pid: int) -> None:
    """Write down that *pid* is ours; *name* is for whoever reads it."""
    with suppress(psutil.NoSuchProcess), ledger.open("a") as lines:
        born = psutil.Process(pid).create_time()
        lines.write(json.dumps({"name": name, "pid": pid, "born": born}) + "\n")


def end(ledger: Path) -> int:
    """End the processes in *ledger* that still run, with all their children; return how many there were."""
    found = [process for process in _noted(ledger) if process.is_running()]
    end_families(found)
    ledger.unlink(missing_ok=True)
    return len(found)


def end_families(processes: Iterable[psutil.Process]) -> None:
    """Kill *processes* and all their descendants."""
    _kill([member for process in processes for member in (process, *descendants(process.pid))])


def end_family(pid: int) -> None:
    """Kill process *pid* and all its descendants."""
    _kill(family(pid))


def end_group(leader_pid: int) -> None:
    """Kill what is left of a process group."""
    _kill([process for process in psutil.process_iter() if _group(process) == leader_pid])


def family(pid: int) -> list[psutil.Process]:
    """Return the process *pid* and its descendants; none when it is gone."""
    try:
        return [psutil.Process(pid), *descendants(pid)]
    except psutil.NoSuchProcess:
        return []


def descendants(pid: int) -> list[psutil.Process]:
    """Return the children of process *pid* and theirs; none when it is gone."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _group(process: psutil.Process) -> int | None:
    try:
        return os.getpgid(process.pid)
    except (ProcessLookupError, PermissionError):
        return None


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    # It takes the kernel a moment. One that only waits for its parent to collect it has ended.
    with suppress(WaitedInVainError):
        eventually(lambda: not any(map(_is_alive, processes)), within_s=PATIENCE_S, what="their end")


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _noted(ledger: Path) -> list[psutil.Process]:
    processes = []
    for line in ledger.read_text().splitlines() if ledger.exists() else []:
        # The last line is cut where the machine stopped while it was written.
        with suppress(psutil.NoSuchProcess, json.JSONDecodeError):
            entry = json.loads(line)
            process = psutil.Process(entry["pid"])
            if process.create_time() == entry["born"]:
                processes.append(process)
    return processes
