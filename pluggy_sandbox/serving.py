"""
The server: cheroot, one process, threads, keep-alive HTTP/1.1.

One process because the state lives in memory; cheroot because it starts and stops inside a thread (for tests),
keeps idle connections without a thread each, and was the quickest of the three tried on small answers.
"""

from cheroot.wsgi import Server
from flask import Flask

THREADS = 32


def make_server(app: Flask, host: str, port: int) -> Server:
    """Return a server that is bound but does not serve yet; port 0 picks a free one (`server.bind_addr`)."""
    server = Server((host, port), app, numthreads=THREADS, request_queue_size=256, server_name="pluggy-sandbox")
    server.shutdown_timeout = 1
    server.expiration_interval = 0.1  # seconds between looks at whether to stop
    server.prepare()
    return server
