"""The body of a delivery, as JSON bytes: of the types that are taken, unpacked, never larger than allowed."""

import zlib

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

_JSON_TYPES = frozenset({"", "application/json", "text/json"})
# 16: only gzip's own format. 15: the bits of its window.
_GZIP = 16 + 15


class UnpackableError(Exception):
    """What is said to be packed by gzip is not. `body` is as it came."""

    def __init__(self, body: bytes) -> None:
        super().__init__("not packed by gzip, as it says")
        self.body = body


def read(request: Request) -> bytes:
    """
    Return the body of *request*.

    Raises:
        UnsupportedMediaType: it is not sent as JSON, or packed in a way that we do not know.
        RequestEntityTooLarge: it is larger than allowed, perhaps only once it is unpacked.
        UnpackableError: it cannot be unpacked.
    """
    if not (request.mimetype in _JSON_TYPES or request.mimetype.endswith("+json")):
        raise UnsupportedMediaType
    packing = request.headers.get("Content-Encoding", "").strip().lower()
    if packing not in ("", "identity", "gzip", "x-gzip"):
        raise UnsupportedMediaType
    body = request.get_data(cache=False)
    if packing in ("", "identity"):
        return body
    return _unpacked(body, limit=request.max_content_length or len(body))


def _unpacked(body: bytes, *, limit: int) -> bytes:
    unpacking = zlib.decompressobj(_GZIP)
    try:
        unpacked = unpacking.decompress(body, limit + 1)
    except zlib.error:
        raise UnpackableError(body) from None
    if len(unpacked) > limit:
        raise RequestEntityTooLarge
    if not unpacking.eof:
        raise UnpackableError(body)
    return unpacked
