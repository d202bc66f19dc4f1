"""The body of a delivery, as JSON bytes: of the types that are taken, unpacked, never larger than allowed."""

import zlib

from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

_JSON_TYPES = frozenset({"", "application/json", "text/json"})
_PLAIN = frozenset({"", "identity"})
_GZIPPED = frozenset({"gzip", "x-gzip"})
# 16: only gzip's own format. 15: the bits of its window.
_GZIP = 16 + 15


class UnpackableError(Exception):
    """What is said to be packed by gzip is not."""

    def __init__(self) -> None:
        super().__init__("not packed by gzip, as it says")


def is_plain(content_type: str, packing: str) -> bool:
    """Return whether a body with these headers is JSON as it came."""
    return _is_json(content_type) and packing.strip().lower() in _PLAIN


def unpacked(body: bytes, content_type: str, packing: str, *, limit: int) -> bytes:
    """
    Return *body* unpacked, if it came packed. The headers are Content-Type and Content-Encoding; *limit* is in bytes.

    Raises:
        UnsupportedMediaType: it is not sent as JSON, or packed in a way that we do not know.
        RequestEntityTooLarge: it is larger than allowed once it is unpacked.
        UnpackableError: it cannot be unpacked.
    """
    if is_plain(content_type, packing):
        return body
    if not _is_json(content_type) or packing.strip().lower() not in _GZIPPED:
        raise UnsupportedMediaType
    return _unpacked(body, limit=limit)


def _is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type in _JSON_TYPES or media_type.endswith("+json")


def _unpacked(body: bytes, *, limit: int) -> bytes:
    unpacking = zlib.decompressobj(_GZIP)
    try:
        result = unpacking.decompress(body, limit + 1)
    except zlib.error:
        raise UnpackableError from None
    if len(result) > limit:
        raise RequestEntityTooLarge
    if not unpacking.eof:
        raise UnpackableError
    return result
