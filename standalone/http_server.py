"""A server of the standard library or of Werkzeug that answers in a thread: for tests, benchmarks and `make chaos`."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import HTTPServer


@contextmanager
def running_server(server: HTTPServer) -> Iterator[str]:
    """Let *server* answer until the block ends; yield its address."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
