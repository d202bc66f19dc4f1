"""Events that an operator may have to look at are listed, and one shows its payload redacted."""

import pytest
import sqlalchemy as sa

from pluggy_sync.store import event_lists
from pluggy_sync.store.tables import inbox
from tests.console.pages.conftest import Browser
from tests.kit.factories import an_event, an_id
from tests.kit.service import Service


@pytest.fixture
def events(service: Service) -> dict[str, str]:
    """The ids of one event of each kind."""
    bodies = {
        "dead": an_event("item/updated", itemId=an_id()),
        "waiting": an_event("item/error", itemId=an_id()),
        "unread": {**an_event("transactions/created", itemId=an_id()), "transactionsCreatedAtFrom": "Maria"},
        "kept": {"event": "something/else", "eventId": an_id()},
        "unknown": an_event("item/renamed", itemId=an_id(), newName="Conta da Maria"),
    }
    service.deliver(*bodies.values())
    ids = {which: str(body["eventId"]) for which, body in bodies.items()}
    with service.res.database.begin() as conn:
        made = {"dead": {"state": "dead", "error": "Pluggy: 500"}, "kept": {"state": "handled", "outcome": "kept"}}
        for which, values in made.items():
            conn.execute(sa.update(inbox).where(inbox.c.event_id == ids[which]).values(values))
        for which in ("unread", "unknown"):
            conn.execute(sa.update(inbox).where(inbox.c.event_id == ids[which]).values(state="handled"))
    return ids


@pytest.mark.parametrize(
    "which, shown",
    [
        ("dead", {"dead"}),
        ("waiting", {"waiting"}),
        ("unread", {"unread"}),
        ("kept", {"kept"}),
        ("unknown", {"unknown", "kept"}),
        ("all", {"dead", "waiting", "unread", "kept", "unknown"}),
    ],
)
def test_the_events_of_a_kind_are_listed(browser: Browser, events, which, shown):
    page = browser.text(f"/events?which={which}")

    assert {name for name, id_ in events.items() if id_ in page} == shown


def test_those_that_were_given_up_are_shown_first_with_the_error(browser: Browser, events):
    page = browser.text("/events")

    assert events["dead"] in page
    assert events["waiting"] not in page
    assert "Pluggy: 500" in page


def test_all_events_of_an_item_are_listed(browser: Browser, service: Service, events):
    body = an_event("item/updated", itemId=an_id())
    service.deliver(body)

    page = browser.text(f"/events?item={body['itemId']}")

    assert str(body["eventId"]) in page
    assert not [id_ for id_ in events.values() if id_ in page]


@pytest.mark.parametrize("scanned", [2, 5000])
@pytest.mark.parametrize("which", ["all", "unknown"])
def test_pages_hold_every_event_once_and_look_at_a_bounded_number(service, events, monkeypatch, which, scanned):
    monkeypatch.setattr(event_lists, "MAX_SCANNED", scanned)
    found, before, pages = [], None, 0
    with service.res.database.begin() as conn:
        while before is not None or pages == 0:
            page = event_lists.page(conn, before, event_lists.Filter(which=event_lists.Which(which)), limit=3)
            found += [each.event.event_id for each in page.events]
            before, pages = page.next, pages + 1

    wanted = events.values() if which == "all" else [events["unknown"], events["kept"]]
    assert sorted(found) == sorted(wanted)
    assert pages > 1 or scanned > 5


def test_of_a_payload_only_ids_codes_and_moments_are_shown(browser: Browser, events):
    page = browser.text(f"/events/{events['unknown']}")

    assert "item/renamed" in page
    assert "newName" in page
    assert "Maria" not in page
    assert "‹text of 14›" in page


def test_an_event_that_could_not_be_read_names_the_part(browser: Browser, events):
    page = browser.text(f"/events/{events['unread']}")

    assert "transactionsCreatedAtFrom" in page
    assert "kept to be read anew" in page
    assert "Maria" not in page


def test_an_unknown_event_is_not_found(browser: Browser):
    assert browser.get(f"/events/{an_id()}").status_code == 404
