"""The notifications say what the contract says, are numbered for their Item, and are queued once they are committed."""

import json
import uuid
from datetime import date, timedelta
from types import SimpleNamespace

import pytest

from pluggy_sync import queue, wire
from pluggy_sync.notifications import messages
from pluggy_sync.page_links import PageLinks
from pluggy_sync.rules.needs import Kind, Need
from pluggy_sync.store import deliveries, items, user_actions
from pluggy_sync.texts import catalogue
from pluggy_sync.transaction import Transaction
from tests.kit.factories import NOON

ITEM = "an-item"
LINKS = PageLinks("a-secret-key-of-the-tests-that-is-long-enough", "https://sync.example")
TEXTS = catalogue.read()
LATER = NOON + timedelta(days=1)
RUN = SimpleNamespace(
    id=uuid.UUID(int=7),
    item_id=ITEM,
    trigger="item/updated",
    window_from=date(2026, 3, 1),
    window_to=NOON,
    added=3,
    modified=2,
    removed=1,
    error="PluggyUnavailableError",
)


@pytest.fixture
def tx(database):
    with database.begin() as conn:
        items.lock(conn, ITEM, now=NOON)
        yield Transaction(conn=conn)


@pytest.fixture
def told(tx):
    """Return what was written, oldest first, as the product reads it."""

    def told():
        ids = [int(each.argument) for each in tx.queued if each.task in (queue.DELIVER, queue.DELIVER_URGENT)]
        pending = {each.id: each for each in deliveries.newest(tx.conn, state="pending", limit=100)}
        assert pending.keys() == set(ids)
        return [json.loads(pending[id_].body) for id_ in ids]

    return told


@pytest.fixture
def action(tx):
    need = Need(kind=Kind.CONSENT, reason="CONSENT_EXPIRING", dedup_key="consent", expires_at=LATER)
    return user_actions.open_new(tx.conn, ITEM, need, now=NOON)


def test_the_notifications_of_an_item_are_numbered_and_name_its_user(tx, told):
    messages.deleted(tx, ITEM, "user-42", now=NOON)
    messages.sync_failed(tx, RUN, None, will_retry_at=LATER, now=NOON)

    first, second = told()

    assert first == {
        "type": "item.deleted",
        "timestamp": wire.to_text(NOON),
        "data": {"itemId": ITEM, "clientUserId": "user-42", "sequence": 1, "replacedBy": None},
    }
    assert (second["type"], second["data"]["sequence"], second["data"]["clientUserId"]) == ("item.sync_failed", 2, None)
    assert second["data"]["run"] == {"id": str(RUN.id), "error": "PluggyUnavailableError"}
    assert second["data"]["willRetryAt"] == wire.to_text(LATER)


def test_a_sync_is_told_with_its_window_its_counts_and_where_to_read_on(tx, told):
    incomplete = [{"product": "loans", "accountId": None, "reason": "unavailable", "detail": "503"}]

    messages.synced(tx, RUN, "user-42", cursor=12, incomplete=incomplete, now=NOON)

    (message,) = told()
    data = message["data"]
    assert data["run"] == {
        "id": str(RUN.id),
        "trigger": "item/updated",
        "window": {"from": "2026-03-01", "to": wire.to_text(NOON)},
        "added": 3,
        "modified": 2,
        "removed": 1,
    }
    assert (data["cursor"], data["incomplete"]) == ("12", incomplete)


def test_a_sync_of_everything_has_no_beginning(tx, told):
    run = SimpleNamespace(**{**vars(RUN), "window_from": None, "window_to": None})

    messages.synced(tx, run, None, cursor=0, incomplete=[], now=NOON)

    assert told()[0]["data"]["run"]["window"] == {"from": None, "to": None}


def test_a_need_is_told_with_the_whole_action_and_a_link(tx, told, action):
    messages.action_required(tx, action, LINKS, TEXTS, now=NOON)
    messages.action_reminder(tx, action, LINKS, TEXTS, number=2, now=NOON)
    messages.consent_expiring(tx, action, LINKS, TEXTS, days_left=7, now=NOON)

    required, reminder, expiring = (each["data"] for each in told())

    assert required["action"]["id"] == action.id
    assert required["action"]["pageUrl"].startswith("https://sync.example/act/")
    assert (reminder["action"]["id"], reminder["number"]) == (action.id, 2)
    assert (expiring["action"]["id"], expiring["daysLeft"], expiring["consentExpiresAt"]) == (
        action.id,
        7,
        wire.to_text(LATER),
    )


def test_the_end_of_an_action_is_told_without_what_it_showed(tx, told, action):
    messages.action_settled(tx, action, messages.ACTION_EXPIRED, "EXPIRED", now=NOON)

    (message,) = told()
    assert message["type"] == "item.action_expired"
    assert message["data"]["action"] == {"id": action.id, "kind": "consent", "outcome": "EXPIRED"}


def test_a_connector_is_told_of_without_an_item_or_a_number(tx, told):
    messages.connector_status_changed(tx, 2, None, "OFFLINE", now=NOON)

    (message,) = told()
    assert message["data"] == {"connectorId": 2, "name": None, "status": "OFFLINE"}


def test_a_stale_item_is_told_of_with_its_last_and_next_update(tx, told):
    messages.stale(tx, items.get(tx.conn, ITEM), now=NOON)

    (message,) = told()
    assert message["type"] == "item.stale"
    assert {message["data"][name] for name in ("status", "reason", "lastUpdatedAt", "nextAutoSyncAt")} == {None}


def test_the_end_of_an_item_may_be_told_later(tx):
    messages.deleted(tx, ITEM, None, due_at=LATER, now=NOON)

    (message,) = tx.queued
    assert deliveries.claim(tx.conn, int(message.argument), now=NOON, until=LATER) is None
    assert deliveries.claim(tx.conn, int(message.argument), now=LATER, until=LATER + timedelta(minutes=1)) is not None


def test_what_is_kept_of_a_deletion_that_was_told_names_nobody(tx, told):
    messages.deleted(tx, ITEM, "user-42", now=NOON)
    (message,) = told()

    kept = json.loads(messages.without_person(json.dumps(message)))

    assert kept == {**message, "data": {**message["data"], "clientUserId": None}}
