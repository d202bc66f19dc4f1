"""A hundred events of one Item at once, through the web app's intake, on real Celery workers: the runs they make."""

from collections.abc import Sequence

import sqlalchemy as sa
from flask.testing import FlaskClient

from bench.outcome import Outcome
from bench.stage import (
    WEBHOOK_SECRET,
    Stage,
    connect,
    next_day,
    resources_of,
    running_workers,
)
from pluggy_sync import events
from pluggy_sync.resources import Resources
from pluggy_sync.settings import read_settings
from pluggy_sync.store.tables import inbox, item_progress, sync_runs
from standalone.polling import eventually
from standalone.sandbox import Sandbox
from webhook_app.app import create_app

MOST_RUNS = 2


def measure(stage: Stage, pluggy: Sandbox, *, count: int = 100, processes: int = 4) -> list[Outcome]:
    """Return the outcome of a burst of *count* events."""
    item_id = connect(pluggy, "user-ok")
    with stage.environ(pluggy.url) as environ, resources_of(environ) as res:
        web = create_app(read_settings(environ), res).test_client()
        with running_workers(environ, processes=processes):
            _deliver(web, item_id, ["first"])
            eventually(lambda: _is_quiet(res, 1), within_s=60, what="the first sync")
            next_day(pluggy, item_id, "add")
            pluggy.take_reads()
            _deliver(web, item_id, [f"burst-{number}" for number in range(count)])
            eventually(lambda: _is_quiet(res, count + 1), within_s=120, what="the burst handled")
        with res.database.begin() as conn:
            runs = conn.execute(sa.select(sa.func.count()).select_from(sync_runs)).scalar_one() - 1
        fetches = sum(each["path"].startswith("/items/") for each in pluggy.take_reads())
    return [
        Outcome(
            what=f"a burst of {count} events for one Item",
            measured=f"{runs} runs, {fetches} fetches",
            reference=f"one for each event: {count} runs, {count} fetches",
            ratio=f"{runs / count:.0%}",
            target=f"<= {MOST_RUNS} runs",
            met=runs <= MOST_RUNS,
        )
    ]


def _deliver(web: FlaskClient, item_id: str, event_ids: Sequence[str]) -> None:
    for event_id in event_ids:
        payload = {"event": "item/updated", "eventId": event_id, "itemId": item_id}
        web.post("/webhooks/pluggy", json=payload, headers={"X-Webhook-Secret": WEBHOOK_SECRET})


def _is_quiet(res: Resources, count: int) -> bool:
    with res.database.begin() as conn:
        handled = conn.execute(
            # So many updates at once contradict the one that the bank shows, and the service fetches it again later.
            sa.select(sa.func.count()).where(inbox.c.state == "handled", inbox.c.name != events.FETCH_REQUESTED)
        ).scalar_one()
        synced = conn.execute(
            sa.select(sa.func.count())
            .select_from(item_progress)
            .where(item_progress.c.synced_seq > 0, item_progress.c.sync_requested_seq <= item_progress.c.synced_seq)
        ).scalar_one()
    return handled == count and synced == 1
