"""
Operators who are signed in to the console. Callers own the transaction.

A session ends at its end, when it was not used for `IDLE`, when its operator signs out, and when what let them in is
no longer valid. Of its token only a digest is stored.

Tests: `console/pages/test_sign_in.py`.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync.store.tables import console_sessions

IDLE = timedelta(hours=1)
# A use is written down no more often than that.
_WRITTEN_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class Session:
    """Who is signed in. `login_digest` is that of what let them in."""

    operator: str
    login_digest: str
    signed_in_at: datetime
    ends_at: datetime


def begin(conn: Connection, operator: str, login: str, *, now: datetime, ends_at: datetime) -> str:
    """Begin a session of *operator*, whom *login* let in; return its token."""
    token = secrets.token_urlsafe(32)
    conn.execute(
        sa.insert(console_sessions).values(
            token_digest=digest(token),
            operator=operator,
            login_digest=digest(login),
            signed_in_at=now,
            used_at=now,
            ends_at=ends_at,
        )
    )
    return token


def use(conn: Connection, token: str, *, now: datetime, keeps: bool) -> Session | None:
    """Return the session of *token*; None: there is none, or it is over. *keeps*: it counts as used."""
    table = console_sessions
    row = conn.execute(
        sa.select(table.c.operator, table.c.login_digest, table.c.signed_in_at, table.c.ends_at, table.c.used_at).where(
            table.c.token_digest == digest(token), table.c.ends_at > now, table.c.used_at > now - IDLE
        )
    ).one_or_none()
    if row is None:
        return None
    if keeps and row.used_at < now - _WRITTEN_EVERY:
        conn.execute(sa.update(table).where(table.c.token_digest == digest(token)).values(used_at=now))
    return Session(
        operator=row.operator, login_digest=row.login_digest, signed_in_at=row.signed_in_at, ends_at=row.ends_at
    )


def end(conn: Connection, token: str) -> None:
    """End the session of *token*."""
    conn.execute(sa.delete(console_sessions).where(console_sessions.c.token_digest == digest(token)))


def digest(secret: str) -> str:
    """Return what is stored in place of *secret*, which is long and random, or a hash already."""
    return hashlib.sha256(secret.encode()).hexdigest()
