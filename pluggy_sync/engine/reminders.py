"""
Notifications sent by the clock: reminders, consents about to expire, stale Items. Each is sent at most once.

One transaction, under the Item's lock, writes the notification and records that it was sent: two workers cannot both
send it. While the bank is offline nobody is reminded or warned.
"""

from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from pluggy_sync.engine import actions, incidents, outages
from pluggy_sync.notifications import messages
from pluggy_sync.pluggy import payloads
from pluggy_sync.resources import Resources
from pluggy_sync.rules import reminders
from pluggy_sync.rules.action_states import OPEN
from pluggy_sync.rules.freshness import tells_stale
from pluggy_sync.rules.needs import renewal_of_consent
from pluggy_sync.store import connectors, item_notices, item_views, items, user_actions

log = structlog.get_logger(__name__)

# Per kind and round. The next round takes the rest.
LIMIT = 200
# If nothing came of a submission after this long, its action is opened again. An execution takes less.
STUCK_AFTER = timedelta(minutes=10)


def remind(res: Resources) -> None:
    """Send what is due now, and open actions again if nothing came of their submission."""
    # Whose bank is back is reminded now.
    outages.follow_up(res)
    now = res.now()
    with res.database.begin() as conn:
        stuck = user_actions.stuck(conn, before=now - STUCK_AFTER, limit=LIMIT)
        stale = item_notices.perhaps_stale(conn, before=now - res.settings.stale_after, limit=LIMIT)
    for item_id, action_id in stuck:
        actions.reopen_stuck(res, item_id, action_id)
    for item_id in stale:
        _tell_stale(res, item_id)
    if not reminders.is_quiet(now, res.settings.quiet_hours):
        _disturb(res, now)
        incidents.tell_returns(res)


def _disturb(res: Resources, now: datetime) -> None:
    """Send what the product passes on to persons."""
    with res.database.begin() as conn:
        due = user_actions.to_remind(conn, now=now, limit=LIMIT)
        ending = item_notices.consents_ending(conn, now=now, limit=LIMIT)
    for item_id, action_id in due:
        _remind_of(res, item_id, action_id)
    for item_id in ending:
        _warn(res, item_id)


def _remind_of(res: Resources, item_id: str, action_id: str) -> None:
    now = res.now()
    with res.begin() as tx:
        conn = tx.conn
        row = items.lock(conn, item_id, now=now)
        action = user_actions.get(conn, action_id)
        if action is None or action.state != OPEN or action.remind_at is None or action.remind_at > now:
            return
        late = action.expires_at is not None and action.expires_at <= res.pluggy_now()
        if late or connectors.is_offline(conn, row.connector_id):
            return
        following = reminders.reminder_at(
            action.created_at, res.settings.remind_after_hours, action.expires_at, after=now
        )
        user_actions.mark_reminded(conn, action_id, next_at=following, now=now)
        messages.action_reminder(tx, action, res.links, res.texts, number=action.reminders + 1, now=now)
    log.info("action.reminded", item_id=item_id, action_id=action_id)


def _warn(res: Resources, item_id: str) -> None:
    """Warn that the consent ends soon. The first warning opens the action, without a notification of its own."""
    now = res.now()
    with res.begin() as tx:
        conn = tx.conn
        row = items.lock(conn, item_id, now=now)
        step = reminders.consent_warning(
            row.consent_expires_at,
            warned_of=row.consent_warned_of,
            warned_days=row.consent_warned_days,
            now=now,
        )
        ends_at = row.consent_expires_at
        if step is None or ends_at is None or row.raw is None or row.deleted_at is not None:
            return
        if connectors.is_offline(conn, row.connector_id):
            return
        action = actions.opened(conn, payloads.item(row.raw), renewal_of_consent(ends_at), now=now)
        item_notices.mark_consent_warned(conn, item_id, ends_at, step)
        messages.consent_expiring(
            tx, action, res.links, res.texts, days_left=reminders.days_left(ends_at, now), now=now
        )
    log.info("item.consent_expiring", item_id=item_id, step=step)


def _tell_stale(res: Resources, item_id: str) -> None:
    now = res.now()
    with res.begin() as tx:
        conn = tx.conn
        row = items.lock(conn, item_id, now=now)
        since = row.last_updated_at or row.first_seen_at
        if row.stale_told_of == since or not _is_stale(conn, res, item_id, now):
            return
        item_notices.mark_stale_told(conn, item_id, since)
        messages.stale(tx, row, now=now)
    log.info("item.stale", item_id=item_id)


def _is_stale(conn: Connection, res: Resources, item_id: str, now: datetime) -> bool:
    view = item_views.get(conn, item_id)
    if view is None:
        return False
    known = item_views.known(view, user_actions.unsettled(conn, item_id))
    return tells_stale(known, now=now, grace=res.settings.stale_after)
