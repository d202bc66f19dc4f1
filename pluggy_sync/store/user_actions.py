"""
What persons must do, one unsettled row per need. Callers own the transaction and hold the Item's write lock.

Tests: `engine/test_actions.py`, `engine/test_outages.py`, `webhook_app/api/test_actions.py`.
"""

import dataclasses
import functools
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync.rules.action_states import OPEN, RESOLVED, SUBMITTED, SUPERSEDED, UNSETTLED
from pluggy_sync.rules.needs import Need
from pluggy_sync.rules.statuses import RUNNING
from pluggy_sync.store.connectors import is_offline_or_away
from pluggy_sync.store.tables import INSTANT, connectors, items, submissions, user_actions

CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True)
class Action:
    """A user action as stored (docs/actions.md). `parameter` and `user_action` are dropped once it is settled."""

    id: str
    item_id: str
    client_user_id: str | None
    kind: str
    reason: str
    dedup_key: str
    # open, submitted, resolved, expired, superseded
    state: str
    parameter: dict[str, Any] | None
    user_action: dict[str, Any] | None
    provider_message: str | None
    # The deadline, by Pluggy's clock; None: there is none.
    expires_at: datetime | None
    attempts: int
    created_at: datetime
    submitted_at: datetime | None
    # `updatedAt` of the Item when Pluggy accepted the submission; None: Pluggy has not answered yet.
    accepted_at: datetime | None
    # Not to be tried before, by Pluggy's clock; None: at once.
    retry_at: datetime | None
    # `lastUpdatedAt` of the Item as it was asked.
    asked_at_update: datetime | None
    reminders: int
    told_at: datetime | None
    # When the next reminder is due; None: there is none to come.
    remind_at: datetime | None
    settled_at: datetime | None
    outcome: str | None


# Item and action, for work to be done one by one under the Item's lock.
Reference = tuple[str, str]

_COLUMNS = [user_actions.c[field.name] for field in dataclasses.fields(Action)]


def _action(row: sa.Row[Any]) -> Action:
    return Action(**row._mapping)


def _actions(rows: Iterable[sa.Row[Any]]) -> list[Action]:
    return [_action(row) for row in rows]


def _references(rows: Iterable[sa.Row[Any]]) -> list[Reference]:
    return [(row.item_id, row.id) for row in rows]


_OF_ACTION = user_actions.c.id == sa.bindparam("action")
_OF_ITEM = user_actions.c.item_id == sa.bindparam("item")
_UPDATE = sa.update(user_actions).where(_OF_ACTION)

_UNSETTLED_OF = (
    sa.select(*_COLUMNS)
    .where(
        user_actions.c.item_id == sa.func.any(sa.bindparam("items", type_=sa.ARRAY(sa.Text))),
        user_actions.c.state.in_(UNSETTLED),
    )
    .order_by(user_actions.c.created_at, user_actions.c.id)
)


def unsettled(conn: Connection, item_id: str) -> Sequence[Action]:
    """Return the Item's actions that are open or submitted, oldest first."""
    return unsettled_of(conn, [item_id]).get(item_id, [])


def unsettled_of(conn: Connection, item_ids: Sequence[str]) -> dict[str, list[Action]]:
    """Return the unsettled actions of each of the Items that has any, oldest first."""
    rows = conn.execute(_UNSETTLED_OF, {"items": list(item_ids)})
    found: dict[str, list[Action]] = {}
    for action in _actions(rows):
        found.setdefault(action.item_id, []).append(action)
    return found


_GET = sa.select(*_COLUMNS).where(_OF_ACTION)


def get(conn: Connection, action_id: str) -> Action | None:
    """Return the action, or None."""
    row = conn.execute(_GET, {"action": action_id}).one_or_none()
    return None if row is None else _action(row)


@functools.cache
def _before(*, continued: bool, wanted: frozenset[str]) -> sa.Select[Any]:
    """Return the statement for a page; *continued*: from a position on; *wanted*: columns whose value is given."""
    stmt = sa.select(*_COLUMNS).where(*[user_actions.c[name] == sa.bindparam(name) for name in sorted(wanted)])
    if continued:
        position = sa.tuple_(sa.bindparam("from_created_at", type_=INSTANT), sa.bindparam("from_id", type_=sa.Text))
        stmt = stmt.where(sa.tuple_(user_actions.c.created_at, user_actions.c.id) < position)
    newest_first = stmt.order_by(user_actions.c.created_at.desc(), user_actions.c.id.desc())
    return newest_first.limit(sa.bindparam("limit"))


def before(
    conn: Connection,
    position: tuple[datetime, str] | None,
    *,
    state: str | None,
    client_user_id: str | None,
    item_id: str | None,
    limit: int,
) -> Sequence[Action]:
    """Return the next *limit* actions, newest first, from those before *position* (created at, id)."""
    wanted = {"state": state, "client_user_id": client_user_id, "item_id": item_id}
    given = {name: value for name, value in wanted.items() if value is not None}
    stmt = _before(continued=position is not None, wanted=frozenset(given))
    begins = {} if position is None else {"from_created_at": position[0], "from_id": position[1]}
    return _actions(conn.execute(stmt, {**given, **begins, "limit": limit}))


_OPEN_NEW = (
    sa.insert(user_actions)
    .values(
        client_user_id=sa.select(items.c.client_user_id).where(items.c.id == sa.bindparam("whose")).scalar_subquery()
    )
    .returning(*_COLUMNS)
)


def open_new(
    conn: Connection,
    item_id: str,
    need: Need,
    *,
    retry_at: datetime | None = None,
    asked_at_update: datetime | None = None,
    remind_at: datetime | None = None,
    now: datetime,
) -> Action:
    """Open an action for *need* and return it."""
    row = conn.execute(
        _OPEN_NEW,
        {
            "id": "act_" + secrets.token_urlsafe(12),
            "item_id": item_id,
            "whose": item_id,
            "kind": need.kind.value,
            "reason": need.reason,
            "dedup_key": need.dedup_key,
            "parameter": need.parameter,
            "user_action": need.user_action,
            "provider_message": need.provider_message,
            "expires_at": need.expires_at,
            "retry_at": retry_at,
            "asked_at_update": asked_at_update,
            "told_at": now,
            "remind_at": remind_at,
            "created_at": now,
        },
    ).one()
    return _action(row)


# A time that Pluggy gave stays.
_RETRY_AT = sa.func.coalesce(sa.bindparam("later", type_=INSTANT), user_actions.c.retry_at)
_REFRESH = _UPDATE.values(retry_at=_RETRY_AT)


def refresh(conn: Connection, action_id: str, need: Need, *, retry_at: datetime | None) -> None:
    """Save what *need* shows now: a picture that rotates, a message that came later."""
    conn.execute(
        _REFRESH,
        {
            "action": action_id,
            "parameter": need.parameter,
            "user_action": need.user_action,
            "provider_message": need.provider_message,
            "expires_at": need.expires_at,
            "later": retry_at,
        },
    )


_SUBMIT = (
    _UPDATE.where(user_actions.c.state == OPEN)
    .values(state=SUBMITTED, accepted_at=None, attempts=user_actions.c.attempts + 1)
    .returning(*_COLUMNS)
)


def submit(conn: Connection, action_id: str, *, now: datetime) -> Action | None:
    """Mark an open action as submitted and return it; None: it is not open. Of two answers only one passes."""
    row = conn.execute(_SUBMIT, {"action": action_id, "submitted_at": now}).one_or_none()
    return None if row is None else _action(row)


_UPDATE_SUBMITTED = _UPDATE.where(user_actions.c.state == SUBMITTED)


def mark_accepted(conn: Connection, action_id: str, accepted_at: datetime) -> None:
    """Record the Item's `updatedAt` when Pluggy accepted the submission."""
    conn.execute(_UPDATE_SUBMITTED, {"action": action_id, "accepted_at": accepted_at})


_REOPEN = _UPDATE_SUBMITTED.values(state=OPEN, submitted_at=None, accepted_at=None, retry_at=_RETRY_AT)


def reopen(conn: Connection, action_id: str, *, retry_at: datetime | None) -> None:
    """Open a submitted action again: the answer did not reach Pluggy, or Pluggy refused it. None keeps `retry_at`."""
    conn.execute(_REOPEN, {"action": action_id, "later": retry_at})


_BEGIN_SUBMISSION = sa.insert(submissions).returning(submissions.c.id)


def begin_submission(conn: Connection, action_id: str, what: str, *, now: datetime) -> int:
    """Record an attempt to settle the action; return the attempt's id."""
    values = {"action_id": action_id, "what": what, "started_at": now}
    attempt_id: int = conn.execute(_BEGIN_SUBMISSION, values).scalar_one()
    return attempt_id


_END_SUBMISSION = sa.update(submissions).where(submissions.c.id == sa.bindparam("attempt"))


def end_submission(conn: Connection, attempt_id: int, outcome: str) -> None:
    """Record how the attempt ended."""
    conn.execute(_END_SUBMISSION, {"attempt": attempt_id, "outcome": outcome})


_SETTLE = _UPDATE.where(user_actions.c.state.in_(UNSETTLED)).values(
    parameter=sa.null(),
    user_action=sa.null(),
    accepted_at=sa.func.coalesce(sa.bindparam("seen_at", type_=INSTANT), user_actions.c.accepted_at),
)


def settle(
    conn: Connection, action_id: str, state: str, outcome: str, *, seen_at: datetime | None = None, now: datetime
) -> None:
    """
    Settle an action. What it asked and showed is dropped: nobody needs it.

    *seen_at*: `updatedAt` of the Item, for `cancelled_at`.
    """
    settled = {"state": state, "outcome": outcome, "settled_at": now}
    conn.execute(_SETTLE, {"action": action_id, "seen_at": seen_at, **settled})


_CANCELLED_AT = sa.select(sa.func.max(user_actions.c.accepted_at)).where(
    _OF_ITEM, user_actions.c.dedup_key == sa.bindparam("dedup_key"), user_actions.c.outcome == CANCELLED
)


def cancelled_at(conn: Connection, item_id: str, dedup_key: str) -> datetime | None:
    """Return `updatedAt` of the Item when an action for this need was last cancelled; None if none was."""
    seen_at: datetime | None = conn.scalar(_CANCELLED_AT, {"item": item_id, "dedup_key": dedup_key})
    return seen_at


_PAST_DEADLINE = (
    sa.select(user_actions.c.id, user_actions.c.item_id)
    .where(user_actions.c.state.in_(UNSETTLED), user_actions.c.expires_at <= sa.bindparam("now"))
    .order_by(user_actions.c.expires_at)
    .limit(sa.bindparam("limit"))
)


def past_deadline(conn: Connection, *, now: datetime, limit: int) -> list[Reference]:
    """Return the unsettled actions whose deadline has passed."""
    return _references(conn.execute(_PAST_DEADLINE, {"now": now, "limit": limit}))


_STUCK = (
    sa.select(user_actions.c.id, user_actions.c.item_id)
    .join(items, items.c.id == user_actions.c.item_id)
    .where(
        user_actions.c.state == SUBMITTED,
        user_actions.c.submitted_at < sa.bindparam("before"),
        items.c.status.not_in(RUNNING),
    )
    .limit(sa.bindparam("limit"))
)


def stuck(conn: Connection, *, before: datetime, limit: int) -> list[Reference]:
    """Return the actions that were submitted *before* and whose Item does not run."""
    return _references(conn.execute(_STUCK, {"before": before, "limit": limit}))


def successor(conn: Connection, action: Action) -> Action | None:
    """
    Return the action of the same Item that took the place of *action*, or None.

    The newest unsettled one that was opened since; without any, the newest that was resolved. An action that was given
    up was not followed by what was resolved.
    """
    states = UNSETTLED if action.outcome == CANCELLED else (*UNSETTLED, RESOLVED)
    row = conn.execute(
        sa.select(*_COLUMNS)
        .where(
            user_actions.c.item_id == action.item_id,
            user_actions.c.id != action.id,
            user_actions.c.state.in_(states),
            user_actions.c.created_at >= action.created_at,
        )
        .order_by((user_actions.c.state == RESOLVED).asc(), user_actions.c.created_at.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else _action(row)


def was_tried_before(conn: Connection, action: Action) -> bool:
    """Return whether the same need was asked for just before *action*, and a submission for it did not settle it."""
    before = user_actions.alias()
    found: bool | None = conn.scalar(
        sa.select(
            sa.exists().where(
                before.c.item_id == action.item_id,
                before.c.id != action.id,
                before.c.dedup_key == action.dedup_key,
                before.c.state == SUPERSEDED,
                # One transaction settles the one and opens the other. An action that nobody tried to settle stays open.
                before.c.settled_at == action.created_at,
            )
        )
    )
    return bool(found)


_TO_REMIND = (
    sa.select(user_actions.c.id, user_actions.c.item_id)
    .join(items, items.c.id == user_actions.c.item_id)
    .outerjoin(connectors, connectors.c.id == items.c.connector_id)
    .where(
        user_actions.c.state == OPEN,
        user_actions.c.remind_at <= sa.bindparam("now"),
        sa.or_(connectors.c.id.is_(None), ~sa.func.coalesce(is_offline_or_away(), sa.false())),
    )
    .order_by(user_actions.c.remind_at)
    .limit(sa.bindparam("limit"))
)


def to_remind(conn: Connection, *, now: datetime, limit: int) -> list[Reference]:
    """Return the open actions whose reminder is due. While its bank is offline nobody is reminded of an action."""
    return _references(conn.execute(_TO_REMIND, {"now": now, "limit": limit}))


def remind_of_connector(
    conn: Connection, connector_id: int, *, told_before: datetime, now: datetime, limit: int
) -> int:
    """
    Make reminders due *now* of up to *limit* open actions of the connector's Items; return how many.

    An action that the product was told of after *told_before* is left out. If a bank comes and goes, its persons are
    not written to several times a day.
    They are locked in the order of their Items.
    """
    waiting = (
        sa.select(user_actions.c.id)
        .join(items, items.c.id == user_actions.c.item_id)
        .where(
            items.c.connector_id == connector_id,
            items.c.deleted_at.is_(None),
            user_actions.c.state == OPEN,
            sa.or_(user_actions.c.remind_at.is_(None), user_actions.c.remind_at > now),
            sa.or_(
                user_actions.c.reminders == 0, user_actions.c.told_at.is_(None), user_actions.c.told_at < told_before
            ),
        )
        .order_by(user_actions.c.item_id, user_actions.c.id)
        .limit(limit)
        .with_for_update(of=user_actions)
    )
    return conn.execute(sa.update(user_actions).where(user_actions.c.id.in_(waiting)).values(remind_at=now)).rowcount


_MARK_REMINDED = _UPDATE.values(reminders=user_actions.c.reminders + 1)


def mark_reminded(conn: Connection, action_id: str, *, next_at: datetime | None, now: datetime) -> None:
    """Record that a reminder was written, and when the next one is due; None: there is none."""
    conn.execute(_MARK_REMINDED, {"action": action_id, "told_at": now, "remind_at": next_at})
