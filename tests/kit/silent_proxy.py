"""A TCP proxy that can fall silent: its connections stay open, take what is sent, and bring nothing back."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any


class SilentProxy:
    """Passes everything on, until it is told to be silent."""

    def __init__(self, connect: Any, slow_by_s: float = 0.0) -> None:
        """Pass on whatever arrives *slow_by_s* seconds later."""
        self._connect = connect
        self._slow_by_s = slow_by_s
        self._silent = threading.Event()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def be_silent(self) -> None:
        """Bring nothing back any more, on the connections that are open and on new ones."""
        self._silent.set()

    def speak(self) -> None:
        """Serve new connections again. What the old ones did not bring stays away."""
        self._silent.clear()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._open.append(client)
                if self._silent.is_set():
                    continue
                server = self._connect()
                self._open.append(server)
                for source, target in ((client, server), (server, client)):
                    threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if self._silent.is_set():
                    # This pair says nothing more, also when others speak again.
                    while source.recv(65536):
                        pass
                    return
                time.sleep(self._slow_by_s)
                target.sendall(data)
        if not self._silent.is_set():
            for each in (source, target):
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End all connections, and take no new one."""
        # Closing alone would leave the thread that accepts waiting, and it would take one more.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@contextmanager
def silent_proxy(*, port: int | None = None, path: str | None = None, slow_by_s: float = 0.0) -> Iterator[SilentProxy]:
    """Run a proxy before a loopback *port*, or before the socket file *path*, until the block ends."""

    def connect() -> socket.socket:
        if path is None:
            return socket.create_connection(("127.0.0.1", port or 0))
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(path)
        return connection

    proxy = SilentProxy(connect, slow_by_s)
    try:
        yield proxy
    finally:
        proxy.close()
