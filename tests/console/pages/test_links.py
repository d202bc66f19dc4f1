"""Items that took the place of others: what waits for an operator, why it is believed, and deciding."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from pluggy_sync.store import audit
from pluggy_sync.store.tables import accounts, items, outbox
from tests.console.pages.conftest import OPERATOR, Browser
from tests.kit.factories import an_id
from tests.kit.pluggy import FEW_PRODUCTS
from tests.kit.service import Service

PERSON = {"cpf": "761.092.776-73"}
DIRECT, OPEN_FINANCE = 201, 601
PRODUCTS = [*FEW_PRODUCTS, "IDENTITY"]

Pair = tuple[str, str]


def connect_twice(service: Service, **more) -> Pair:
    """Let a person connect the same bank twice; *more* is said of the newer Item."""
    old = service.upstream.connect("user-ok", connector=DIRECT, parameters=PERSON, products=PRODUCTS)
    service.catch_up()
    service.upstream.later(days=1)
    more = {"products": PRODUCTS, **more}
    new = service.upstream.connect("none", connector=OPEN_FINANCE, parameters=PERSON, **more)
    service.upstream.approve(new)
    service.upstream.later(seconds=180)
    service.catch_up()
    return old, new


@pytest.fixture
def linked(service: Service) -> Pair:
    """Two Items that the rule has linked, the older first."""
    return connect_twice(service)


@pytest.fixture
def suggested(service: Service) -> Pair:
    """Two Items of which the rule is not sure, the older first: the newer one lacks an account."""
    return connect_twice(service, products=["ACCOUNTS", "TRANSACTIONS", "IDENTITY"])


def page_of(pair: Pair) -> str:
    return f"/links/{pair[0]}/{pair[1]}"


def acts_of(service: Service) -> Iterator[tuple[str, str, str | None, object]]:
    """Return who did what, to what, with what; newest first, without the sign-in."""
    with service.res.database.begin() as conn:
        for each in audit.before(conn, None, limit=100)[:-1]:
            yield each.operator, each.what, each.about, each.detail


def told(service: Service) -> list[str]:
    with service.res.database.begin() as conn:
        stmt = sa.select(outbox.c.type).where(outbox.c.type.like("item.replace%")).order_by(outbox.c.created_at)
        return list(conn.scalars(stmt))


def test_only_what_waits_for_an_operator_is_listed_unless_another_state_is_asked_for(browser: Browser, suggested: Pair):
    assert page_of(suggested) in browser.text("/links")
    assert page_of(suggested) not in browser.text("/links?state=linked")
    assert page_of(suggested) in browser.text("/links?state=")


def test_a_link_that_the_rule_made_waits_for_nobody(browser: Browser, linked: Pair):
    page = browser.text("/links")

    assert "None waits for you." in page
    assert page_of(linked) not in page
    assert page_of(linked) in browser.text("/links?state=linked")


def test_a_suggestion_is_shown_with_what_speaks_for_it_and_what_a_link_would_do(
    browser: Browser, service: Service, suggested: Pair
):
    page = browser.text(page_of(suggested))

    assert "accounts lacking" in page
    assert "same rows" in page
    assert "of 100" in page
    of_newer = service.rows(accounts, accounts.c.item_id == suggested[1])
    assert [row.id in page for row in of_newer] == [True]
    assert not [row for row in service.rows(accounts) if row.number in page]
    assert "What a link would do" in page
    assert " 0 rows of the older" not in page
    assert service.item(suggested[0]).replaced_by is None


def test_a_suggestion_is_confirmed_and_undone(browser: Browser, service: Service, suggested: Pair):
    page, (old, new) = page_of(suggested), suggested

    answer = browser.send(page, f"{page}/confirm")

    assert answer.location == page
    assert service.item(old).replaced_by == new
    after = browser.text(page)
    assert "Linked. The product is told." in after
    assert f"{page}/confirm" not in after
    assert told(service) == ["item.replaced"]

    browser.send(page, f"{page}/undo")

    assert service.item(old).replaced_by is None
    assert "stands in its own place" in browser.text(page)
    assert told(service) == ["item.replaced", "item.replacement_undone"]
    assert list(acts_of(service)) == [
        (OPERATOR, "undo_link", old, {"newer": new}),
        (OPERATOR, "confirm_link", old, {"newer": new}),
    ]


def test_a_suggestion_is_turned_down_and_waits_no_more(browser: Browser, service: Service, suggested: Pair):
    page = page_of(suggested)
    assert "Turn it down" in browser.text(page)

    browser.send(page, f"{page}/undo")

    assert "None waits for you." in browser.text("/links")
    assert "Turn it down" not in browser.text(page)
    assert told(service) == []


def test_a_form_without_its_token_does_nothing(browser: Browser, service: Service, suggested: Pair):
    for act in ("confirm", "undo"):
        assert browser.client.post(f"{page_of(suggested)}/{act}").status_code == 400

    assert list(acts_of(service)) == []
    assert page_of(suggested) in browser.text("/links")


def test_what_cannot_be_done_is_said_with_its_reason_and_stands_in_the_audit_log(
    browser: Browser, service: Service, linked: Pair
):
    page = page_of(linked)

    browser.send(page, f"{page}/confirm")

    assert "Nothing was done. The older Item was replaced already" in browser.text(page)
    assert [what for _, what, _, _ in acts_of(service)] == ["confirm_link"]


def test_two_items_that_have_no_link_are_compared(browser: Browser, service: Service, linked: Pair):
    old, new = linked
    answer = browser.get(f"/links/compare?old={new.upper()}&new=+{old}")
    assert answer.location == page_of((new, old))

    page = browser.text(answer.location)

    assert "no link" in page
    assert "not newer" in page


def test_items_that_the_rule_rules_out_have_no_button(browser: Browser, service: Service, linked: Pair):
    page = browser.text(page_of(linked[::-1]))

    assert "The rule rules this out." in page
    assert "/confirm" not in page


def test_a_link_whose_older_item_is_deleted_is_shown_and_cannot_be_undone(
    browser: Browser, service: Service, linked: Pair
):
    old, _ = linked
    service.upstream.delete(old)
    service.catch_up()
    with service.res.database.begin() as conn:
        assert conn.scalar(sa.select(items.c.deleted_at).where(items.c.id == old)) is not None

    page = browser.text(page_of(linked))

    assert "cannot be undone" in page
    assert "/undo" not in page


def test_the_page_of_each_of_the_two_leads_to_their_link(browser: Browser, linked: Pair):
    old, new = linked

    assert f'href="{page_of(linked)}">A newer one: <code>{new[:8]}' in browser.text(f"/items/{old}")
    assert f'href="{page_of(linked)}">An older one: <code>{old[:8]}' in browser.text(f"/items/{new}")


@pytest.mark.parametrize("act", ["", "/confirm", "/undo"])
def test_items_that_are_not_known_here_are_not_found_and_nothing_is_written(
    browser: Browser, service: Service, act: str
):
    page = page_of((an_id(), an_id()))

    answer = browser.send("/links", f"{page}{act}") if act else browser.get(page)

    assert answer.status_code == 404
    assert list(acts_of(service)) == []
