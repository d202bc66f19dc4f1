"""What persons must do, one unsettled row per need. Callers own the transaction and hold the Item's write lock."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync.rules.needs import Need
from pluggy_sync.store.tables import items, submissions, user_actions

UNSETTLED = ("open", "submitted")
CANCELLED = "cancelled"


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


def open_new(
    conn: Connection,
    item_id: str,
    need: Need,
    *,
    retry_at: datetime | None = None,
    asked_at_update: datetime | None = None,
    remind_at: datetime | None = None,
    now: datetime,
) -> sa.Row[Any]:
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
            dedup_key=need.dedup_key,
            parameter=need.parameter,
            user_action=need.user_action,
            provider_message=need.provider_message,
            expires_at=need.expires_at,
            retry_at=retry_at,
            asked_at_update=asked_at_update,
            remind_at=remind_at,
            created_at=now,
        )
        .returning(user_actions)
    ).one()


def refresh(conn: Connection, action_id: str, need: Need, *, retry_at: datetime | None) -> None:
    """Keep what *need* shows now: a picture that rotates, a message that came later."""
    conn.execute(
        sa.update(user_actions)
        .where(user_actions.c.id == action_id)
        .values(
            parameter=need.parameter,
            user_action=need.user_action,
            provider_message=need.provider_message,
            expires_at=need.expires_at,
            # What Pluggy itself told stands.
            retry_at=user_actions.c.retry_at if retry_at is None else retry_at,
        )
    )


def submit(conn: Connection, action_id: str, *, now: datetime) -> sa.Row[Any] | None:
    """Mark an open action as submitted and return it; None if it is not open, so that two answers cannot both pass."""
    return conn.execute(
        sa.update(user_actions)
        .where(user_actions.c.id == action_id, user_actions.c.state == "open")
        .values(state="submitted", submitted_at=now, accepted_at=None, attempts=user_actions.c.attempts + 1)
        .returning(user_actions)
    ).one_or_none()


def mark_accepted(conn: Connection, action_id: str, accepted_at: datetime) -> None:
    """Record the Item's `updatedAt` as Pluggy took the submission."""
    conn.execute(
        sa.update(user_actions)
        .where(user_actions.c.id == action_id, user_actions.c.state == "submitted")
        .values(accepted_at=accepted_at)
    )


def reopen(conn: Connection, action_id: str, *, retry_at: datetime | None) -> None:
    """Take a submission back: it did not reach Pluggy, or Pluggy refused it. None keeps the time to wait for."""
    conn.execute(
        sa.update(user_actions)
        .where(user_actions.c.id == action_id, user_actions.c.state == "submitted")
        .values(
            state="open",
            submitted_at=None,
            accepted_at=None,
            retry_at=user_actions.c.retry_at if retry_at is None else retry_at,
        )
    )


def begin_submission(conn: Connection, action_id: str, what: str, *, now: datetime) -> int:
    """Keep that someone tries to settle the action; return the attempt's id."""
    attempt = sa.insert(submissions).values(action_id=action_id, what=what, started_at=now)
    attempt_id: int = conn.execute(attempt.returning(submissions.c.id)).scalar_one()
    return attempt_id


def end_submission(conn: Connection, attempt_id: int, outcome: str) -> None:
    """Keep how the attempt went."""
    conn.execute(sa.update(submissions).where(submissions.c.id == attempt_id).values(outcome=outcome))


def settle(
    conn: Connection, action_id: str, state: str, outcome: str, *, seen_at: datetime | None = None, now: datetime
) -> None:
    """
    End an unsettled action. What it asked and showed is no longer needed, so it is dropped.

    *seen_at*: `updatedAt` of the Item, for `cancelled_at`.
    """
    conn.execute(
        sa.update(user_actions)
        .where(user_actions.c.id == action_id, user_actions.c.state.in_(UNSETTLED))
        .values(
            state=state,
            outcome=outcome,
            settled_at=now,
            parameter=None,
            user_action=None,
            accepted_at=sa.func.coalesce(seen_at, user_actions.c.accepted_at),
        )
    )


def cancelled_at(conn: Connection, item_id: str, dedup_key: str) -> datetime | None:
    """Return `updatedAt` of the Item when an action for this need was last given up; None if none was."""
    seen_at: datetime | None = conn.scalar(
        sa.select(sa.func.max(user_actions.c.accepted_at)).where(
            user_actions.c.item_id == item_id,
            user_actions.c.dedup_key == dedup_key,
            user_actions.c.outcome == CANCELLED,
        )
    )
    return seen_at


def past_deadline(conn: Connection, *, now: datetime, limit: int) -> Sequence[sa.Row[Any, Any]]:
    """Return id and Item of unsettled actions whose deadline has passed."""
    return conn.execute(
        sa.select(user_actions.c.id, user_actions.c.item_id)
        .where(user_actions.c.state.in_(UNSETTLED), user_actions.c.expires_at <= now)
        .order_by(user_actions.c.expires_at)
        .limit(limit)
    ).all()


def stuck(conn: Connection, *, before: datetime, limit: int) -> Sequence[sa.Row[Any, Any]]:
    """Return id and Item of actions that were submitted *before* and whose Item does not run."""
    return conn.execute(
        sa.select(user_actions.c.id, user_actions.c.item_id)
        .join(items, items.c.id == user_actions.c.item_id)
        .where(
            user_actions.c.state == "submitted",
            user_actions.c.submitted_at < before,
            items.c.status.not_in(["UPDATING", "MERGING"]),
        )
        .limit(limit)
    ).all()


def successor(conn: Connection, action: sa.Row[Any]) -> sa.Row[Any] | None:
    """Return the newest unsettled action of the same Item that was opened since, or None."""
    return conn.execute(
        sa.select(user_actions)
        .where(
            user_actions.c.item_id == action.item_id,
            user_actions.c.id != action.id,
            user_actions.c.state.in_(UNSETTLED),
            user_actions.c.created_at >= action.created_at,
        )
        .order_by(user_actions.c.created_at.desc())
        .limit(1)
    ).one_or_none()


def to_remind(conn: Connection, *, now: datetime, limit: int) -> Sequence[sa.Row[Any, Any]]:
    """Return id and Item of open actions whose reminder is due."""
    return conn.execute(
        sa.select(user_actions.c.id, user_actions.c.item_id)
        .where(user_actions.c.state == "open", user_actions.c.remind_at <= now)
        .order_by(user_actions.c.remind_at)
        .limit(limit)
    ).all()


def mark_reminded(conn: Connection, action_id: str, *, next_at: datetime | None) -> None:
    """Record that a reminder was written, and when the next one is due; None: there is none."""
    conn.execute(
        sa.update(user_actions)
        .where(user_actions.c.id == action_id)
        .values(reminders=user_actions.c.reminders + 1, remind_at=next_at)
    )
