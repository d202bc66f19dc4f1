"""Whether a transactions event names rows that the syncs so far cannot have shown."""

import sqlalchemy as sa

from pluggy_sync import events
from pluggy_sync.rules.window import after
from pluggy_sync.store import accounts, transactions


def names_news(conn: sa.Connection, event: events.Event) -> bool:
    """
    Return whether *event* names rows that are not covered by what is stored of its account.

    Rows that were ingested before a collection that is stored came with it. Updated rows within the window that was
    last read came with that. Everything else has to be asked for.
    """
    if event.name not in (events.TRANSACTIONS_CREATED, events.TRANSACTIONS_UPDATED) or event.account_id is None:
        return False
    account = accounts.get(conn, event.account_id)
    if account is None or account.synced_through is None:
        return True
    if event.name == events.TRANSACTIONS_CREATED:
        return event.created_at_from is None or after(event.created_at_from, account.synced_through)
    return bool(transactions.outside_window(conn, event.account_id, event.transaction_ids, account.synced_from_day))
