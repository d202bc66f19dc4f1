"""
Banks that go offline and come back.

While a connector is OFFLINE nobody is asked for anything. When it is back, the service fetches its Items whose last
execution failed, and reminds once the persons who still must act. Postgres keeps how far that is. A bank with many
Items takes several rounds, and other work goes on between them.
"""

from datetime import datetime, timedelta

import structlog

from pluggy_sync.engine import requests
from pluggy_sync.notifications import messages
from pluggy_sync.resources import Resources
from pluggy_sync.rules.statuses import OFFLINE
from pluggy_sync.store import connectors, items, user_actions
from pluggy_sync.transaction import Transaction

log = structlog.get_logger(__name__)

# How many fetches of one connector's Items are requested in one transaction, and in one round.
CHUNK = 50
CHUNKS_PER_ROUND = 10
# If a bank comes and goes, its persons are reminded no more often than this.
REMIND_AGAIN_AFTER = timedelta(hours=24)


def status_changed(
    tx: Transaction, connector_id: int, before: str | None, after: str | None, *, name: str | None, now: datetime
) -> None:
    """Tell the product that a connector's status changed. If the bank is back, record that it has to be followed up."""
    messages.connector_status_changed(tx, connector_id, name, after, now=now)
    if before == OFFLINE and after != OFFLINE:
        connectors.mark_back(tx.conn, connector_id, back_at=now)
        log.info("connector.back", connector_id=connector_id)


def follow_up(res: Resources) -> None:
    """
    Where a bank is back, request fetches of its Items and make the reminders of its persons due.

    Safe to repeat: nothing is done twice.
    """
    with res.database.begin() as conn:
        returned = connectors.back(conn)
    for connector_id, back_at in returned:
        _follow_up(res, connector_id, back_at)


def _follow_up(res: Resources, connector_id: int, back_at: datetime) -> None:
    for _ in range(CHUNKS_PER_ROUND):
        with res.begin() as tx:
            reminded = user_actions.remind_of_connector(
                tx.conn, connector_id, told_before=back_at - REMIND_AGAIN_AFTER, now=back_at, limit=CHUNK
            )
            found = items.to_fetch_since_bank_is_back(tx.conn, connector_id, back_at=back_at, limit=CHUNK)
            requests.fetch_many(tx, found, why=requests.BANK_IS_BACK, now=res.now())
            if not found and not reminded:
                connectors.followed_up(tx.conn, connector_id, back_at=back_at)
                return
