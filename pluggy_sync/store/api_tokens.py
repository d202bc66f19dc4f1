"""
Tokens of `/v1` that an operator made. Only a digest of each is stored. Callers own the transaction.

A token is random and long, so one round of SHA-256 is enough: nobody can try them all. Whoever compares digests tells
by the time it takes nothing of the token.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from pluggy_sync.rules.scopes import Scope
from pluggy_sync.store.tables import api_tokens

# The last use is written at most this often, so that a request costs no write.
LAST_USE_EVERY = timedelta(minutes=5)
# Tools that look for secrets in code know them by this.
PREFIX = "psync_"


class NameTakenError(ValueError):
    """Another token that is not revoked has this name."""


@dataclass(frozen=True, kw_only=True)
class ApiToken:
    """A token. `last_used_at` is up to `LAST_USE_EVERY` late; None: never used. `revoked_at` None: it is valid."""

    id: str
    name: str
    digest: bytes = field(repr=False)
    scope: Scope
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


_COLUMNS = tuple(api_tokens.c[each.name] for each in fields(ApiToken))
_VALID = api_tokens.c.revoked_at.is_(None)


def digest_of(token: str) -> bytes:
    """Return what is stored of *token*."""
    return hashlib.sha256(token.encode()).digest()


def create(conn: Connection, name: str, scope: Scope, *, now: datetime) -> tuple[ApiToken, str]:
    """
    Make a token; return it and its text, which is shown only now.

    Raises:
        NameTakenError: another valid token has the name.
    """
    text = PREFIX + secrets.token_urlsafe(32)
    made = ApiToken(
        id="tok_" + secrets.token_urlsafe(9),
        name=name,
        digest=digest_of(text),
        scope=scope,
        created_at=now,
        last_used_at=None,
        revoked_at=None,
    )
    values = {each.name: getattr(made, each.name) for each in fields(ApiToken)}
    try:
        with conn.begin_nested():
            conn.execute(sa.insert(api_tokens).values({**values, "scope": scope.value}))
    except IntegrityError:
        raise NameTakenError("a token with this name exists") from None
    return made, text


def all_(conn: Connection) -> Sequence[ApiToken]:
    """Return all tokens, revoked ones too, oldest first."""
    return _tokens(conn, sa.select(*_COLUMNS).order_by(api_tokens.c.created_at, api_tokens.c.id))


def valid(conn: Connection) -> Sequence[ApiToken]:
    """Return the tokens that are not revoked."""
    return _tokens(conn, sa.select(*_COLUMNS).where(_VALID))


def _tokens(conn: Connection, stmt: sa.Select[tuple[object, ...]]) -> Sequence[ApiToken]:
    rows = conn.execute(stmt)
    return [ApiToken(**{**row._mapping, "scope": Scope(row.scope)}) for row in rows]


def revoke(conn: Connection, name_or_id: str, *, now: datetime) -> ApiToken | None:
    """Revoke the valid token of this name or id, and return it; None: there is none."""
    stmt = (
        sa.update(api_tokens)
        .where(_VALID, sa.or_(api_tokens.c.id == name_or_id, api_tokens.c.name == name_or_id))
        .values(revoked_at=now)
        .returning(*_COLUMNS)
    )
    row = conn.execute(stmt).one_or_none()
    return None if row is None else ApiToken(**{**row._mapping, "scope": Scope(row.scope)})


def note_use(conn: Connection, token_id: str, *, now: datetime) -> None:
    """Write down that the token was used, unless that was written a short while ago."""
    last = api_tokens.c.last_used_at
    conn.execute(
        sa.update(api_tokens)
        .where(api_tokens.c.id == token_id, sa.or_(last.is_(None), last <= now - LAST_USE_EVERY))
        .values(last_used_at=now)
    )
