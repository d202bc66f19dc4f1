"""The service in a scenario: events are delivered to it, its work is done, and its mirror is read."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from flask.testing import FlaskClient

from pluggy_sync.resources import Resources
from pluggy_sync.store.tables import inbox, items, outbox, sync_runs, transactions, user_actions
from tests.kit import mirror
from tests.kit.factories import WEBHOOK_SECRET
from tests.kit.pluggy import Payload, Upstream
from tests.kit.workers import run_queued, run_until_quiet


class Service:
    """Holds the web app and the resources of one process."""

    def __init__(self, web: FlaskClient, resources: Resources, upstream: Upstream) -> None:
        self.web = web
        self.res = resources
        self.upstream = upstream

    def deliver(self, *payloads: Payload) -> None:
        """Deliver events as Pluggy does; each is acknowledged."""
        for payload in payloads:
            response = self.web.post("/webhooks/pluggy", json=payload, headers={"X-Webhook-Secret": WEBHOOK_SECRET})
            assert response.status_code == 202, response.get_data(as_text=True)

    def work(self) -> None:
        """Do what is queued."""
        run_queued(self.res)

    def work_until_quiet(self) -> None:
        """Do what is queued and what is due later, until nothing is left."""
        run_until_quiet(self.res)

    def catch_up(self) -> None:
        """Deliver all that happened upstream, in order, and work until it is quiet."""
        self.deliver(*self.upstream.take_events())
        self.work_until_quiet()

    def rows(self, table: sa.Table, *where: Any) -> Sequence[sa.Row[Any]]:
        """Return the rows of *table*, in the order of its key."""
        with self.res.database.begin() as conn:
            return conn.execute(sa.select(table).where(*where).order_by(*table.primary_key.columns)).all()

    def item(self, item_id: str) -> sa.Row[Any]:
        """Return the Item's row."""
        (row,) = self.rows(items, items.c.id == item_id)
        return row

    def transaction_ids(self) -> set[str]:
        """Return the ids of all stored transactions."""
        return {row.id for row in self.rows(transactions)}

    def runs(self) -> Sequence[sa.Row[Any]]:
        """Return the sync runs, oldest first."""
        return sorted(self.rows(sync_runs), key=lambda run: run.started_at)

    def actions(self) -> Sequence[sa.Row[Any]]:
        """Return the user actions, oldest first."""
        return sorted(self.rows(user_actions), key=lambda action: action.created_at)

    def notifications(self) -> list[str]:
        """Return the types of the notifications, in the order in which they were written."""
        return [row.type for row in sorted(self.rows(outbox), key=lambda row: (row.created_at, row.sequence or 0))]

    def events(self) -> Sequence[sa.Row[Any]]:
        """Return the stored events, in the order in which they came in."""
        return self.rows(inbox)

    def assert_mirrors(self, item_id: str) -> None:
        """Check that the mirror of the Item equals the truth, field by field, and that its feed rebuilds it."""
        mirror.assert_mirrors(self.res.database, item_id, self.upstream.truth(item_id))
