"""
A person connects the same bank anew: two Items, one series.

The story at the end is the whole of it: two years of history, Open Finance, and the old Item deleted a week later.
"""

from decimal import Decimal

import pytest
import sqlalchemy as sa

from pluggy_sync import wire
from pluggy_sync.engine import deletion, reconciliation, reminders, succession, sweep
from pluggy_sync.engine.succession import CannotLinkError
from pluggy_sync.rules.succession import Reason
from pluggy_sync.store import item_links, pluggy_reads, series
from pluggy_sync.store.item_links import State
from pluggy_sync.store.tables import (
    account_links,
    accounts,
    balances,
    identities,
    items,
    outbox,
    predecessor_searches,
    transaction_links,
    transactions,
    user_actions,
)
from tests.kit.factories import API_TOKEN
from tests.kit.pluggy import FEW_PRODUCTS, ImpossibleError

DIRECT, OPEN_FINANCE = 201, 601
PRODUCTS = [*FEW_PRODUCTS, "IDENTITY"]
CPF, OTHER_CPF = "761.092.776-73", "238.242.640-30"


def connect_directly(service, cpf=CPF, user="user-ok", **more):
    item_id = service.upstream.connect(user, connector=DIRECT, parameters={"cpf": cpf}, products=PRODUCTS, **more)
    service.catch_up()
    return item_id


def connect_by_open_finance(service, cpf=CPF, **more):
    more = {"products": PRODUCTS, **more}
    item_id = service.upstream.connect("none", connector=OPEN_FINANCE, parameters={"cpf": cpf}, **more)
    service.upstream.approve(item_id)
    # Another holder of some of these persons' accounts approves a little later.
    service.upstream.later(seconds=180)
    service.catch_up()
    return item_id


def call(service, path, method="GET"):
    answer = service.web.open(path, method=method, headers={"Authorization": f"Bearer {API_TOKEN}"})
    return answer.status_code, wire.decode(answer.get_data())


def series_of(service, account_id):
    """Return all rows of the series, page by page, as the product reads it."""
    found, after = [], ""
    while True:
        _, page = call(service, f"/v1/accounts/{account_id}/transactions?withPredecessors=true&limit=100{after}")
        found += page["results"]
        if page["next"] is None:
            return found
        after = f"&after={page['next']}"


def series_in_sql(service, account_id):
    """Return the ids of the series as a company's own query finds them."""
    stmt = sa.text("SELECT id FROM mirror.transaction_series WHERE series_account_id = :account_id")
    with service.res.database.begin() as conn:
        return sorted(conn.scalars(stmt, {"account_id": account_id}))


def told(service, type_):
    return [wire.decode(row.body)["data"] for row in service.rows(outbox, outbox.c.type == type_)]


def links(service):
    with service.res.database.begin() as conn:
        return item_links.newest(conn, state=None, limit=10)


def accounts_of(service, item_id):
    return {row.subtype: row for row in service.rows(accounts, accounts.c.item_id == item_id)}


@pytest.fixture
def two_items(service):
    old = connect_directly(service)
    service.upstream.later(days=3)
    return old, connect_by_open_finance(service)


def test_the_second_connection_of_a_person_replaces_the_first_and_the_product_is_told_once(service, two_items):
    old, new = two_items

    (link,) = links(service)
    assert (link.old_item_id, link.new_item_id, link.state) == (old, new, State.LINKED)
    assert {Reason.SAME_DOCUMENT, Reason.SAME_USER, Reason.SAME_ROWS} <= {*link.reasons}
    (data,) = told(service, "item.replaced")
    before, after = accounts_of(service, old), accounts_of(service, new)
    assert data["itemId"] == old
    assert data["by"] == new
    assert sorted(data["accounts"], key=str) == sorted(
        ({"old": before[each].id, "new": after[each].id} for each in before), key=str
    )
    service.catch_up()
    assert len(told(service, "item.replaced")) == 1
    _, item = call(service, f"/v1/items/{old}")
    assert (item["replacedBy"], item["freshness"]["reason"]) == (new, "REPLACED")


def test_each_row_is_in_the_series_once_and_the_rows_of_both_items_are_left_as_they_are(service, two_items):
    old, new = two_items
    account = accounts_of(service, new)["CHECKING_ACCOUNT"]

    found = series_of(service, account.id)

    bank = {row["providerId"] for row in found if row["accountId"] == account.id}
    own = service.rows(transactions, transactions.c.account_id == account.id)
    assert {row["id"] for row in found} >= {row.id for row in own}
    # The old window began three days earlier: those days are history.
    history = [row for row in found if row["accountId"] != account.id]
    assert {row["accountId"] for row in history} == {accounts_of(service, old)["CHECKING_ACCOUNT"].id}
    assert len(bank) == len(own)
    first = min(row.day for row in own)
    with service.res.database.begin() as conn:
        days = conn.scalars(sa.select(transactions.c.day).where(transactions.c.id.in_([row["id"] for row in history])))
        assert all(day <= first for day in days)
    service.assert_mirrors(old)
    service.assert_mirrors(new)


def test_the_replaced_item_is_no_longer_synced_asked_about_or_refreshed(service, two_items, clock):
    old, new = two_items
    rows = len(service.rows(transactions, transactions.c.item_id == old))
    service.upstream.later(days=2)
    service.upstream.run(old)
    service.upstream.take_requests()

    service.catch_up()

    reads = service.upstream.take_requests()
    assert [each for each in reads if each["path"].startswith(("/accounts", "/v2"))] == []
    assert len(service.rows(transactions, transactions.c.item_id == old)) == rows
    status, problem = call(service, f"/v1/items/{old}/refresh", "POST")
    assert (status, problem["code"], problem["replacedBy"]) == (409, "item-replaced", new)
    clock.advance(days=40)
    reminders.remind(service.res)
    assert "item.stale" not in [kind for kind in service.notifications() if kind == "item.stale"][1:]
    reconciliation.find_missed(service.res)
    assert old not in [row.item_id for row in service.events() if row.payload.get("why") == "silent past its auto-sync"]


def test_what_the_old_item_still_asked_of_its_person_is_over(service):
    old = connect_directly(service)
    service.upstream.update(old, {"user": "user-locked", "password": "password-ok"})
    service.catch_up()
    assert [row.state for row in service.actions()] == ["open"]

    service.upstream.later(days=1)
    new = connect_by_open_finance(service)
    service.upstream.update(old, {"user": "user-error", "password": "password-ok"})
    service.catch_up()

    assert service.item(old).replaced_by == new
    assert [(row.state, row.outcome) for row in service.actions() if row.item_id == old] == [("superseded", "replaced")]
    assert told(service, "item.action_reminder") == []


LOOK_ALIKES = {
    "a relative at the same bank": {"cpf": OTHER_CPF},
    "another user whose id is not known": {"cpf": OTHER_CPF, "clientUserId": None},
}


@pytest.mark.parametrize("other", LOOK_ALIKES.values(), ids=LOOK_ALIKES)
def test_a_look_alike_is_left_alone(service, other):
    connect_directly(service, clientUserId=other.get("clientUserId", "user-42"))
    service.upstream.later(days=1)

    second = connect_by_open_finance(service, **other)

    assert accounts_of(service, second)
    assert links(service) == []
    assert told(service, "item.replaced") == []
    assert service.rows(transaction_links) == []


@pytest.mark.parametrize("user", ["user-42", "user-43"], ids=["under one user", "under two users"])
def test_a_joint_account_that_each_of_its_holders_connects_is_left_alone(service, user):
    """The bank gives each holder the same account, with the document of the first holder."""
    first = connect_directly(service)
    service.upstream.later(days=1)
    second = connect_by_open_finance(service, cpf=OTHER_CPF, clientUserId=user)
    assert accounts_of(service, second).keys() == accounts_of(service, first).keys()
    with service.res.database.begin() as conn:
        for joint in conn.execute(sa.select(accounts).where(accounts.c.item_id == first)).all():
            conn.execute(
                sa.update(accounts)
                .where(accounts.c.item_id == second, accounts.c.subtype == joint.subtype)
                .values(number=joint.number, raw=joint.raw)
            )

    succession.find_predecessors(service.res, second)
    succession.find_predecessors(service.res, first)

    assert links(service) == []
    assert service.item(first).replaced_by is None


def test_a_person_at_two_banks_with_the_same_number_is_left_alone(service):
    connect_directly(service)
    service.upstream.later(days=1)
    item_id = service.upstream.connect("none", connector=600, parameters={"cpf": CPF}, products=PRODUCTS)
    service.upstream.approve(item_id)
    service.catch_up()
    with service.res.database.begin() as conn:
        first = conn.execute(sa.select(accounts).where(accounts.c.item_id != item_id, accounts.c.type == "BANK")).one()
        # The number of the account at the first bank, under the code of the second one.
        raw = {**first.raw, "bankData": {**(first.raw["bankData"] or {}), "transferNumber": f"260/{first.number}"}}
        conn.execute(
            sa.update(accounts)
            .where(accounts.c.item_id == item_id, accounts.c.type == first.type)
            .values(number=first.number, raw=raw)
        )

    succession.find_predecessors(service.res, item_id)

    assert links(service) == []


def test_an_account_that_the_new_consent_does_not_cover_leaves_the_decision_to_an_operator(service):
    old = connect_directly(service)
    service.upstream.later(days=1)
    new = connect_by_open_finance(service, products=["ACCOUNTS", "TRANSACTIONS", "IDENTITY"])

    (link,) = links(service)
    assert (link.state, Reason.ACCOUNTS_LACKING in link.reasons) == (State.SUGGESTED, True)
    assert service.item(old).replaced_by is None
    assert told(service, "item.replaced") == []

    succession.confirm(service.res, old, new)

    (link,) = links(service)
    assert (link.state, link.made_by) == (State.LINKED, "operator")
    assert len(told(service, "item.replaced")) == 1


def test_a_deleted_item_has_no_preview_and_no_search_of_it_fails(service, two_items):
    old, new = two_items
    service.upstream.delete(old)
    service.catch_up()

    with pytest.raises(CannotLinkError, match="deleted"):
        succession.preview(service.res, old, new)
    succession.find_predecessors(service.res, old)


def test_an_undone_link_is_not_made_again_and_the_old_item_goes_on(service, two_items):
    old, new = two_items

    succession.undo(service.res, old, new)
    service.upstream.later(days=1)
    service.upstream.run(old)
    service.catch_up()
    succession.find_predecessors(service.res, new)

    assert [link.state for link in links(service)] == [State.UNDONE]
    assert service.item(old).replaced_by is None
    assert service.rows(transaction_links) == []
    assert service.rows(account_links) == []
    assert len(told(service, "item.replacement_undone")) == 1
    service.assert_mirrors(old)

    succession.confirm(service.res, old, new)
    assert service.item(old).replaced_by == new


def test_a_preview_says_what_a_link_does_and_changes_nothing(service, two_items):
    old, new = two_items
    linked = succession.preview(service.res, old, new)
    succession.undo(service.res, old, new)

    undone = succession.preview(service.res, old, new)

    assert undone == linked
    assert undone.paired > 0
    assert service.rows(transaction_links) == []
    assert service.item(old).replaced_by is None


def test_items_are_not_replaced_in_a_circle_or_twice(service, two_items):
    old, new = two_items

    with pytest.raises(CannotLinkError, match="replaced by the older one"):
        succession.confirm(service.res, new, old)
    with pytest.raises(CannotLinkError, match="replaced already"):
        succession.confirm(service.res, old, new)


def test_a_row_that_the_bank_dates_back_is_in_the_series_once(service, two_items):
    """The old Item had it; the new one brings it late."""
    _, new = two_items
    account = accounts_of(service, new)["CHECKING_ACCOUNT"]
    with service.res.database.begin() as conn:
        late = conn.execute(
            sa.select(transaction_links).where(transaction_links.c.new_account_id == account.id)
        ).first()
        conn.execute(sa.delete(transaction_links).where(transaction_links.c.old_id == late.old_id))
        conn.execute(sa.delete(transactions).where(transactions.c.id == late.new_id))
    assert late.old_id in {row["id"] for row in series_of(service, account.id)}

    reconciliation.reconcile(service.res, new)

    ids = [row["id"] for row in series_of(service, account.id)]
    assert late.new_id in ids
    assert late.old_id not in ids


def test_a_row_that_pluggy_removes_from_the_successor_does_not_come_back_from_the_predecessor(service):
    connect_directly(service)
    service.upstream.later(days=1)
    new = connect_by_open_finance(service)
    pairs = {row.new_id: row for row in service.rows(transaction_links)}

    gone = remove_a_row_of_both(service, new)
    service.upstream.run(new)
    service.catch_up()

    twin = pairs[gone]
    assert gone not in service.transaction_ids()
    assert twin.old_id in service.transaction_ids()
    assert not {row["id"] for row in series_of(service, twin.new_account_id)} & {gone, twin.old_id}


def remove_a_row_of_both(service, item_id):
    """Let the bank remove a row that the old Item has too, whichever day has one; return its id."""
    # A card's rows are still pending at one connector when they are posted at the other.
    account = accounts_of(service, item_id)["CHECKING_ACCOUNT"]
    for days in (3, 2):
        try:
            change = {"kind": "remove", "days": days}
            return service.upstream.evolve(item_id, change, account_id=account.id)["removed"][0]
        except ImpossibleError:
            continue
    raise AssertionError("the bank has no row of these days")


def test_when_the_successor_goes_a_predecessor_that_lives_is_in_its_own_place_again(service, two_items):
    old, new = two_items
    service.upstream.delete(new)
    service.catch_up()

    assert service.item(old).replaced_by is None
    assert service.rows(account_links) == []
    assert links(service) == []
    assert len(told(service, "item.replacement_undone")) == 1
    service.assert_mirrors(old)


def test_what_is_kept_of_a_deleted_item_is_listed_no_more_so_that_nothing_is_counted_twice(service, two_items):
    old, new = two_items
    checking = accounts_of(service, old)["CHECKING_ACCOUNT"]
    service.upstream.delete(old)
    service.catch_up()

    with service.res.database.begin() as conn:
        listed = sa.text("SELECT item_id FROM mirror.accounts WHERE missing_at IS NULL GROUP BY item_id")
        assert conn.scalars(listed).all() == [new]
        assert pluggy_reads.account(conn, checking.id) is None
    assert service.rows(transactions, transactions.c.account_id == checking.id)
    new_checking = accounts_of(service, new)["CHECKING_ACCOUNT"]
    assert checking.id in {row["accountId"] for row in series_of(service, new_checking.id)}


def test_when_the_successor_goes_the_history_that_was_kept_for_it_goes_too(service, two_items):
    old, new = two_items
    service.upstream.delete(old)
    service.catch_up()
    assert service.rows(transactions, transactions.c.item_id == old)

    service.upstream.delete(new)
    service.catch_up()

    for table in (transactions, accounts, balances, identities, account_links, transaction_links, user_actions):
        assert service.rows(table) == [], table.name
    assert links(service) == []
    assert [row.replaced_by for row in service.rows(items)] == [None, None]


def test_a_history_cannot_be_cut_off_from_its_successor(service, two_items):
    old, new = two_items
    service.upstream.delete(old)
    service.catch_up()

    with pytest.raises(CannotLinkError, match="deleted"):
        succession.undo(service.res, old, new)


def test_a_search_whose_message_was_lost_is_made_by_the_sweep(service, two_items, clock):
    old, new = two_items
    with service.res.begin() as tx:
        succession.end(tx, new, now=clock())
    assert service.item(old).replaced_by is None
    with service.res.begin() as tx:
        succession.request_search(tx, new, now=clock())
        tx.queued.clear()

    clock.advance(minutes=1)
    sweep.sweep(service.res)
    service.work()

    assert service.item(old).replaced_by == new
    assert service.rows(predecessor_searches) == []


def test_a_chain_of_three_items_is_one_series(service, two_items):
    first, second = two_items
    service.upstream.later(days=3)
    third = service.upstream.connect("none", connector=OPEN_FINANCE, parameters={"cpf": CPF}, products=PRODUCTS)
    service.upstream.approve(third)
    service.catch_up()

    assert service.item(first).replaced_by == second
    assert service.item(second).replaced_by == third
    account = accounts_of(service, third)["CHECKING_ACCOUNT"]
    found = series_of(service, account.id)
    assert {row["accountId"] for row in found} == {
        accounts_of(service, each)["CHECKING_ACCOUNT"].id for each in (first, second, third)
    }
    assert_each_row_of_the_bank_once(service, found, third)
    assert series_in_sql(service, account.id) == sorted(row["id"] for row in found)
    assert series_in_sql(service, accounts_of(service, second)["CHECKING_ACCOUNT"].id) == []

    service.upstream.delete(second)
    service.upstream.delete(first)
    service.catch_up()
    assert {row["id"] for row in series_of(service, account.id)} == {row["id"] for row in found}


def assert_each_row_of_the_bank_once(service, found, item_id):
    """No two rows of the series are one movement: of what has the bank's own id, each id once."""
    named = [row["providerId"] for row in found if row["providerId"] is not None]
    assert len(named) == len({*named})
    assert len({row["id"] for row in found}) == len(found)


def test_a_person_with_two_years_of_history_reconnects_by_open_finance_and_has_one_series(service):
    """The old Item is deleted at Pluggy a week later. The product sees each row once, and balances that add up."""
    service.upstream.settings(firstRunDays=365, historyDays=365)
    old = connect_directly(service)
    for _ in range(4):
        service.upstream.later(days=90)
        service.upstream.run(old)
        service.catch_up()
    checking = accounts_of(service, old)["CHECKING_ACCOUNT"]
    (first_balance, *_) = sorted(
        service.rows(balances, balances.c.account_id == checking.id), key=lambda row: row.collected_at
    )
    opening = first_balance.balance - first_balance.rows_total
    posted = service.rows(transactions, transactions.c.account_id == checking.id)
    whole_old = {row.id: row for row in posted if row.status == "POSTED"}
    assert (max(row.day for row in posted) - min(row.day for row in posted)).days > 700

    new = connect_by_open_finance(service)
    account = accounts_of(service, new)["CHECKING_ACCOUNT"]
    (data,) = told(service, "item.replaced")
    assert {"old": checking.id, "new": account.id} in data["accounts"]
    service.upstream.later(days=7)
    service.upstream.run(new)
    service.catch_up()
    service.upstream.delete(old)
    service.catch_up()

    assert service.item(old).deleted_at is not None
    assert [each["replacedBy"] for each in told(service, "item.deleted")] == [new]
    found = series_of(service, account.id)
    days = sorted({row["date"][:10] for row in found})
    assert days[0] <= min(row.day for row in posted).isoformat()
    ids = [row["id"] for row in found]
    assert len(ids) == len({*ids})
    # Each posted row of the old Item is in the series: as itself, or as the row of the new one that it is.
    paired = {row.old_id: row.new_id for row in service.rows(transaction_links)}
    assert all((paired.get(each) or each) in {*ids} for each in whole_old)
    # What is only in the old one came before all that the new one covers.
    newer = service.rows(transactions, transactions.c.account_id == account.id)
    history = service.rows(transactions, transactions.c.account_id == checking.id)
    assert history
    assert max(row.day for row in history) <= min(row.day for row in newer)
    total = sum(
        (Decimal(row["amountInAccountCurrency"] or row["amount"]) for row in found if row["status"] == "POSTED"),
        Decimal(0),
    )
    assert opening + total == accounts_of(service, new)["CHECKING_ACCOUNT"].balance
    stream = service.web.get(
        f"/v1/accounts/{account.id}/transactions?withPredecessors=true",
        headers={"Authorization": f"Bearer {API_TOKEN}", "Accept": "application/x-ndjson"},
    )
    assert [wire.decode(each)["id"] for each in stream.get_data().splitlines()] == ids
    assert series_in_sql(service, account.id) == sorted(ids)
    with service.res.database.begin() as conn:
        assert series.ancestors(conn, account.id) == [checking.id]
    deletion.purge(service.res, new)
    assert service.rows(transactions) == []
