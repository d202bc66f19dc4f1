"""
The server: cheroot, one process, threads, keep-alive HTTP/1.1.

One process because the state lives in memory; cheroot because it starts and stops inside a thread (for tests),
keeps idle connections without a thread each, and was the quickest of the three tried on small answers.
"""

import socket
from typing import Any

from cheroot.makefile import StreamWriter
from cheroot.server import HTTPConnection
from cheroot.wsgi import Server
from flask import Flask

THREADS = 32


def make_server(app: Flask, host: str, port: int) -> Server:
    """Return a server that is bound but does not serve yet; port 0 picks a free one (`server.bind_addr`)."""
    server = Server((host, port), app, numthreads=THREADS, request_queue_size=256, server_name="pluggy-sandbox")
    server.ConnectionClass = _Connection
    server.shutdown_timeout = 1
    server.expiration_interval = 0.1  # seconds between looks at whether to stop
    server.prepare()
    return server


class _Writer(StreamWriter):
    """Gives what it is told straight to the socket; cheroot's own copies a large answer several times."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock, "wb")
        self._sock = sock

    def write(self, data: Any, /) -> int:
        self._sock.sendall(data)
        self.bytes_written += len(data)
        return len(data)


class _Connection(HTTPConnection):
    """A connection that writes without a buffer."""

    def __init__(self, server: Any, sock: socket.socket, makefile: Any) -> None:
        super().__init__(server, sock, makefile)
        self.wfile = _Writer(sock)
