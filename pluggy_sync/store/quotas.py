"""
The month's Open Finance requests that are used up: of whom, at which bank, for which data products (Pluggy facts 5.9).

Callers own the transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync.pluggy.fields import SAO_PAULO
from pluggy_sync.store.tables import QUOTA_USED_UP


@dataclass(frozen=True, kw_only=True)
class UsedUp:
    """
    What is used up for an Item. `products`: as in its `statusDetail`.

    `items_at_bank`: how many living Items the person has at the bank; they share the quota.
    """

    item_id: str
    client_user_id: str | None
    connector_id: int | None
    bank: str | None
    products: Sequence[str]
    items_at_bank: int


# The condition of the Items stands as in their index, which is small.
_FOUND = sa.text(
    f"""
    SELECT id AS item_id, client_user_id, connector_id,
           (SELECT name FROM connectors WHERE connectors.id = items.connector_id) AS bank,
           ARRAY(SELECT key FROM jsonb_each(raw -> 'statusDetail') AS detail (key, value)
                 WHERE jsonb_path_exists(value, '$.warnings[*]?(@.code == "423")') ORDER BY key) AS products,
           (SELECT count(*) FROM items AS other
            WHERE other.client_user_id = items.client_user_id AND other.connector_id = items.connector_id
              AND other.deleted_at IS NULL AND other.replaced_by IS NULL) AS items_at_bank
    FROM items
    WHERE deleted_at IS NULL AND {QUOTA_USED_UP} AND updated_at >= :since
    ORDER BY connector_id, client_user_id, id
    LIMIT :limit
    """  # noqa: S608 - nothing in it comes from outside
)


def used_up(conn: Connection, *, now: datetime, limit: int) -> Sequence[UsedUp]:
    """Return what was found used up in the month of *now* in São Paulo. In the next one all is there again."""
    today = now.astimezone(SAO_PAULO)
    since = datetime(today.year, today.month, 1, tzinfo=SAO_PAULO)
    rows = conn.execute(_FOUND, {"since": since, "limit": limit})
    return [UsedUp(**row._mapping) for row in rows]


def there_again_on(now: datetime) -> date:
    """Return the day on which all that is used up at *now* is there again."""
    today = now.astimezone(SAO_PAULO).date()
    return date(today.year + today.month // 12, today.month % 12 + 1, 1)
