"""
Incidents of banks: kept as they are told of, and followed up when they are over (`rules/incidents.py`).

An Item shows those of its connector; the status page, if it is asked, those of all.
"""

from collections.abc import Sequence
from datetime import datetime

import structlog

from pluggy_sync.engine import outages
from pluggy_sync.notifications import messages
from pluggy_sync.pluggy import status_page
from pluggy_sync.pluggy.errors import PluggyError
from pluggy_sync.pluggy.payloads import Incident
from pluggy_sync.resources import Resources
from pluggy_sync.rules import incidents, reminders
from pluggy_sync.rules.statuses import OFFLINE
from pluggy_sync.store import bank_incidents, connectors, items
from pluggy_sync.store.bank_incidents import Source, Worst
from pluggy_sync.transaction import Transaction

log = structlog.get_logger(__name__)

# Items whose product is told in one round. The next round takes the rest.
TOLD_PER_ROUND = 200
# In one transaction, which locks their Items.
CHUNK = 20


def note(tx: Transaction, connector_id: int, found: Sequence[Incident], source: Source, *, now: datetime) -> None:
    """Keep what *source* tells of at the connector; if the bank is back, have its Items and persons followed up."""
    before = bank_incidents.of_connector(tx.conn, connector_id, source)
    if sorted(before, key=_id) != sorted(found, key=_id):
        bank_incidents.replace(tx.conn, connector_id, source, found, now=now)
    elif not before:
        return
    _settle(tx, connector_id, now=now)


def _id(incident: Incident) -> str:
    return incident.id


def _settle(tx: Transaction, connector_id: int, *, now: datetime) -> None:
    going_on = incidents.of_data(bank_incidents.of_connector(tx.conn, connector_id), now=now)
    was = bank_incidents.worst(tx.conn, connector_id)
    first = next(iter(going_on), None)
    away = any(map(incidents.is_away, going_on))
    is_ = Worst(
        type=None if first is None else first.type,
        since=None if first is None else first.started_at or was.since or now,
        away=away,
    )
    if is_ == was:
        return
    bank_incidents.set_worst(tx.conn, connector_id, is_)
    log.info("connector.incident", connector_id=connector_id, type=is_.type, away=is_.away, before=was.type)
    if first is None and was.since is not None:
        told = bank_incidents.add_returns(tx.conn, connector_id, was, back_at=now)
        log.info("connector.incident_over", connector_id=connector_id, items_hit=told)
    if was.away and not away and connectors.status(tx.conn, connector_id) != OFFLINE:
        connectors.mark_back(tx.conn, connector_id, back_at=now)


def read_status_page(res: Resources) -> None:
    """Keep what the status page tells of, if there is one to ask. Called by beat; trouble with it changes nothing."""
    url = res.settings.status_page_url
    if url is None:
        return
    try:
        found = status_page.incidents(res.settings, url)
    except PluggyError as exc:
        log.warning("status_page.not_read", error=str(exc), next="the next round asks again")
        return
    now = res.now()
    with res.database.begin() as conn:
        concerned = (found.keys() & bank_incidents.known_connectors(conn)) | bank_incidents.connectors_told_of(
            conn, Source.STATUS_PAGE
        )
    for connector_id in sorted(concerned):
        with res.begin() as tx:
            note(tx, connector_id, found.get(connector_id, []), Source.STATUS_PAGE, now=now)
    outages.follow_up(res)


def tell_returns(res: Resources) -> None:
    """Tell the product of the Items whose bank is back, once each. Nothing is told in quiet hours."""
    told = 0
    while told < TOLD_PER_ROUND:
        now = res.now()
        if reminders.is_quiet(now, res.settings.quiet_hours):
            return
        with res.begin() as tx:
            found = bank_incidents.take_returns(tx.conn, limit=CHUNK)
            # In the order of their ids, as everybody locks them.
            for each in sorted(found, key=lambda returned: returned.item_id):
                row = items.lock(tx.conn, each.item_id, now=now)
                if row.deleted_at is None and not connectors.is_offline(tx.conn, row.connector_id):
                    name = connectors.get(tx.conn, each.connector_id)
                    messages.bank_back(tx, row, each, name=None if name is None else name.name, now=now)
        if len(found) < CHUNK:
            return
        told += len(found)
