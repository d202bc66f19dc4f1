"""Ports on the loopback interface."""

import socket
from collections.abc import Iterable

import psutil

LOOPBACK = "127.0.0.1"


def is_free(port: int) -> bool:
    """Return whether a server could listen on *port* now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port that is only cooling down after its last server counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def is_held_by(port: int, processes: Iterable[psutil.Process]) -> bool:
    """Return whether one of *processes* listens on *port*. An answer from there may be that of somebody else."""
    return any(port in _listening(each) for each in processes)


def _listening(process: psutil.Process) -> set[int]:
    try:
        found = process.net_connections(kind="tcp")
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return set()
    return {each.laddr.port for each in found if each.status == psutil.CONN_LISTEN}


def next_free(wanted: int, *, taken: set[int] | None = None) -> int:
    """
    Return *wanted*, or the first free port above it. Ports in *taken* count as not free.

    Raises:
        OSError: none of the next hundred ports is free.
    """
    spoken_for = taken or set()
    for port in range(wanted, min(wanted + 100, 65536)):
        if port not in spoken_for and is_free(port):
            return port
    raise OSError(f"no free port from {wanted} to {wanted + 99}")


def any_free() -> int:
    """Return a free port that the system picked."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
