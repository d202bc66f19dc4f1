"""The inbox: attempts are counted before a payload is read, and what could not be read is read anew."""

from datetime import UTC, datetime

import sqlalchemy as sa

from pluggy_sync import events
from pluggy_sync.engine import events as handling
from pluggy_sync.store import inbox, tables
from tests.kit.factories import an_event, an_id

NOW = datetime(2026, 3, 10, 15, 0, tzinfo=UTC)


def record(conn, **changes):
    return inbox.record(conn, events.of_payload(an_event(**changes)), received_at=NOW)


def test_each_attempt_is_counted_before_anything_of_the_event_is_read(database):
    with database.begin() as conn:
        event_id = record(conn).event_id
    seen = []
    for _ in range(3):
        with database.begin() as conn:
            row = inbox.begin_attempt(conn, event_id)
        seen.append(row.attempts)

    assert seen == [0, 1, 2]
    assert isinstance(row.payload, str)
    with database.begin() as conn:
        assert inbox.get(conn, event_id).attempts == 3


def test_an_event_that_does_not_wait_is_not_begun(database):
    with database.begin() as conn:
        event_id = record(conn).event_id
        inbox.finish(conn, event_id, "noted", now=NOW)

        assert inbox.begin_attempt(conn, event_id) is None
        assert inbox.begin_attempt(conn, "nothing") is None
        assert inbox.get(conn, event_id).attempts == 0


def test_an_event_that_ends_its_process_comes_to_an_end(service, resources, monkeypatch):
    """As if reading it took all memory: no handler of the code sees that."""

    class KilledError(BaseException):
        pass

    def kill(*_):
        raise KilledError

    with resources.database.begin() as conn:
        event_id = record(conn, itemId=an_id()).event_id
    monkeypatch.setattr(handling.events, "of_stored", kill)
    for _ in range(5):
        try:
            handling.handle_event(resources, event_id)
        except KilledError:
            continue

    assert service.events()[0].attempts == 5


def test_a_stored_event_that_cannot_be_read_makes_its_item_fetched(service, upstream, resources):
    item_id = upstream.connect()
    upstream.take_events()
    with resources.database.begin() as conn:
        event_id = record(conn, itemId=item_id).event_id
        conn.execute(sa.update(tables.inbox).values(payload=sa.text("""'"no object"'::jsonb""")))

    handling.handle_event(resources, event_id)

    assert service.item(item_id).status == "UPDATED"
    assert service.events()[0].state == "handled"


def test_a_number_that_an_older_version_stored_does_no_harm(service, upstream, resources):
    item_id = upstream.connect()
    upstream.take_events()
    with resources.database.begin() as conn:
        event_id = record(conn, itemId=item_id).event_id
        conn.execute(sa.update(tables.inbox).values(payload=sa.text("""'{"n": 1e4300}'::jsonb""")))

    handling.handle_event(resources, event_id)

    assert service.events()[0].state == "handled"
    assert service.item(item_id).status == "UPDATED"


def test_removing_a_person_removes_the_body_as_it_came_too(database):
    with database.begin() as conn:
        event = events.of_payload(an_event(clientUserId="user-42", triggeredBy=5))
        inbox.record(conn, event, received_at=NOW, raw=b"user-42")
        inbox.remove_person(conn, event.item_id)

        row = conn.execute(sa.select(tables.inbox)).one()

    assert (row.raw, "clientUserId" in row.payload) == (None, False)


def test_a_repeat_raises_nothing_and_makes_no_progress_of_an_item_that_has_none(database):
    payload = an_event(itemId="item-1", eventId="e", transactionIds=[])
    with database.begin() as conn:
        first = inbox.record(conn, events.of_payload(payload), received_at=NOW)
        again = inbox.record(conn, events.of_payload(payload), received_at=NOW)
        odd = inbox.record(conn, events.of_payload({**payload, "accountId": 5}), received_at=NOW)
        counts = conn.execute(sa.select(tables.item_progress.c.item_id, tables.item_progress.c.last_event_seq)).all()

    assert [each.is_new for each in (first, again, odd)] == [True, False, False]
    assert [tuple(each) for each in counts] == [("item-1", 1)]
