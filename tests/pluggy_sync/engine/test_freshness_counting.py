"""Counting by freshness: each Item counts as the rule says, though only those are read that may not be fresh."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from pluggy_sync.engine import freshness_counting
from pluggy_sync.rules.freshness import State, freshness_of
from pluggy_sync.store import freshness_counts, item_views, tables, user_actions
from pluggy_sync.store.tables import connectors, items
from tests.kit.factories import an_event


@pytest.fixture
def count(resources):
    def count():
        freshness_counting.count(resources)
        with resources.database.begin() as conn:
            return {(bank, state): number for bank, state, number in freshness_counts.counted(conn)}

    return count


@pytest.fixture
def shares(resources):
    def shares(product="transactions"):
        with resources.database.begin() as conn:
            found = freshness_counts.since(conn, resources.now().date())
        return {bank: (share.fresh, share.counted) for (bank, of), share in found.items() if of == product}

    return shares


def by_rule(resources):
    """Count by looking at every single Item."""
    now, grace = resources.now(), resources.settings.stale_after
    found = {}
    with resources.database.begin() as conn:
        for item_id in conn.scalars(sa.select(items.c.id).where(items.c.deleted_at.is_(None))).all():
            view = item_views.get(conn, item_id)
            known = item_views.known(view, user_actions.unsettled(conn, item_id))
            key = (
                -1 if view.connector_id is None else view.connector_id,
                freshness_of(known, now=now, grace=grace).state,
            )
            found[key] = found.get(key, 0) + 1
    return found


def test_items_in_every_state_are_counted_as_the_rule_says(service, upstream, resources, count):
    healthy = [upstream.connect() for _ in range(3)]
    locked = upstream.connect("user-locked")
    service.catch_up()
    service.deliver(an_event("item/created", itemId=upstream.connect()))
    with resources.database.begin() as conn:
        stale = {"next_auto_sync_at": resources.now() - timedelta(days=3)}
        conn.execute(sa.update(items).where(items.c.id == healthy[0]).values(stale))
        failed = {"status": "OUTDATED", "execution_status": "UNEXPECTED_ERROR"}
        conn.execute(sa.update(items).where(items.c.id == healthy[1]).values(failed))
        conn.execute(sa.insert(items).values(id="never-seen", first_seen_at=resources.now()))

    found = count()

    assert found == by_rule(resources)
    assert {state for _, state in found} >= {State.FRESH, State.STALE, State.ERROR, State.WAITING_FOR_PERSON}
    assert (-1, State.SYNCING) in found
    assert locked


def test_the_bank_of_number_0_is_not_taken_for_one_that_is_not_known(service, upstream, resources, count, shares):
    upstream.connect()
    service.catch_up()
    with resources.database.begin() as conn:
        conn.execute(sa.update(items).values(connector_id=0))
        conn.execute(sa.insert(items).values(id="never-seen", first_seen_at=resources.now()))

    assert count() == {(0, State.FRESH): 1, (freshness_counts.UNKNOWN_BANK, State.SYNCING): 1}
    assert shares()[0] == (1, 1)


@pytest.mark.parametrize("gone", [{"status": "OFFLINE"}, {"away": True}], ids=["offline", "away by an incident"])
def test_all_items_of_a_bank_that_is_gone_count_as_its_outage(service, upstream, resources, count, gone):
    upstream.connect()
    upstream.connect("user-locked")
    service.catch_up()
    with resources.database.begin() as conn:
        conn.execute(sa.update(connectors).values(**gone))

    found = count()

    assert found == by_rule(resources)
    assert {state for _, state in found} == {State.BANK_OUTAGE}


@pytest.mark.parametrize("gone", ["deleted", "replaced"])
def test_an_item_that_is_gone_counts_nowhere(service, upstream, resources, count, shares, gone):
    upstream.connect()
    service.catch_up()
    values = {"deleted_at": resources.now()} if gone == "deleted" else {"replaced_by": "another"}
    with resources.database.begin() as conn:
        conn.execute(sa.update(items).values(values))

    assert count() == {}
    assert shares() == {}


def test_a_count_replaces_the_one_before_and_adds_to_the_day(service, upstream, resources, count, shares):
    upstream.connect()
    service.catch_up()
    [bank] = [bank for bank, _ in count()]
    assert shares() == {bank: (1, 1)}
    with resources.database.begin() as conn:
        conn.execute(sa.update(items).values(next_auto_sync_at=resources.now() - timedelta(days=3)))

    assert count() == {(bank, State.STALE): 1}

    assert shares() == {bank: (1, 2)}


def test_a_data_product_that_is_not_complete_counts_against_itself_only(service, upstream, resources, count, shares):
    item_id = upstream.connect(products=["ACCOUNTS", "TRANSACTIONS", "LOANS"])
    service.catch_up()
    part = {"item_id": item_id, "product": "loans", "part_of": "", "reason": "refused", "detail": "403", "attempts": 1}
    with resources.database.begin() as conn:
        conn.execute(sa.insert(tables.incomplete_parts).values(**part, since=resources.now(), after_seq=0))

    [bank] = [bank for bank, _ in count()]

    assert shares("loans") == {bank: (0, 1)}
    assert shares("transactions") == {bank: (1, 1)}


def test_the_sums_of_days_long_gone_are_removed(service, upstream, resources, count, clock):
    upstream.connect()
    service.catch_up()
    count()
    clock.advance(days=61)
    count()

    with resources.database.begin() as conn:
        assert len(set(conn.scalars(sa.select(tables.freshness_days.c.day)))) == 1
