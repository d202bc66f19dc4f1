"""What a run reads, and why, row by row: one table in place of conditions in many rooms."""

import dataclasses
from datetime import date, timedelta

import pytest

from pluggy_sync import wire
from pluggy_sync.rules.backoff import NOT_READ_WAITS, SHOWN_LATE_WAITS
from pluggy_sync.rules.sharing import Shared
from pluggy_sync.rules.sync_plan import (
    CREATED_OVERLAP,
    AccountState,
    Incomplete,
    Part,
    Reason,
    SyncState,
    TransactionEvent,
    incomplete_again,
    plan,
)
from pluggy_sync.rules.window import EVERYTHING
from tests.kit.factories import NOON, a_raw_connector, an_item

BEFORE = NOON - timedelta(days=1)
SOON_BEFORE = NOON - timedelta(hours=6)
NOW = NOON + timedelta(minutes=5)
LATER = NOW + timedelta(minutes=1)
ACCOUNTS = Part("accounts")
A = Part("transactions", "A")


def item(at=NOON, **changes):
    return an_item(**{"lastUpdatedAt": wire.to_text(at), "statusDetail": None, "products": ["ACCOUNTS"], **changes})


def account(id_="A", synced_through=NOON, **changes):
    values = {"id": id_, "type": "BANK", "balance": None, "listed": True, "synced_through": synced_through}
    return AccountState(**{**values, **changes})


def state(**changes):
    """Return the state of an Item with one account that is in sync with its collection of noon."""
    values = {
        "item_id": "an-item",
        "item": item(),
        "synced_through": NOON,
        "synced_update_at": NOON,
        "last_event_seq": 9,
        "synced_seq": 5,
        "accounts": (account(),),
    }
    return SyncState(**{**values, **changes})


def event(name="created", seq=6, account_id="A", **values):
    return TransactionEvent(seq=seq, name=f"transactions/{name}", account_id=account_id, **values)


def incomplete(part, reason, *, retry_at=LATER, after_seq=3):
    kept = Incomplete(part=part, reason=reason, detail="", attempts=1, retry_at=retry_at, after_seq=after_seq)
    return {part: kept}


def the_plan(of, **how):
    return plan(of, now=NOW, overlap_days=3, **how)


def reasons(of, **how):
    found = the_plan(of, **how)
    return None if found is None else found.reasons()


COLLECTED = {"accounts": "collected", "transactions of A": "collected"}

TABLE = {
    "nothing happened": (state(), None),
    "the item was never fetched": (state(item=None), None),
    "the item is deleted": (state(item=item(LATER), deleted_at=NOON), None),
    "it was never collected well": (state(item=item(None), synced_update_at=None, events=(event(),)), None),
    "it was collected anew": (
        state(synced_update_at=BEFORE, synced_through=BEFORE, accounts=(account("A", BEFORE),)),
        COLLECTED,
    ),
    "it was collected anew, and events tell of another account only": (
        state(
            synced_update_at=BEFORE,
            synced_through=BEFORE,
            tells_of_transactions=True,
            accounts=(account("A", SOON_BEFORE), account("B", SOON_BEFORE)),
            events=(event(account_id="B"),),
        ),
        {"accounts": "collected", "transactions of B": "events"},
    ),
    "it was collected anew, and a balance moved that nobody told of": (
        state(
            synced_update_at=BEFORE,
            synced_through=BEFORE,
            tells_of_transactions=True,
            accounts=(account("A", SOON_BEFORE, balance_moved=True), account("B", SOON_BEFORE)),
        ),
        COLLECTED,
    ),
    "it was collected anew a day after its last whole read": (
        state(
            synced_update_at=BEFORE,
            synced_through=SOON_BEFORE,
            tells_of_transactions=True,
            accounts=(account("A", BEFORE),),
        ),
        COLLECTED,
    ),
    "it was collected anew, and nobody tells of its transactions": (
        state(synced_update_at=BEFORE, synced_through=SOON_BEFORE, accounts=(account("A", SOON_BEFORE),)),
        COLLECTED,
    ),
    "an older view was saved": (state(item=item(BEFORE)), None),
    "it was collected anew, but not its transactions": (
        state(
            item=item(LATER, statusDetail={"transactions": {"isUpdated": False, "lastUpdatedAt": wire.to_text(NOON)}})
        ),
        {"accounts": "collected"},
    ),
    "it was collected well, and failed before that was read": (
        state(item=item(LATER, status="OUTDATED")),
        COLLECTED,
    ),
    "its execution failed": (
        state(item=item(NOON, status="OUTDATED"), accounts=(account("A", BEFORE),), synced_through=BEFORE),
        None,
    ),
    "an account is new": (
        state(accounts=(account(), account("B", None))),
        {"transactions of B": "first read"},
    ),
    "an account is listed no more": (state(accounts=(account("A", None, listed=False),)), None),
    "rows are told of": (state(events=(event(),)), {"transactions of A": "events"}),
    "rows are told of in an execution": (
        state(item=item(NOON, status="UPDATING"), events=(event(),)),
        {"transactions of A": "events"},
    ),
    "an event is covered": (state(events=(event(seq=5),)), None),
    "an event names an unknown account": (
        state(events=(event(account_id="X"),)),
        {"accounts": "an event names an unknown account"},
    ),
    "a covered event names an unknown account": (state(events=(event(account_id="X", seq=5),)), None),
    "a refused account is not due": (
        state(accounts=(account("A", BEFORE),), incomplete=incomplete(A, Reason.REFUSED), events=(event(),)),
        None,
    ),
    "a refused account is not due though it was collected anew": (
        state(item=item(LATER), accounts=(account("A", BEFORE),), incomplete=incomplete(A, Reason.REFUSED)),
        {"accounts": "collected"},
    ),
    "a refused account is due": (
        state(accounts=(account("A", BEFORE),), incomplete=incomplete(A, Reason.REFUSED, retry_at=NOW)),
        {"transactions of A": "retry: refused"},
    ),
    "an account that shows nothing is not due": (
        state(accounts=(account("A", None),), incomplete=incomplete(A, Reason.NOTHING_SHOWN)),
        None,
    ),
    "an account that shows nothing is due": (
        state(accounts=(account("A", None),), incomplete=incomplete(A, Reason.NOTHING_SHOWN, retry_at=NOW)),
        {"transactions of A": "retry: nothing_shown"},
    ),
    "an account that has shown nothing for long is told of": (
        state(
            accounts=(account("A", None),),
            incomplete=incomplete(A, Reason.NOTHING_SHOWN, retry_at=None),
            events=(event(),),
        ),
        {"transactions of A": "first read, events"},
    ),
    "an account that has shown nothing for long is read with the next collection": (
        state(
            item=item(LATER),
            accounts=(account("A", None),),
            incomplete=incomplete(A, Reason.NOTHING_SHOWN, retry_at=None),
        ),
        {"accounts": "collected", "transactions of A": "first read"},
    ),
    "an account that is empty now is not due": (
        state(accounts=(account("A", BEFORE),), incomplete=incomplete(A, Reason.EMPTY)),
        None,
    ),
    "an account that was empty is told of": (
        state(accounts=(account("A", BEFORE),), incomplete=incomplete(A, Reason.EMPTY), events=(event(),)),
        {"transactions of A": "collected, events"},
    ),
    "an account that is empty now is read with the next collection": (
        state(item=item(LATER), incomplete=incomplete(A, Reason.EMPTY)),
        COLLECTED,
    ),
    "the list of accounts is due": (
        state(accounts=(), incomplete=incomplete(ACCOUNTS, Reason.NOTHING_SHOWN, retry_at=NOW)),
        {"accounts": "retry: nothing_shown"},
    ),
    "the list of accounts is refused": (
        state(item=item(LATER), incomplete=incomplete(ACCOUNTS, Reason.REFUSED)),
        {"transactions of A": "collected"},
    ),
    "what an event missed is not made up for before a part is due": (
        state(
            accounts=(account("A", NOON),),
            incomplete=incomplete(A, Reason.ROWS_LATE),
            events=(event(seq=4, created_at_from=BEFORE, count=1),),
        ),
        None,
    ),
    "what an event missed is made up for with the next collection": (
        state(
            item=item(LATER),
            incomplete=incomplete(A, Reason.ROWS_LATE, after_seq=3),
            events=(event(seq=4, created_at_from=BEFORE, count=1),),
        ),
        {"accounts": "collected", "transactions of A": "collected, events"},
    ),
    "an account that is listed no more is not compared": (
        (state(accounts=(account(), account("B", listed=False))), {"deep": True}),
        {"accounts": "reconciliation", "transactions of A": "reconciliation"},
    ),
    "everything is compared": (
        (state(incomplete=incomplete(A, Reason.REFUSED)), {"deep": True}),
        {"accounts": "reconciliation", "transactions of A": "reconciliation"},
    ),
}


@pytest.mark.parametrize("case", TABLE)
def test_each_part_is_read_for_its_reason_and_nothing_else_is(case):
    of, expected = TABLE[case]
    of, how = of if isinstance(of, tuple) else (of, {})

    assert reasons(of, **how) == expected


def test_a_part_that_is_due_and_that_no_plan_reads_is_not_planned_for_ever():
    gone = incomplete(Part("transactions", "gone"), Reason.REFUSED, retry_at=NOW)

    assert the_plan(state(incomplete=gone)) is None


def test_the_first_read_of_an_account_has_no_first_day():
    (read,) = the_plan(state(accounts=(account("A", None),))).accounts

    assert (read.window, read.created_since) == (EVERYTHING, None)


def test_a_later_read_begins_three_days_before_its_watermark_and_asks_for_what_was_created_since():
    (read,) = the_plan(state(item=item(LATER))).accounts

    assert read.window.from_day == date(2026, 3, 7)
    assert read.created_since == NOON


def test_created_rows_are_read_from_a_little_before_what_the_event_says():
    (read,) = the_plan(state(events=(event(created_at_from=NOW, count=2),))).accounts

    assert (read.window, read.created_since) == (None, NOW - CREATED_OVERLAP)
    assert read.told == ((NOW, 2),)


def test_created_rows_of_an_earlier_collection_widen_what_is_read():
    (read,) = the_plan(state(item=item(LATER), events=(event(created_at_from=BEFORE),))).accounts

    assert read.created_since == BEFORE - CREATED_OVERLAP


def test_created_rows_of_which_no_moment_is_told_are_read_from_the_watermark_on():
    (read,) = the_plan(state(events=(event(),))).accounts

    assert read.created_since == NOON


def test_rows_that_changed_and_rows_that_are_said_to_be_gone_are_named_of_all_uncovered_events():
    told = (event("updated", 5, ids=("old",)), event("updated", 6, ids=("a", "b")), event("deleted", 7, ids=("c",)))
    (read,) = the_plan(state(events=told)).accounts

    assert (read.updated, read.deleted) == ({"a", "b"}, {"c"})
    assert (read.window, read.created_since) == (None, None)


def test_a_part_that_is_tried_again_makes_up_for_the_events_that_it_missed():
    told = (event("updated", 3, ids=("before",)), event("updated", 4, ids=("missed",)))
    refused = incomplete(A, Reason.REFUSED, retry_at=NOW, after_seq=3)
    (read,) = the_plan(state(accounts=(account("A", BEFORE),), incomplete=refused, events=told)).accounts

    assert read.updated == {"missed"}


def test_of_events_whose_rows_were_late_only_the_rows_are_read_again():
    told = (event("updated", 4, ids=("done",)), event("created", 4, created_at_from=BEFORE, count=3))
    late = incomplete(A, Reason.ROWS_LATE, retry_at=NOW, after_seq=3)
    (read,) = the_plan(state(incomplete=late, events=told)).accounts

    assert (read.updated, read.created_since) == (frozenset(), BEFORE - CREATED_OVERLAP)


@pytest.mark.parametrize("name, window", [("created", EVERYTHING), ("updated", None)])
def test_an_account_that_was_never_read_whole_is_so_once_an_event_tells_of_new_rows(name, window):
    # No collection has ended: only the event says that there is anything.
    runs = item(status="UPDATING")
    (read,) = the_plan(state(item=runs, accounts=(account("A", None),), events=(event(name, ids=("t1",)),))).accounts

    assert (read.window, read.why) == (window, "events")


def shared(**changes):
    return Shared(**{"collected_at": NOON, "pending": False, "resources": (), **changes})


@pytest.mark.parametrize(
    "changes, known, reads",
    [
        ({}, shared(), False),
        ({}, None, True),
        ({"resourcesCollectedAt": wire.to_text(LATER)}, shared(), True),
        ({"hasResourcesPendingAuthorization": True}, shared(), True),
        ({"hasResourcesPendingAuthorization": True}, shared(pending=True), False),
        ({"connector": a_raw_connector(isOpenFinance=False)}, None, False),
        ({"status": "UPDATING"}, None, False),
    ],
)
def test_what_the_bank_shares_is_read_when_an_open_finance_item_says_that_it_changed(changes, known, reads):
    says = {"connector": a_raw_connector(isOpenFinance=True), "resourcesCollectedAt": wire.to_text(NOON), **changes}
    of = state(item=item(**says), shared=known, watermarks={"consents": NOON})

    assert reasons(of) == ({"resources": "changed"} if reads else None)
    assert not the_plan(of, deep=True).reads_sharing


def test_a_run_covers_what_was_stored_as_it_began_and_moves_to_the_newest_collection():
    found = the_plan(state(item=item(LATER)))

    assert (found.seq, found.to, found.new_collection) == (9, LATER, True)


def with_products(*names, **changes):
    return state(item=item(products=["ACCOUNTS", *names]), **changes)


@pytest.mark.parametrize(
    "of, expected",
    [
        (with_products("LOANS"), {"loans": "collected"}),
        (with_products("LOANS", watermarks={"loans": NOON}), None),
        (with_products("LOANS", incomplete=incomplete(Part("loans"), Reason.REFUSED)), None),
        (with_products("LOANS", incomplete=incomplete(Part("loans"), Reason.EMPTY)), None),
        (
            with_products("LOANS", incomplete=incomplete(Part("loans"), Reason.EMPTY, retry_at=NOW)),
            {"loans": "collected"},
        ),
        # In an execution nobody says yet which data products it collected.
        (state(item=item(products=["LOANS"], status="UPDATING"), synced_update_at=NOON), None),
        (
            with_products(
                "LOANS",
                watermarks={"loans": NOON},
                incomplete=incomplete(Part("loans"), Reason.REFUSED, retry_at=NOW),
            ),
            {"loans": "parts of it"},
        ),
        (
            with_products("LOANS", incomplete=incomplete(Part("loans"), Reason.REFUSED, retry_at=NOW)),
            {"loans": "collected"},
        ),
        (
            with_products(
                "CREDIT_CARDS",
                watermarks={"creditCards": NOON},
                incomplete=incomplete(Part("creditCards", "card"), Reason.REFUSED, retry_at=NOW),
            ),
            {"creditCards": "parts of it"},
        ),
        # Investments that were not listed have movements that nobody asked for.
        (
            with_products(
                "INVESTMENTS",
                "INVESTMENTS_TRANSACTIONS",
                watermarks={"investments": NOON, "investmentsTransactions": NOON},
                incomplete=incomplete(Part("investments"), Reason.NO_BUDGET, retry_at=NOW),
            ),
            {"investments": "parts of it", "investmentsTransactions": "parts of it"},
        ),
        (
            with_products(
                "INVESTMENTS",
                "INVESTMENTS_TRANSACTIONS",
                watermarks={"investmentsTransactions": NOON},
                incomplete=incomplete(Part("investments"), Reason.NO_BUDGET),
            ),
            None,
        ),
    ],
)
def test_a_data_product_is_read_when_it_was_collected_anew_or_is_due(of, expected):
    assert reasons(of) == expected


def test_of_a_data_product_with_many_parents_only_those_that_failed_are_read_again():
    refused = {
        **incomplete(Part("creditCards", "due"), Reason.REFUSED, retry_at=NOW),
        **incomplete(Part("creditCards", "later"), Reason.REFUSED),
    }
    of = with_products("CREDIT_CARDS", watermarks={"creditCards": NOON}, incomplete=refused)
    (read,) = the_plan(of).products
    (whole,) = the_plan(dataclasses.replace(of, watermarks={})).products

    parts = [Part("creditCards", each) for each in ("due", "later", "good")]
    assert [read.reads(part) for part in parts] == [True, False, False]
    assert [whole.reads(part) for part in parts] == [True, False, True]


def test_a_card_that_is_new_has_its_bills_read_though_those_of_others_are_stored():
    cards = (account("old", type="CREDIT"), account("new", None, type="CREDIT"), account("bank", None))
    (read,) = the_plan(with_products("CREDIT_CARDS", watermarks={"creditCards": NOON}, accounts=cards)).products

    assert read.only == {"new"}


def again(reason, before=None, **how):
    return incomplete_again(A, reason, "", before, **{"after_seq": 5, "seq": 9, "now": NOW, **how})


def test_a_part_that_cannot_be_read_is_tried_more_and_more_rarely_for_ever():
    part, waits = None, []
    for _ in range(len(NOT_READ_WAITS) + 2):
        part = again(Reason.REFUSED, part)
        waits.append(part.retry_at - NOW)

    assert waits == [*NOT_READ_WAITS, NOT_READ_WAITS[-1], NOT_READ_WAITS[-1]]


def test_the_events_that_a_part_misses_are_kept_for_it_and_do_not_pile_up():
    first = again(Reason.REFUSED)
    second = again(Reason.REFUSED, first, after_seq=8)
    last = again(Reason.REFUSED, dataclasses.replace(first, attempts=len(NOT_READ_WAITS)))

    assert (first.after_seq, second.after_seq, last.after_seq) == (5, 5, 9)


def test_an_account_that_shows_nothing_is_awaited_for_minutes_and_then_has_nothing():
    part, awaited = None, []
    for _ in range(len(SHOWN_LATE_WAITS) + 1):
        part = again(Reason.NOTHING_SHOWN, part)
        awaited.append(part.is_awaited())

    assert awaited == [True] * len(SHOWN_LATE_WAITS) + [False]
    assert not part.is_unread()
    assert sum(SHOWN_LATE_WAITS, timedelta()) < timedelta(minutes=3)


def test_rows_that_stay_late_are_given_up():
    part = None
    for _ in range(len(SHOWN_LATE_WAITS)):
        part = again(Reason.ROWS_LATE, part)

    assert again(Reason.ROWS_LATE, part) is None


def test_another_kind_of_trouble_begins_anew():
    refused = again(Reason.REFUSED, again(Reason.NOTHING_SHOWN, again(Reason.NOTHING_SHOWN)))

    assert refused.attempts == 1


REQUESTED = {
    "CREDIT_CARDS": "creditCards",
    "INVESTMENTS": "investments",
    "INVESTMENTS_TRANSACTIONS": "investmentsTransactions",
    "IDENTITY": "identity",
    "LOANS": "loans",
}


@pytest.mark.parametrize("requested", REQUESTED)
def test_a_data_product_is_read_if_it_was_requested(requested):
    assert reasons(with_products(requested)) == {REQUESTED[requested]: "collected"}


def test_without_a_list_of_requested_data_products_all_are_read_and_consents_in_open_finance_only():
    of_everything = state(item=item(products=None))
    in_open_finance = state(item=item(products=None, connector=a_raw_connector(isOpenFinance=True)))

    assert list(reasons(of_everything)) == list(REQUESTED.values())
    assert list(reasons(in_open_finance)) == [*REQUESTED.values(), "consents"]


def test_a_comparison_reads_everything_to_the_end_whatever_is_stored():
    refused = incomplete(Part("loans"), Reason.REFUSED)
    found = the_plan(with_products("LOANS", watermarks={"loans": NOON}, incomplete=refused), deep=True)

    assert [(each.window, each.created_since) for each in found.accounts] == [(EVERYTHING, None)]
    assert [(each.name, each.why, each.collected_at) for each in found.products] == [("loans", "reconciliation", NOON)]
    assert [found.products[0].reads(part) for part in (Part("loans"), Part("loans", "x"))] == [True, True]


def test_parts_that_are_read_again_move_their_data_product_to_the_collection_that_they_show():
    due = incomplete(Part("creditCards", "card"), Reason.REFUSED, retry_at=NOW)
    (read,) = the_plan(with_products("CREDIT_CARDS", watermarks={"creditCards": NOON}, incomplete=due)).products

    assert read.collected_at == NOON


def test_of_rows_that_are_told_of_only_those_with_a_moment_and_a_number_are_counted():
    told = (event(created_at_from=NOW), event(count=2), event(created_at_from=NOW, count=0))
    (read,) = the_plan(state(events=told)).accounts

    assert read.told == ()


def test_once_the_accounts_are_listed_the_plan_reads_what_the_second_one_says_and_covers_what_the_first_one_does():
    first = the_plan(state(item=item(LATER)))
    second = the_plan(with_products("LOANS", last_event_seq=99, accounts=(account("B", None),)))

    both, nothing_more = first.with_accounts_of(second), first.with_accounts_of(None)

    assert both == dataclasses.replace(first, accounts=second.accounts, products=second.products)
    assert nothing_more == dataclasses.replace(first, accounts=(), products=())


def test_the_first_day_of_a_run_is_the_earliest_of_its_windows_and_none_if_one_reads_everything():
    apart = state(item=item(LATER), accounts=(account("A", NOON), account("B", BEFORE)))
    with_a_new_one = dataclasses.replace(apart, accounts=(*apart.accounts, account("C", None)))
    of_events = the_plan(state(events=(event(),)))

    assert (the_plan(apart).reads_window(), the_plan(apart).from_day()) == (True, date(2026, 3, 6))
    assert (the_plan(with_a_new_one).reads_window(), the_plan(with_a_new_one).from_day()) == (True, None)
    assert (of_events.reads_window(), of_events.from_day()) == (False, None)


@pytest.mark.parametrize("until, leased", [(None, False), (NOW, False), (LATER, True)])
def test_a_lease_ends_at_its_end(until, leased):
    assert state(lease_until=until).is_leased(NOW) is leased


@pytest.mark.parametrize("requested, synced, pending", [(5, 5, False), (6, 5, True), (4, 5, False)])
def test_a_sync_is_pending_while_more_was_requested_than_is_synced(requested, synced, pending):
    assert state(sync_requested_seq=requested, synced_seq=synced).sync_pending is pending


@pytest.mark.parametrize(
    "reason, retry_at, due, awaited, unread",
    [
        (Reason.NOTHING_SHOWN, LATER, False, True, True),
        (Reason.NOTHING_SHOWN, NOW, True, True, True),
        (Reason.NOTHING_SHOWN, None, False, False, False),
        (Reason.ROWS_LATE, LATER, False, True, True),
        (Reason.EMPTY, LATER, False, False, True),
        (Reason.REFUSED, NOW, True, False, True),
        (Reason.REFUSED, None, False, False, True),
    ],
)
def test_what_an_incomplete_part_means_for_its_item(reason, retry_at, due, awaited, unread):
    (part,) = incomplete(A, reason, retry_at=retry_at).values()

    assert (part.is_due(NOW), part.is_awaited(), part.is_unread()) == (due, awaited, unread)


# They are stored, and products and operators read them.
@pytest.mark.parametrize(
    "reason, word, was_read, is_curable",
    [
        (Reason.NOTHING_SHOWN, "nothing_shown", True, False),
        (Reason.ROWS_LATE, "rows_late", True, False),
        (Reason.EMPTY, "empty", True, False),
        (Reason.CONTRADICTORY, "contradictory", False, True),
        (Reason.REFUSED, "refused", False, False),
        (Reason.UNAVAILABLE, "unavailable", False, True),
        (Reason.FAULT, "fault", False, True),
    ],
)
def test_each_reason_has_its_word_and_says_whether_a_wait_may_cure_it(reason, word, was_read, is_curable):
    assert (reason.value, reason.was_read, reason.is_curable) == (word, was_read, is_curable)
