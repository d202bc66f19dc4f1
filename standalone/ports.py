"""Ports on the loopback interface."""

import socket

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
