"""What persons must do, one unsettled row per need. Callers own the transaction and hold the Item's write lock."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync.rules.needs import Need
from pluggy_sync.store.tables import items, user_actions

UNSETTLED = ("open", "submitted")


def unsettled(conn: Connection, item_id: str) -> Sequence[sa.Row[Any]]:
    """Return the Item's actions that are open or submitted, oldest first."""
    return conn.execute(
        sa.select(user_actions)
        .where(user_actions.c.item_id == item_id, user_actions.c.state.in_(UNSETTLED))
        .order_by(user_actions.c.created_at, user_actions.c.id)
    ).all()


def get(conn: Connection, action_id: str) -> sa.Row[Any] | None:
    """Return the action, or None."""
    return conn.execute(sa.select(user_actions).where(user_actions.c.id == action_id)).one_or_none()


def before(
    conn: Connection,
    position: tuple[datetime, str] | None,
    *,
    state: str | None,
    client_user_id: str | None,
    item_id: str | None,
    limit: int,
) -> Sequence[sa.Row[Any]]:
    """Return the next *limit* actions, newest first, from those before *position* (created at, id)."""
    stmt = sa.select(user_actions)
    if position is not None:
        stmt = stmt.where(sa.tuple_(user_actions.c.created_at, user_actions.c.id) < position)
    for column, wanted in (
        (user_actions.c.state, state),
        (user_actions.c.client_user_id, client_user_id),
        (user_actions.c.item_id, item_id),
    ):
        if wanted is not None:
            stmt = stmt.where(column == wanted)
    return conn.execute(stmt.order_by(user_actions.c.created_at.desc(), user_actions.c.id.desc()).limit(limit)).all()


def open_new(conn: Connection, item_id: str, need: Need, *, now: datetime) -> sa.Row[Any]:
    """Open an action for *need* and return it."""
    whose = sa.select(items.c.client_user_id).where(items.c.id == item_id).scalar_subquery()
    return conn.execute(
        sa.insert(user_actions)
        .values(
            id="act_" + secrets.token_urlsafe(12),
            item_id=item_id,
            client_user_id=whose,
            kind=need.kind.value,
            reason=need.reason,
            need=need.same_as,
            parameter=need.parameter,
            user_action=need.user_action,
            provider_message=need.provider_message,
            expires_at=need.expires_at,
            created_at=now,
        )
        .returning(user_actions)
    ).one()


def refresh(conn: Connection, action_id: str, need: Need) -> None:
    """Keep what *need* shows now: a picture that rotates, a message that came later."""
    conn.execute(
        sa.update(user_actions)
        .where(user_actions.c.id == action_id)
        .values(
            parameter=need.parameter,
            user_action=need.user_action,
            provider_message=need.provider_message,
            expires_at=need.expires_at,
        )
    )


def submit(conn: Connection, action_id: str, *, now: datetime) -> bool:
    """Mark an open action as submitted; return False if it is not open, so that two answers cannot both pass."""
    submitted = conn.execute(
        sa.update(user_actions)
        .where(user_actions.c.id == action_id, user_actions.c.state == "open")
        .values(state="submitted", submitted_at=now, attempts=user_actions.c.attempts + 1)
    )
    return submitted.rowcount == 1


def reopen(conn: Connection, action_id: str) -> None:
    """Take a submission back: it did not reach Pluggy, or Pluggy refused it."""
    conn.execute(
        sa.update(user_actions)
        .where(user_actions.c.id == action_id, user_actions.c.state == "submitted")
        .values(state="open", submitted_at=None)
    )


def settle(conn: Connection, action_id: str, state: str, outcome: str, *, now: datetime) -> None:
    """End an unsettled action. What it asked and showed is no longer needed, so it is dropped."""
    conn.execute(
        sa.update(user_actions)
        .where(user_actions.c.id == action_id, user_actions.c.state.in_(UNSETTLED))
        .values(state=state, outcome=outcome, settled_at=now, parameter=None, user_action=None)
    )


def past_deadline(conn: Connection, *, now: datetime, limit: int) -> Sequence[sa.Row[Any, Any]]:
    """Return id and Item of unsettled actions whose deadline has passed."""
    return conn.execute(
        sa.select(user_actions.c.id, user_actions.c.item_id)
        .where(user_actions.c.state.in_(UNSETTLED), user_actions.c.expires_at <= now)
        .order_by(user_actions.c.expires_at)
        .limit(limit)
    ).all()
