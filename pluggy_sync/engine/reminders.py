"""
What is said again or in time: reminders of open actions, consents that end soon, Items that went stale. None twice.

Each is written with its mark in one transaction under the Item's lock, so that two workers cannot both say it.
"""

from datetime import datetime, timedelta

import structlog

from pluggy_sync.engine import actions
from pluggy_sync.notifications import messages
from pluggy_sync.pluggy import payloads
from pluggy_sync.resources import Resources
from pluggy_sync.rules import reminders
from pluggy_sync.rules.needs import CONSENT_EXPIRING, Kind, Need
from pluggy_sync.store import item_notices, items, user_actions

log = structlog.get_logger(__name__)

# Per kind and round; what is left over comes with the next one.
LIMIT = 200
# A submission that came to nothing is given back after this long: longer than a run takes.
STUCK_AFTER = timedelta(minutes=10)


def remind(res: Resources) -> None:
    """Say what is due now; open actions again whose submission came to nothing."""
    now = res.now()
    with res.database.begin() as conn:
        stuck = user_actions.stuck(conn, before=now - STUCK_AFTER, limit=LIMIT)
        stale = item_notices.stale(conn, before=now - timedelta(hours=res.settings.stale_after_hours), limit=LIMIT)
    for action in stuck:
        actions.reopen_stuck(res, action.item_id, action.id)
    for item_id in stale:
        _tell_stale(res, item_id)
    if not reminders.is_quiet(now, res.settings.quiet_hours):
        _disturb(res, now)


def _disturb(res: Resources, now: datetime) -> None:
    """Say what reaches persons, by way of the product."""
    with res.database.begin() as conn:
        due = user_actions.to_remind(conn, now=now, limit=LIMIT)
        ending = item_notices.consents_ending(conn, now=now, limit=LIMIT)
    for action in due:
        _remind_of(res, action.item_id, action.id)
    for item_id in ending:
        _warn(res, item_id)


def _remind_of(res: Resources, item_id: str, action_id: str) -> None:
    now = res.now()
    with res.begin() as tx:
        conn = tx.conn
        items.lock(conn, item_id, now=now)
        action = user_actions.get(conn, action_id)
        if action is None or action.state != "open" or action.remind_at is None or action.remind_at > now:
            return
        following = reminders.reminder_at(
            action.created_at, action.reminders + 1, res.settings.remind_after_hours, action.expires_at
        )
        user_actions.mark_reminded(conn, action_id, next_at=following)
        messages.action_reminder(tx, action, res.links, number=action.reminders + 1, now=now)
    log.info("action.reminded", item_id=item_id, action_id=action_id)


def _warn(res: Resources, item_id: str) -> None:
    """Warn that the consent ends soon. The action is opened with the first warning, which says it all."""
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
        if step is None or row.raw is None or row.deleted_at is not None:
            return
        need = _renewal(row.consent_expires_at)
        action = actions.opened(conn, payloads.item(row.raw), need, now=now)
        item_notices.mark_consent_warned(conn, item_id, row.consent_expires_at, step)
        messages.consent_expiring(
            tx, action, res.links, days_left=reminders.days_left(row.consent_expires_at, now), now=now
        )
    log.info("item.consent_expiring", item_id=item_id, step=step)


def _renewal(ends_at: datetime) -> Need:
    return Need(
        kind=Kind.CONSENT,
        reason=CONSENT_EXPIRING,
        dedup_key=f"{Kind.CONSENT.value}:{CONSENT_EXPIRING}:{ends_at.isoformat()}",
        parameter=None,
        user_action=None,
        provider_message=None,
        expires_at=ends_at,
    )


def _tell_stale(res: Resources, item_id: str) -> None:
    now = res.now()
    with res.begin() as tx:
        conn = tx.conn
        row = items.lock(conn, item_id, now=now)
        since = row.last_updated_at or row.first_seen_at
        if row.deleted_at is not None or row.stale_told_of == since:
            return
        item_notices.mark_stale_told(conn, item_id, since)
        messages.stale(tx, row, now=now)
    log.info("item.stale", item_id=item_id)
