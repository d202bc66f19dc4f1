"""The one TLS context of this process: reading the system's certificates takes as long as a request."""

import functools
import ssl

import httpx


@functools.cache
def context() -> ssl.SSLContext:
    """Return it. It verifies, and is the one that httpx would make for a client of its own."""
    return httpx.create_ssl_context()
