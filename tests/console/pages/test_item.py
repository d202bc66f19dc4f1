"""One page says why an Item is as it is."""

import pytest
import sqlalchemy as sa

from pluggy_sync.engine import submissions
from pluggy_sync.rules.timeline import Kind
from pluggy_sync.store import timeline, user_actions
from tests.console.pages.conftest import Browser
from tests.kit.service import Service

UNKNOWN = "11111111-1111-4111-8111-111111111111"


def test_the_page_begins_with_the_sentence_and_tells_what_happened_and_what_is_due(browser: Browser, service: Service):
    item_id = service.upstream.connect(connector=5)
    service.catch_up()

    page = browser.text(f"/items/{item_id}")

    assert "asks for a code (WAITING_USER_INPUT)" in page
    assert "A person is asked: mfa, WAITING_USER_INPUT" in page
    assert "Decided: a person must act (WAITING_USER_INPUT)" in page
    assert "The person&#39;s time to act ends" in page
    assert 'class="action_opened"' in page


def test_the_page_is_not_green_while_an_event_of_the_item_waits(browser: Browser, service: Service):
    item_id = service.upstream.connect()
    service.catch_up()
    before = browser.text(f"/items/{item_id}")
    service.upstream.run(item_id)
    service.deliver(*service.upstream.take_events())

    page = browser.text(f"/items/{item_id}")

    assert 'class="card why good"' in before
    assert 'class="card why busy"' in page
    assert "unhandled since" in page
    assert "as last fetched" in page


def test_older_entries_are_loaded_from_where_the_page_ended(browser: Browser, service: Service, monkeypatch):
    monkeypatch.setattr("console.pages.item.ENTRIES", 1)
    item_id = service.upstream.connect(connector=5)
    service.catch_up()

    addresses, page = [], browser.text(f"/items/{item_id}")
    shown = page.count("<summary>")
    while 'hx-get="/items/' in page:
        addresses.append(page.split('hx-get="')[1].split('"')[0].replace("&amp;", "&"))
        page = browser.text(addresses[-1])
        shown += page.count("<summary>")

    with service.res.database.begin() as conn:
        assert shown == len(timeline.before(conn, item_id, None, limit=100)) > 2
    assert len(set(addresses)) == len(addresses) > 1


def test_an_unknown_item_is_not_found(browser: Browser):
    answer = browser.get(f"/items/{UNKNOWN}")

    assert answer.status_code == 404
    assert "no event has named it" in answer.text


@pytest.mark.parametrize("query", ["", "?at=yesterday&kind=event&id=1"])
def test_what_is_no_position_is_refused(browser: Browser, query: str):
    assert browser.get(f"/items/{UNKNOWN}/timeline{query}").status_code == 400


def test_no_bank_data_and_no_answer_of_a_person_is_on_the_page(browser: Browser, service: Service):
    item_id = service.upstream.connect(connector=5)
    service.catch_up()
    with service.res.database.begin() as conn:
        (action,) = user_actions.unsettled(conn, item_id)
    submissions.answer_mfa(service.res, action.id, "123456")
    service.catch_up()
    with service.res.database.begin() as conn:
        texts = {
            row[0]
            for row in conn.execute(
                sa.text("SELECT description FROM transactions WHERE item_id = :id"), {"id": item_id}
            )
        }
        texts |= {
            row[0] for row in conn.execute(sa.text("SELECT number FROM accounts WHERE item_id = :id"), {"id": item_id})
        }

    page = browser.text(f"/items/{item_id}")

    assert len(texts) > 5
    assert [each for each in texts if each and each in page] == []
    assert "123456" not in page
    assert f'class="{Kind.SUBMISSION}"' in page
