"""What explains an Item is read from every table that knows of it."""

from datetime import timedelta

import sqlalchemy as sa

from pluggy_sync.rules.freshness import State
from pluggy_sync.store import explanations
from pluggy_sync.store.explanations import Explained
from pluggy_sync.store.tables import deliveries, inbox
from tests.kit.service import Service

GRACE = timedelta(hours=12)


def explained(service: Service, item_id: str) -> Explained | None:
    with service.res.database.begin() as conn:
        return explanations.read(conn, item_id, now=service.res.now(), grace=GRACE)


def test_an_item_that_is_not_known_has_no_explanation(service: Service):
    assert explained(service, "11111111-1111-4111-8111-111111111111") is None


def test_the_sentence_names_the_bank_the_need_and_its_deadline(service: Service):
    item_id = service.upstream.connect(connector=5)
    service.catch_up()

    found = explained(service, item_id)

    assert found is not None
    assert found.bank is not None
    assert f"{found.bank} asks for a code (WAITING_USER_INPUT); the time for it ends in" in found.sentence
    assert [each.kind for each in found.actions] == ["mfa"]
    assert found.remarks == []


def test_what_was_given_up_is_remarked(service: Service):
    item_id = service.upstream.connect()
    service.catch_up()
    with service.res.database.begin() as conn:
        conn.execute(sa.update(inbox).values(state="dead"))
        conn.execute(sa.update(deliveries).values(state="dead"))

    found = explained(service, item_id)

    assert found is not None
    assert found.sentence.startswith("Fresh: ")
    assert len(found.remarks) == 2


def test_an_item_is_not_called_fresh_while_an_event_of_it_waits(service: Service):
    item_id = service.upstream.connect()
    service.catch_up()
    service.upstream.run(item_id)
    events = service.upstream.take_events()
    service.deliver(*events)

    waiting = explained(service, item_id)
    service.work_until_quiet()
    handled = explained(service, item_id)

    assert waiting is not None
    assert waiting.freshness.state is State.FRESH
    assert waiting.sentence.startswith(f"{len(events)} event")
    assert "wait" in waiting.sentence
    assert waiting.news is not None
    assert waiting.may_have_changed
    assert handled is not None
    assert handled.sentence.startswith("Fresh: ")
    assert handled.news is None


def test_an_event_that_was_given_up_before_it_was_looked_at_keeps_an_item_from_being_called_fresh(service: Service):
    item_id = service.upstream.connect()
    service.catch_up()
    service.upstream.run(item_id)
    service.deliver(*service.upstream.take_events())
    with service.res.database.begin() as conn:
        conn.execute(sa.update(inbox).where(inbox.c.state == "stored").values(state="dead"))

    found = explained(service, item_id)

    assert found is not None
    assert "could not be handled" in found.sentence
