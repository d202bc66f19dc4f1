"""
What happened to an Item, from every table that knows of it, and what is due next. Callers own the transaction.

The words for it are in `rules/timeline.py`. Nothing here is bank data.

Tests: `webhook_app/api/test_timeline.py`.
"""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync.rules.action_states import OPEN, UNSETTLED
from pluggy_sync.rules.timeline import Due, DueKind, Entry, Kind

_Source = tuple[Kind, str, str, str, str]

# Each kind of entry: when, its id, what there is to say, and the rows of the Item.
_SOURCES: tuple[_Source, ...] = (
    (
        Kind.EVENT,
        "received_at",
        "event_id",
        """'name', name, 'why', CASE WHEN name LIKE 'local/%' THEN payload ->> 'why' END, 'state', state,
           'outcome', outcome, 'reason', reason, 'attempts', attempts, 'error', error, 'handledAt', handled_at,
           'unread', unread""",
        "inbox WHERE item_id = :item_id",
    ),
    (
        Kind.SYNC_RUN,
        "started_at",
        "CAST(id AS text)",
        """'trigger', trigger, 'outcome', outcome, 'added', added, 'modified', modified, 'removed', removed,
           'requests', requests, 'error', error, 'finishedAt', finished_at,
           'windowFrom', window_from, 'windowTo', window_to, 'parts', parts, 'incomplete', incomplete,
           'doubted', nullif(doubted, 0), 'repaired', nullif(repaired, 0)""",
        "sync_runs WHERE item_id = :item_id",
    ),
    (
        Kind.ACTION_OPENED,
        "created_at",
        "id",
        "'actionKind', kind, 'reason', reason, 'expiresAt', expires_at",
        "user_actions WHERE item_id = :item_id",
    ),
    (
        Kind.ACTION_SETTLED,
        "settled_at",
        "id",
        "'state', state, 'outcome', outcome",
        "user_actions WHERE item_id = :item_id AND settled_at IS NOT NULL",
    ),
    (
        Kind.SUBMISSION,
        "submissions.started_at",
        "CAST(submissions.id AS text)",
        "'actionId', action_id, 'what', what, 'outcome', submissions.outcome",
        "submissions JOIN user_actions ON user_actions.id = submissions.action_id WHERE item_id = :item_id",
    ),
    (
        Kind.NOTIFICATION,
        "created_at",
        "id",
        """'type', type, 'sequence', sequence, 'endpoints', (
               SELECT jsonb_object_agg(endpoint_id, state) FROM deliveries WHERE notification_id = outbox.id)""",
        "outbox WHERE item_id = :item_id",
    ),
    (
        Kind.ATTEMPT,
        "started_at",
        "CAST(delivery_attempts.id AS text)",
        """'notificationId', notification_id, 'endpointId', endpoint_id, 'type', type, 'statusCode', status_code,
           'error', error,
           'durationMs', duration_ms""",
        "delivery_attempts JOIN outbox ON outbox.id = delivery_attempts.notification_id WHERE item_id = :item_id",
    ),
)


def _rows(source: _Source) -> str:
    """Return the query of one kind of entry. No more rows of it are read than can be shown."""
    kind, at, id_, facts, rows = source
    return f"""
        (SELECT * FROM (
             SELECT {at} AS at, '{kind}' COLLATE "C" AS kind, {id_} COLLATE "C" AS id,
                    jsonb_build_object({facts}) AS facts
             FROM {rows}) AS {kind}
         WHERE CAST(:at AS timestamptz) IS NULL OR (at, kind, id) < (:at, :kind, :id)
         ORDER BY at DESC, id DESC LIMIT :limit)
    """  # noqa: S608 - nothing in it comes from outside


_ENTRIES = sa.text(
    f"""
    SELECT at, kind, id, facts FROM ({" UNION ALL ".join(map(_rows, _SOURCES))}) AS entries
    ORDER BY at DESC, kind DESC, id DESC LIMIT :limit
    """  # noqa: S608 - as above
)

_DUE = sa.text(
    """
    SELECT at, kind, about FROM (
        SELECT due_at AS at, 'event' AS kind, name AS about FROM inbox WHERE item_id = :item_id AND state = 'stored'
        UNION ALL
        SELECT due_at, 'sync', NULL FROM item_progress
        WHERE item_id = :item_id AND due_at IS NOT NULL AND sync_requested_seq > synced_seq
        UNION ALL
        SELECT retry_at, 'part', product FROM incomplete_parts WHERE item_id = :item_id AND retry_at IS NOT NULL
        UNION ALL
        SELECT due_at, 'notification', type FROM deliveries JOIN outbox ON outbox.id = deliveries.notification_id
        WHERE deliveries.item_id = :item_id AND state = 'pending'
        UNION ALL
        SELECT expires_at, 'action_deadline', id FROM user_actions
        WHERE item_id = :item_id AND state = ANY (:unsettled) AND expires_at IS NOT NULL
        UNION ALL
        SELECT remind_at, 'reminder', id FROM user_actions
        WHERE item_id = :item_id AND state = :open AND remind_at IS NOT NULL
        UNION ALL
        SELECT next_auto_sync_at, 'auto_sync', NULL FROM items WHERE id = :item_id AND next_auto_sync_at IS NOT NULL
        UNION ALL
        SELECT consent_expires_at, 'consent_end', NULL FROM items
        WHERE id = :item_id AND consent_expires_at IS NOT NULL
    ) AS due
    ORDER BY at, kind, about
    LIMIT :limit
    """
)

Position = tuple[datetime, str, str]


def before(conn: Connection, item_id: str, position: Position | None, *, limit: int) -> Sequence[Entry]:
    """Return the Item's next *limit* entries, newest first, from those before *position* (at, kind, id)."""
    at, kind, id_ = position or (None, "", "")
    rows = conn.execute(_ENTRIES, {"item_id": item_id, "at": at, "kind": kind, "id": id_, "limit": limit})
    return [Entry(at=row.at, kind=Kind(row.kind), id=row.id, facts=row.facts) for row in rows]


def due(conn: Connection, item_id: str, *, limit: int = 100) -> Sequence[Due]:
    """Return what is due for the Item, the next first; up to *limit*."""
    states = {"open": OPEN, "unsettled": list(UNSETTLED)}
    rows = conn.execute(_DUE, {"item_id": item_id, "limit": limit, **states})
    return [Due(at=row.at, kind=DueKind(row.kind), about=row.about) for row in rows]
