"""
Old entries of the change feed that nobody needs to be told of any more. Callers own the transaction.

The feed shows each transaction as it is now. So whoever reads on from an old cursor, or from the beginning, ends with
the mirror if each transaction keeps the newest of its old entries, and, for a reader that has never heard of it, the
`added` before a `modified`. What is left of the old grows with the transactions and not with time.

Rows of the feed of all Items that are as old are joined: the newest stands for them. A reader between them is told some
entries again.

Tests: `store/test_superseded_changes.py`.
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

# Of this many entries that a batch may remove, an Item is assumed to have one.
_ROWS_OF_ITEM = 20


@dataclass(frozen=True, kw_only=True)
class Step:
    """What was done. *item_id*: all Items up to this one are done; None: none is yet."""

    removed: int
    item_id: str | None
    is_last: bool


_NEEDLESS = """
    SELECT item_id, seq FROM (
        SELECT item_id, seq, max(seq) OVER entries AS newest,
               max(seq) FILTER (WHERE kind = 'added') OVER entries AS newest_added,
               first_value(kind) OVER (PARTITION BY item_id, transaction_id ORDER BY seq DESC) AS newest_kind
        FROM changes WHERE {of_items} AND changed_at < :before
        WINDOW entries AS (PARTITION BY item_id, transaction_id)
    ) AS old
    WHERE seq < newest AND NOT (seq = newest_added AND newest_kind = 'modified')
"""

_NEXT_ITEMS = sa.text("SELECT id FROM items WHERE id > :after ORDER BY id LIMIT :number")
_CHOOSE = sa.text(_NEEDLESS.format(of_items="item_id = ANY (:item_ids)") + " ORDER BY item_id, seq LIMIT :rows")
_REMOVE = sa.text(
    """
    DELETE FROM changes
    USING unnest(CAST(:item_ids AS text[]), CAST(:seqs AS bigint[])) AS chosen (item_id, seq)
    WHERE changes.item_id = chosen.item_id AND changes.seq = chosen.seq
    """
)
_COUNT = sa.text(
    "SELECT count(*) FROM (" + _NEEDLESS.format(of_items="true") + " LIMIT :at_most) AS found"  # noqa: S608 - ours
)
# The rows of an Item that hold nothing newer than the oldest entry which is not yet over.
_JOIN = sa.text(
    """
    WITH old AS MATERIALIZED (
        SELECT serial, item_id, after_seq, through_seq, max(through_seq) OVER of_item AS newest,
               min(after_seq) OVER of_item AS from_seq, count(*) OVER of_item AS number
        FROM change_stream
        WHERE item_id = ANY (:item_ids) AND position IS NOT NULL AND through_seq < coalesce(
            (SELECT min(seq) FROM changes
             WHERE changes.item_id = change_stream.item_id AND changed_at >= :before), 9223372036854775807)
        WINDOW of_item AS (PARTITION BY item_id)
    ), stands AS (
        UPDATE change_stream SET after_seq = old.from_seq FROM old
        WHERE change_stream.serial = old.serial AND old.through_seq = old.newest AND old.number > 1
    )
    DELETE FROM change_stream USING old WHERE change_stream.serial = old.serial AND old.through_seq < old.newest
    """
)


def remove(conn: Connection, after: str | None, *, before: datetime, rows: int) -> Step:
    """Remove up to *rows* needless entries older than *before*, of the Items after *after*; None: the first Items."""
    number = max(1, rows // _ROWS_OF_ITEM)
    item_ids = list(conn.scalars(_NEXT_ITEMS, {"after": after or "", "number": number}))
    if not item_ids:
        return Step(removed=0, item_id=after, is_last=True)
    chosen = conn.execute(_CHOOSE, {"item_ids": item_ids, "before": before, "rows": rows}).all()
    if chosen:
        seqs = {"item_ids": [row.item_id for row in chosen], "seqs": [row.seq for row in chosen]}
        conn.execute(_REMOVE, seqs)
    if len(chosen) == rows:
        # There may be more of the same Items.
        return Step(removed=len(chosen), item_id=after, is_last=False)
    conn.execute(_JOIN, {"item_ids": item_ids, "before": before})
    return Step(removed=len(chosen), item_id=item_ids[-1], is_last=len(item_ids) < number)


def overdue(conn: Connection, *, before: datetime, at_most: int) -> int:
    """Return how many entries are needless and older than *before*; *at_most* stands for as many or more."""
    number: int = conn.execute(_COUNT, {"before": before, "at_most": at_most}).scalar_one()
    return number
