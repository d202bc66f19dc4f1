"""What is measured: requests of the product, the sweep and its like, metrics, an operator's lists, events, syncs."""

import dataclasses
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import Connection, Engine

from bench import rows as made
from bench.growth.history import account_id, item_id
from pluggy_sync import events
from pluggy_sync.notifications import messages
from pluggy_sync.rules.freshness import State
from pluggy_sync.store import (
    deliveries,
    inbox,
    item_notices,
    item_progress,
    items,
    metrics,
    pluggy_reads,
    reconciliation,
    sync_runs,
    sync_state,
    transactions,
    user_actions,
)
from pluggy_sync.store.endpoints import ENVIRONMENT
from webhook_app.api import paging

# An Item that nothing is open of.
ITEM = 199
# In the order of ids; behind it a page is full, also in the small database.
DEEP = "b0000000-0000-0000-0000-000000000000"
CONNECTOR = 50


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two databases."""

    database: Engine
    web: FlaskClient
    token: str

    def get(self, path: str, **query: str | int) -> Any:
        """Ask `/v1`."""
        answer = self.web.get(path, query_string=query, headers={"Authorization": f"Bearer {self.token}"})
        if answer.status_code != 200:
            raise RuntimeError(f"{path}: {answer.status_code} {answer.text}")
        return answer


@dataclass(frozen=True, kw_only=True)
class Operation:
    """Something done to one of the databases: a request, or queries in a transaction that is rolled back."""

    name: str
    request: Callable[[Side], object] | None = None
    queries: Callable[[Connection, datetime], object] | None = None
    # It is done once a minute, and reads all Items, whatever their history.
    reads_all_items: bool = False


def _items(**query: str | int) -> Callable[[Side], object]:
    return lambda side: side.get("/v1/items", limit=50, **query)


def _actions(**query: str | int) -> Callable[[Side], object]:
    return lambda side: side.get("/v1/actions", limit=50, **query)


def _merge_new(conn: Connection, now: datetime) -> object:
    # Rows of ids that nobody has yet.
    rows = [dataclasses.replace(row, id=str(uuid.uuid4()), account_id=account_id(ITEM)) for row in _SOME_ROWS]
    return transactions.merge(conn, item_id(ITEM), rows, began_at=now, now=now)


_SOME_ROWS = made.rows(100)


def _record(conn: Connection, now: datetime) -> object:
    event_id = str(uuid.uuid4())
    payload = {"event": "item/updated", "eventId": event_id, "itemId": item_id(ITEM)}
    return inbox.record(conn, events.of_payload(payload), received_at=now)


def _unlisted(conn: Connection, now: datetime) -> object:
    since = now - timedelta(days=4)
    return transactions.unlisted(conn, account_id(ITEM), set(), after=None, through=now, from_day=since.date())


def _all_metrics(side: Side) -> object:
    return side.get("/metrics")


def _days(side: Side) -> object:
    day = datetime.now(UTC).date() - timedelta(days=300)
    return side.get(f"/v1/accounts/{account_id(ITEM)}/transactions", limit=5, dateTo=str(day))


def _items_of_copy(
    *, deep: bool = False, client_user_id: str | None = None
) -> Callable[[Connection, datetime], object]:
    def query(conn: Connection, _now: datetime) -> object:
        row = items.get(conn, item_id(ITEM))
        assert row is not None
        place = (row.first_seen_at, row.id) if deep else None
        return pluggy_reads.items_before(conn, place, client_user_id=client_user_id, connector_id=None, limit=101)

    return query


def _transactions_of_copy(conn: Connection, now: datetime) -> object:
    return pluggy_reads.transactions_before(
        conn, account_id(ITEM), (now, ""), date_from=None, date_to=now.date(), created_from=None, limit=501
    )


OPERATIONS = (
    Operation(name="GET /v1/items, first page", request=_items()),
    Operation(name="GET /v1/items, deep cursor", request=_items(after=paging.cursor_to([DEEP]))),
    *(Operation(name=f"GET /v1/items?state={state}", request=_items(state=state)) for state in State),
    Operation(name="GET /v1/items?clientUserId=", request=_items(clientUserId=f"user-{ITEM}")),
    Operation(name="GET /v1/items/{id}", request=lambda side: side.get(f"/v1/items/{item_id(ITEM)}")),
    Operation(
        name="GET /v1/items/{id}/transactions/sync",
        request=lambda side: side.get(f"/v1/items/{item_id(ITEM)}/transactions/sync", cursor=2, limit=50),
    ),
    Operation(name="GET .../transactions?dateTo=", request=_days),
    Operation(name="GET /v1/actions", request=_actions()),
    Operation(name="GET /v1/actions?state=open", request=_actions(state="open")),
    Operation(name="GET /v1/actions?state=expired (none)", request=_actions(state="expired")),
    Operation(name="GET /v1/actions?clientUserId=", request=_actions(clientUserId=f"user-{ITEM}")),
    Operation(name="GET /v1/actions?itemId=", request=_actions(itemId=item_id(ITEM))),
    Operation(name="GET /metrics", request=_all_metrics),
    *(
        Operation(name=f"GET /pluggy/v2/items?{name}", queries=query)
        for name, query in {
            "": _items_of_copy(),
            "after=": _items_of_copy(deep=True),
            "clientUserId=": _items_of_copy(client_user_id=f"user-{ITEM}"),
        }.items()
    ),
    Operation(name="GET /pluggy/v2/transactions", queries=_transactions_of_copy),
    Operation(
        name="GET /pluggy/accounts",
        queries=lambda conn, _: pluggy_reads.accounts_of(
            conn, item_id(ITEM), type_=None, part=pluggy_reads.Slice(skip=0, most=500)
        ),
    ),
    Operation(name="an event stored", queries=_record),
    Operation(name="what there is to sync, read", queries=lambda conn, _: sync_state.read(conn, item_id(ITEM))),
    Operation(name="100 new rows merged", queries=_merge_new),
    Operation(name="rows of a window that are not listed", queries=_unlisted),
    Operation(name="sweep: due events", queries=lambda conn, now: inbox.take_due(conn, now=now, limit=500)),
    Operation(
        name="sweep: due events of persons",
        queries=lambda conn, now: inbox.take_due_urgent(conn, now=now, limit=500),
    ),
    Operation(
        name="sweep: due syncs",
        queries=lambda conn, now: item_progress.take_due_syncs(
            conn, now=now, until=now + timedelta(minutes=1), limit=500
        ),
    ),
    Operation(
        name="sweep: due notifications",
        queries=lambda conn, now: deliveries.take_due(
            conn, ENVIRONMENT, messages.URGENT, now=now, until=now + timedelta(minutes=1), limit=2000
        ),
    ),
    Operation(
        name="sweep: actions past their deadline",
        queries=lambda conn, now: user_actions.past_deadline(conn, now=now, limit=500),
    ),
    Operation(
        name="sweep: Items of a bank that is back",
        queries=lambda conn, now: items.to_fetch_since_bank_is_back(conn, CONNECTOR, back_at=now, limit=500),
    ),
    Operation(name="reminders due", queries=lambda conn, now: user_actions.to_remind(conn, now=now, limit=500)),
    Operation(
        name="submissions that are stuck", queries=lambda conn, now: user_actions.stuck(conn, before=now, limit=500)
    ),
    Operation(
        name="consents about to end", queries=lambda conn, now: item_notices.consents_ending(conn, now=now, limit=500)
    ),
    Operation(
        name="Items perhaps stale",
        queries=lambda conn, now: item_notices.perhaps_stale(conn, before=now - timedelta(hours=3), limit=500),
    ),
    Operation(
        name="silent Items",
        queries=lambda conn, now: reconciliation.silent(conn, due_before=now - timedelta(hours=3), limit=100),
    ),
    Operation(
        name="reconciliations due",
        queries=lambda conn, now: reconciliation.take_due(
            conn, before=now - timedelta(days=7), now=now, until=now + timedelta(hours=6), limit=50
        ),
    ),
    Operation(
        name="what reconciliation costs and waits for",
        queries=lambda conn, now: (
            sync_runs.requests_of_reconciliation(conn),
            reconciliation.silent_waiting(conn, now=now),
            reconciliation.oldest(conn),
        ),
    ),
    Operation(name="metrics: Items by status", queries=lambda conn, _: metrics.items_by_status(conn)),
    Operation(
        name="sweep: Items counted, once a minute",
        queries=lambda conn, now: metrics.count_items(conn, now=now, unless_since=now),
        reads_all_items=True,
    ),
    Operation(name="metrics: Items overdue", queries=metrics.items_overdue),
    Operation(name="metrics: what was missed", queries=lambda conn, _: metrics.missed(conn)),
    Operation(name="metrics: runs of the last hour", queries=metrics.runs_since),
    Operation(
        name="operator: handled events",
        queries=lambda conn, _: (inbox.newest(conn, state="handled", limit=100), inbox.count(conn, state="handled")),
    ),
    Operation(
        name="operator: dead events",
        queries=lambda conn, _: (inbox.newest(conn, state="dead", limit=100), inbox.count(conn, state="dead")),
    ),
    Operation(
        name="operator: delivered notifications",
        queries=lambda conn, _: (
            deliveries.newest(conn, state="delivered", limit=100),
            deliveries.count(conn, state="delivered"),
        ),
    ),
    Operation(name="runs of an Item", queries=lambda conn, _: sync_runs.before(conn, item_id(ITEM), None, limit=50)),
)


def once(operation: Operation, side: Side) -> float:
    """Do it once, and return the seconds that it took."""
    if operation.request is not None:
        began = time.perf_counter()
        operation.request(side)
        return time.perf_counter() - began
    assert operation.queries is not None
    with side.database.connect() as conn:
        # The transaction has begun before the clock starts, and nothing stays.
        conn.exec_driver_sql("SELECT 1")
        began = time.perf_counter()
        operation.queries(conn, datetime.now(UTC))
        seconds = time.perf_counter() - began
        conn.rollback()
    return seconds
