"""The connection to Postgres."""

import sqlalchemy as sa
from sqlalchemy import Engine

from pluggy_sync import wire

_SCHEME = "postgresql+psycopg://"


def sqlalchemy_url(database_url: str) -> str:
    """Return *database_url* with the driver we use named in its scheme."""
    for scheme in ("postgresql+psycopg://", "postgresql://", "postgres://"):
        if database_url.startswith(scheme):
            return _SCHEME + database_url.removeprefix(scheme)
    raise ValueError("not the URL of a Postgres database")


def create_engine(database_url: str, *, pool_size: int = 5) -> Engine:
    """Return an engine whose JSON columns keep numbers exact (as Decimal). Nothing connects yet."""
    return sa.create_engine(
        sqlalchemy_url(database_url),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        pool_timeout=5,
        # Parameters hold bank data; they must not reach an error text.
        hide_parameters=True,
        json_serializer=lambda value: wire.encode(value).decode(),
        json_deserializer=wire.decode_stored,
        connect_args={"connect_timeout": 3, "application_name": "pluggy-sync"},
    )
