"""
The audit log: what operators did, to what, and when. Callers own the transaction: an act and its entry are one.

Tests: `console/pages/test_sign_in.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync.store.tables import audit_entries

SIGNED_IN = "signed_in"
SIGNED_OUT = "signed_out"
SIGN_IN_REFUSED = "sign_in_refused"


@dataclass(frozen=True, kw_only=True)
class AuditEntry:
    """Something that *operator* did. `about`: the id of what it was about; None: nothing that has one."""

    id: int
    at: datetime
    operator: str
    what: str
    about: str | None
    detail: dict[str, Any] | None
    # Where from.
    address: str | None


def record(
    conn: Connection,
    operator: str,
    what: str,
    *,
    now: datetime,
    about: str | None = None,
    detail: Mapping[str, Any] | None = None,
    address: str | None = None,
) -> None:
    """Record what was done. No bank data belongs in *detail*."""
    conn.execute(
        sa.insert(audit_entries).values(
            at=now,
            operator=operator,
            what=what,
            about=about,
            detail=sa.null() if detail is None else dict(detail),
            address=address,
        )
    )


def take_turns(conn: Connection, address: str | None) -> None:
    """Wait until other sign-ins from *address* have ended, so that this one counts what they tried."""
    conn.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(f"sign-in {address}", 0))))


def refused_since(conn: Connection, since: datetime, *, operator: str, address: str | None) -> tuple[int, int]:
    """Return how many sign-ins from *address* were refused since then: those of *operator*, and those of anybody."""
    of_operator = sa.func.count().filter(audit_entries.c.operator == operator)
    row = conn.execute(
        sa.select(of_operator.label("own"), sa.func.count().label("all")).where(
            audit_entries.c.what == sa.literal_column(f"'{SIGN_IN_REFUSED}'", sa.Text),
            audit_entries.c.at > since,
            audit_entries.c.address.is_not_distinct_from(address),
        )
    ).one()
    return row.own, row.all


def before(
    conn: Connection, entry_id: int | None, *, operator: str | None = None, about: str | None = None, limit: int
) -> Sequence[AuditEntry]:
    """Return the next *limit* entries, newest first, from those before *entry_id*."""
    stmt = sa.select(*(audit_entries.c[each.name] for each in fields(AuditEntry)))
    if entry_id is not None:
        stmt = stmt.where(audit_entries.c.id < entry_id)
    if operator is not None:
        stmt = stmt.where(audit_entries.c.operator == operator)
    if about is not None:
        stmt = stmt.where(audit_entries.c.about == about)
    rows = conn.execute(stmt.order_by(audit_entries.c.id.desc()).limit(limit))
    return [AuditEntry(**row._mapping) for row in rows]
