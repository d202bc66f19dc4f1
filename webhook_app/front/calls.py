"""Calling the Flask app from a thread: what ASGI says about a request becomes what WSGI expects, and back."""

import sys
import threading
from collections.abc import Iterable, Mapping
from contextvars import Context
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes
from wsgiref.types import WSGIApplication

_ALWAYS: dict[str, Any] = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
    "wsgi.input_terminated": True,
}
_WITHOUT_PREFIX = {b"content-type": "CONTENT_TYPE", b"content-length": "CONTENT_LENGTH"}
# The body has been read whole. How it was sent no longer matters.
_HOP_BY_HOP = frozenset({b"transfer-encoding", b"expect", b"connection"})

# Why the body was not read: the status that Flask has to answer (see `webhook_app.errors`).
REFUSED = "webhook_app.refused"


@dataclass
class Answer:
    """What the app answered. *parts* is given for a stream, which has to be closed."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""
    parts: Iterable[bytes] | None = None


def environ_of(scope: Mapping[str, Any], body: bytes, refused: int | None) -> dict[str, Any]:
    """Return the WSGI environment of a request whose body is *body*."""
    host, port = scope["server"] or ("", "")
    environ = {
        **_ALWAYS,
        "REQUEST_METHOD": scope["method"],
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "REMOTE_ADDR": scope["client"][0] if scope["client"] else "",
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": BytesIO(body),
    }
    for name, value in scope["headers"]:
        if name in _HOP_BY_HOP:
            continue
        key = _WITHOUT_PREFIX.get(name) or "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
        text = value.decode("latin-1")
        # A header that came twice is one with a comma (RFC 9110, 5.3).
        environ[key] = f"{environ[key]},{text}" if key in environ else text
    environ["CONTENT_LENGTH"] = str(len(body))
    if refused is not None:
        environ[REFUSED] = refused
    return environ


def call(app: WSGIApplication, environ: dict[str, Any]) -> Answer:
    """Return what *app* answers. An answer without a length is a stream, whose parts are not read here."""
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> Any:
        started[:] = [(status, headers)]

    parts = app(environ, start_response)
    status, headers = started[0]
    answer = Answer(
        status=int(status.split(" ", 1)[0]),
        headers=[(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers],
    )
    if any(name == b"content-length" for name, _ in answer.headers) or answer.status in (204, 304):
        try:
            answer.body = b"".join(parts)
        finally:
            close(parts)
    else:
        answer.parts = parts
    return answer


class Parts:
    """The parts of a stream, each made in whichever thread is free, but always in the context of the request."""

    def __init__(self, parts: Iterable[bytes], context: Context) -> None:
        self._context = context
        self._parts = parts
        self._iterator = iter(parts)
        self._lock = threading.Lock()

    def next(self) -> bytes | None:
        """Return the next part, or None at the end."""
        with self._lock:
            return self._context.run(next, self._iterator, None)

    def close(self) -> None:
        """Close the stream, after the part that is being made."""
        with self._lock:
            self._context.run(close, self._parts)


def close(parts: Iterable[bytes]) -> None:
    """Tell the app that its answer is not read any further (PEP 3333)."""
    if hasattr(parts, "close"):
        parts.close()
