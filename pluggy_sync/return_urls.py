"""
Where the person's page may lead back to: addresses of the product, as the operator lists them.

An address is allowed if it lies under one that is listed: the same scheme, host and port, and its path or one below
it. A scheme of an app, such as `lojax://`, may be listed too. What a browser could read in two ways is refused.
"""

import re
from collections.abc import Sequence
from urllib.parse import SplitResult, unquote, urlsplit

MAX_LENGTH = 1000

_APP_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{1,40}")
# Schemes that run, show or send something of their own.
_NO_APP = frozenset(
    {"about", "blob", "chrome", "content", "data", "feed", "file", "filesystem", "ftp", "intent", "jar", "javascript"}
    | {"mailto", "resource", "sms", "tel", "vbscript", "view-source", "ws", "wss"}
)
_DEFAULT_PORTS = {"https": 443, "http": 80}
# Printable ASCII without what parsers disagree about.
_CLEAN = re.compile(r"[!-~]+")
_AMBIGUOUS = re.compile(r'[\\<>"`{}|^]')


def fault_in_listed(address: str) -> str | None:
    """Return what is wrong with an address as the operator lists it; None: nothing."""
    parts = _parts(address)
    if parts is None:
        return "is no address that every browser reads in the same way"
    if parts.query or parts.fragment or "?" in address or "#" in address:
        return "must have no ? and no #"
    if parts.scheme == "https":
        return None if parts.hostname else "must name a host"
    if parts.scheme == "http":
        loopback = parts.hostname in ("127.0.0.1", "localhost", "::1")
        return None if loopback else "must start with https://, unless it is this machine"
    if parts.scheme in _NO_APP or not _APP_SCHEME.fullmatch(parts.scheme):
        return "must start with https:// or with the scheme of an app"
    return None


def is_allowed(address: str, listed: Sequence[str]) -> bool:
    """Return whether the page may lead to *address*, given the *listed* ones."""
    asked = _parts(address)
    return asked is not None and any(_lies_under(asked, _parts(each)) for each in listed)


def _lies_under(asked: SplitResult, listed: SplitResult | None) -> bool:
    if listed is None or asked.scheme != listed.scheme:
        return False
    is_whole_app = listed.scheme not in _DEFAULT_PORTS and not listed.netloc and not listed.path
    if is_whole_app:
        return True
    if _host(asked) != _host(listed):
        return False
    base = listed.path.rstrip("/")
    return asked.path == base or asked.path.startswith(f"{base}/")


def _host(parts: SplitResult) -> tuple[str | None, int | None]:
    return parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme)


def _parts(address: str) -> SplitResult | None:
    """Return the parts of an address that has a scheme and no user; None if it could be read in two ways."""
    if len(address) > MAX_LENGTH or not _CLEAN.fullmatch(address) or _AMBIGUOUS.search(address):
        return None
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        return None
    if "://" not in address or not parts.scheme or "@" in parts.netloc:
        return None
    # A browser takes such a segment away, however often it is encoded.
    path = unquote(unquote(parts.path))
    if any(segment in (".", "..") for segment in re.split(r"[/\\]", path)):
        return None
    return parts
