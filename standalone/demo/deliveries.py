"""6. Deliveries that are forged, repeated or unknown."""

import uuid
from typing import Any

import sqlalchemy as sa

from pluggy_sync.store.tables import inbox, sync_runs
from standalone.demo.stage import Stage

Event = dict[str, Any]


def play(stage: Stage, item_id: str) -> None:
    """Send deliveries about an item that is synced."""
    _forged(stage, item_id)
    _repeated(stage, item_id)
    _unknown(stage, item_id)


def _forged(stage: Stage, item_id: str) -> None:
    event: Event = {"event": "item/deleted", "eventId": str(uuid.uuid4()), "itemId": item_id}
    headers = {stage.plan.webhook_secret_header: "not the secret"}

    response = stage.web.post("/webhooks/pluggy", json=event, headers=headers)

    stage.checks.equal("a forged delivery is refused", expected=401, seen=response.status_code)
    stage.checks.equal("and leaves no trace", expected="not stored", seen=_state(stage, event["eventId"]))


def _repeated(stage: Stage, item_id: str) -> None:
    delivery = next(
        each
        for each in _deliveries(stage)
        if each["payload"].get("itemId") == item_id and each["payload"]["event"] == "item/updated"
    )
    before = _effects(stage, item_id)

    stage.sandbox.control("POST", f"/deliveries/{delivery['id']}/replay")
    stage.settle()

    stage.checks.tell(f"{delivery['payload']['event']} comes a second time, with the same id")
    stage.checks.equal("a repeated delivery has one effect", expected=before, seen=_effects(stage, item_id))


def _unknown(stage: Stage, item_id: str) -> None:
    event: Event = {"event": "item/unheard_of", "eventId": str(uuid.uuid4()), "itemId": item_id, "surprise": [1, 2]}

    [sent] = stage.sandbox.control("POST", "/deliver", {"payload": event})["results"]
    stage.settle()

    answers = [
        attempt["status"] for each in _deliveries(stage) if each["id"] == sent["id"] for attempt in each["attempts"]
    ]
    stage.checks.equal("an unknown event is taken", expected=[202], seen=answers)
    stage.checks.equal("and kept", expected="handled", seen=_state(stage, event["eventId"]))


def _deliveries(stage: Stage) -> list[Event]:
    deliveries: list[Event] = stage.sandbox.deliveries()
    return deliveries


def _effects(stage: Stage, item_id: str) -> str:
    """Return what the item's events have led to so far."""
    with stage.database.connect() as conn:
        events = conn.scalar(sa.select(sa.func.count()).where(inbox.c.item_id == item_id))
        runs = conn.scalar(sa.select(sa.func.count()).where(sync_runs.c.item_id == item_id))
    return f"{events} events, {runs} syncs, {len(stage.notifications.about(item_id))} notifications"


def _state(stage: Stage, event_id: str) -> str:
    with stage.database.connect() as conn:
        return conn.scalar(sa.select(inbox.c.state).where(inbox.c.event_id == event_id)) or "not stored"
