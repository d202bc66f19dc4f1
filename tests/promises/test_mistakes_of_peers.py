"""Three mistakes that open-source peers ship, each as the history that shows it."""

import pytest

from pluggy_sync.store.tables import inbox, transactions
from tests.kit.factories import WEBHOOK_SECRET
from tests.kit.workers import take_messages


def test_a_newer_event_within_the_same_second_is_not_dropped(service, upstream):
    # The sandbox's clock stands still: both runs end in the same second, milliseconds apart.
    item_id = upstream.connect()
    service.catch_up()
    first = upstream.truth(item_id)["item"]["lastUpdatedAt"]
    added = upstream.evolve(item_id, {"kind": "add", "count": 2})["added"]
    upstream.run(item_id)
    assert upstream.truth(item_id)["item"]["lastUpdatedAt"][:19] == first[:19]

    service.catch_up()

    assert set(added) <= service.transaction_ids()
    service.assert_mirrors(item_id)


@pytest.mark.parametrize(
    "dies_in, is_stored",
    [("pluggy_sync.store.inbox.run_alone", False), ("pluggy_sync.queue.Publisher.publish", True)],
)
def test_an_event_is_not_taken_for_seen_before_it_is_stored_and_queued(
    service, upstream, web, monkeypatch, dies_in, is_stored
):
    item_id = upstream.connect()
    events = upstream.take_events()
    headers = {"X-Webhook-Secret": WEBHOOK_SECRET}

    def die(*_args, **_more):
        raise RuntimeError

    with monkeypatch.context() as dying:
        dying.setattr(dies_in, die)
        statuses = {web.post("/webhooks/pluggy", json=event, headers=headers).status_code for event in events}
        assert take_messages(service.res) == []
    stored = {row.event_id for row in service.rows(inbox)}
    assert stored == ({event["eventId"] for event in events} if is_stored else set())
    assert statuses == {202 if is_stored else 503}

    # Pluggy delivers again what was not acknowledged, and anything else when it likes.
    service.deliver(*events)
    service.work()

    service.assert_mirrors(item_id)


def test_a_correction_is_not_lost_to_a_row_that_is_there_already(service, upstream):
    item_id = upstream.connect()
    service.catch_up()
    (edited,) = upstream.evolve(item_id, "edit")["modified"]
    upstream.run(item_id)

    service.catch_up()

    (row,) = service.rows(transactions, transactions.c.id == edited)
    assert "(rev " in row.raw["descriptionRaw"]
    service.assert_mirrors(item_id)


def test_a_correction_outside_the_window_is_not_lost_either(service, upstream):
    upstream.settings(firstRunDays=60)
    item_id = upstream.connect()
    service.catch_up()
    (edited,) = upstream.evolve(item_id, {"kind": "edit", "days": 25})["modified"]
    before = service.rows(transactions, transactions.c.id == edited)
    upstream.settings(overlapDays=7)
    upstream.later(days=1)
    upstream.run(item_id)

    service.catch_up()

    service.assert_mirrors(item_id)
    assert before
