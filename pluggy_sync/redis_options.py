"""
How every client connects to Redis: one reading of REDIS_URL for redis-py, for Celery and for the limiter.

All of them verify `rediss://`: an authority that this machine trusts, or the one in `ssl_ca_certs`, must have signed
the certificate, which must name the host. By default redis-py verifies and Celery does not.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qs, urlsplit

if TYPE_CHECKING:
    import redis
    from limits.storage import RedisStorage

# Reading an address loads no client: that takes as long as all else that a command of the operator loads.
# ruff: noqa: PLC0415

# The names of redis-py, which stand in its URLs too.
_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_VERIFIED = {"ssl_cert_reqs": ("required", "CERT_REQUIRED"), "ssl_check_hostname": ("true", "True")}


@dataclass(frozen=True, kw_only=True)
class RedisOptions:
    """Where Redis is, and how it is spoken to. *tls* is empty for plain `redis://`."""

    url: str = field(repr=False)
    tls: Mapping[str, Any]

    def client(self, *, connect_timeout_s: float, timeout_s: float) -> "redis.Redis":
        """Return a client that waits at most so many seconds to connect, and for each answer. The caller closes it."""
        import redis

        return redis.Redis.from_url(self.url, **self._connection(connect_timeout_s, timeout_s))

    def storage(self, *, prefix: str, connect_timeout_s: float, timeout_s: float) -> "RedisStorage":
        """Return a store of the limiter, whose keys begin with *prefix*; bounds as those of `client`."""
        from limits.storage import RedisStorage

        options = self._connection(connect_timeout_s, timeout_s)
        return RedisStorage(self.url, key_prefix=prefix, **options)

    def _connection(self, connect_timeout_s: float, timeout_s: float) -> dict[str, Any]:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        return {
            **self.tls,
            "socket_connect_timeout": connect_timeout_s,
            "socket_timeout": timeout_s,
            "socket_keepalive": True,
            # A connection that Redis closed while it was idle is opened anew; an answer that did not come in time is
            # not waited for again.
            "retry": Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
        }


def redis_options(redis_url: str) -> RedisOptions:
    """
    Return how to connect to *redis_url*: `redis://` or `rediss://`, `[user:password@]host[:port][/number]`.

    Only `rediss://` takes a query: `ssl_ca_certs`, `ssl_certfile` and `ssl_keyfile` name files.

    Raises:
        ValueError: one of the clients cannot use it. The text says why and quotes no part of it.
    """
    parts = _parts(redis_url)
    tls = _tls(parts)
    return RedisOptions(url=parts._replace(query="").geturl(), tls=tls)


def _parts(redis_url: str) -> SplitResult:
    if not redis_url.isprintable() or " " in redis_url:
        raise ValueError("Must hold no spaces or control characters.")
    parts = urlsplit(redis_url)
    if parts.scheme not in ("redis", "rediss"):
        raise ValueError("Must start with redis:// or rediss://.")
    if parts.fragment:
        raise ValueError("Must hold no #; in a password it is written %23.")
    # Celery takes ; as a separator between servers. The other clients do not know it.
    if not parts.hostname or ";" in redis_url:
        raise ValueError("Must name one host.")
    try:
        _ = parts.port
    except ValueError:
        raise ValueError(
            "Must have a port from 1 to 65535; other characters in a password are written with %."
        ) from None
    number = parts.path.removeprefix("/")
    if number and not (number.isascii() and number.isdigit()):
        raise ValueError("Must end with the number of a database, such as /0, or with the host.")
    return parts


def _tls(parts: SplitResult) -> dict[str, Any]:
    given = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    if parts.scheme == "redis":
        if given:
            raise ValueError("Takes no options behind ? with redis://.")
        return {}
    files = {name: given.pop(name) for name in _FILES if name in given}
    for name, value in given.items():
        if value not in _VERIFIED.get(name, ()):
            raise ValueError(f"Takes only {', '.join(_FILES)} behind ?; the server is always verified.")
    for name, path in files.items():
        if not Path(path).is_file():
            raise ValueError(f"{name} must name a file that is there.")
    return {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True, **files}
