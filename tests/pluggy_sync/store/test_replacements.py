"""A posted row that takes the place of a pending one says so, before the pending one is gone, and from then on."""

import dataclasses
import uuid
from datetime import timedelta

import pytest
import sqlalchemy as sa

from pluggy_sync.engine import sweep
from pluggy_sync.rules.replacements import Rule, find
from pluggy_sync.store import items, replacements, sync_runs, transactions
from pluggy_sync.store.tables import accounts, changes
from pluggy_sync.store.tables import sync_runs as sync_runs_table
from pluggy_sync.store.tables import transactions as table
from tests.kit.factories import NOON, a_raw_account, a_raw_item, a_transaction
from tests.kit.interception import changed, refused

ITEM = a_raw_item()["id"]
ACCOUNT = a_raw_account()["id"]


def posted_anew(service, upstream):
    """Connect an Item and let a pending row of it be posted under a new id; return the ids of the Item and the rows."""
    item_id = upstream.connect()
    service.catch_up()
    done = upstream.evolve(item_id, "post_new_id")
    upstream.run(item_id)
    return item_id, done["removed"][0], done["added"][0]


def noted(service):
    return {row.id: (row.replaces, row.replaces_rule) for row in service.rows(table) if row.replaces is not None}


def feed_of(service, *ids):
    rows = sorted(service.rows(changes, changes.c.transaction_id.in_(ids)), key=lambda row: row.seq)
    return [(row.kind, row.transaction_id) for row in rows]


def test_the_posted_row_names_the_pending_one_before_the_feed_removes_that(service, upstream):
    item_id, old, new = posted_anew(service, upstream)

    service.catch_up()

    assert noted(service) == {new: (old, Rule.AMOUNT_AND_DATE)}
    assert feed_of(service, old, new)[1:] == [("added", new), ("modified", new), ("removed", old)]
    service.assert_mirrors(item_id)


def test_what_the_next_run_finds_gone_is_linked_too_if_the_first_could_not_ask(service, upstream, resources):
    _, old, new = posted_anew(service, upstream)
    asked = []

    def refuse_ids(given):
        if "ids" in given.query:
            asked.append(given.query)
            refused(500)(given)

    with changed(resources, "/v2/transactions", refuse_ids):
        service.catch_up()
    assert asked
    assert {old, new} <= service.transaction_ids()

    service.res.now.advance(hours=2)
    sweep.sweep(resources)
    service.work_until_quiet()

    assert old not in service.transaction_ids()
    assert noted(service) == {new: (old, Rule.AMOUNT_AND_DATE)}


def test_the_feed_is_looked_at_from_the_first_run_after_the_last_complete_one(database):
    runs = [("done", None, 5), ("done", [{"product": "loans"}], 7), ("failed", None, 9), ("running", None, 11)]
    ids = [uuid.uuid4() for _ in runs]
    with database.begin() as conn:
        for minutes, (run, (outcome, incomplete, cursor)) in enumerate(zip(ids, runs, strict=True)):
            conn.execute(
                sync_runs_table.insert().values(
                    id=run,
                    item_id=ITEM,
                    trigger="item/updated",
                    began_at_seq=1,
                    started_at=NOON + timedelta(minutes=minutes),
                    outcome=outcome,
                    incomplete=sa.null() if incomplete is None else incomplete,
                    cursor=cursor,
                )
            )

        assert sync_runs.feed_before(conn, ids[-1], ITEM) == 7
        conn.execute(sa.update(sync_runs_table).where(sync_runs_table.c.id == ids[2]).values(outcome="done"))
        assert sync_runs.feed_before(conn, ids[-1], ITEM) == 11


@pytest.fixture
def mirror(database):
    with database.begin() as conn:
        items.lock(conn, ITEM, now=NOON)
        conn.execute(accounts.insert().values(id=ACCOUNT, item_id=ITEM, raw={}, synced_at=NOON))
    return database


def merge(conn, *rows):
    transactions.merge(conn, ITEM, list(rows), began_at=NOON, now=NOON)


def test_only_what_came_after_the_cursor_and_is_like_a_pending_row_comes_into_question(mirror):
    pending = a_transaction(status="PENDING", amount=-5, providerId="p1")
    before, by_id, by_amount, other, still_pending = (
        a_transaction(status="POSTED", amount=-5),
        a_transaction(status="POSTED", amount=-7, providerId="p1"),
        a_transaction(amount=-5),
        a_transaction(status="POSTED", amount=-7),
        a_transaction(status="PENDING", amount=-5),
    )
    with mirror.begin() as conn:
        merge(conn, pending, before)
        merge(conn, by_id, by_amount, other, still_pending)

        like = replacements.pending_among(conn, ACCOUNT, [pending.id, before.id])
        found = replacements.posted_since(conn, ITEM, 2, like)

    assert [each.id for each in like] == [pending.id]
    assert {each.id for each in found} == {by_id.id, by_amount.id}


def test_what_was_noted_stays_when_the_bank_changes_the_row_and_is_not_given_away_again(mirror):
    pending, posted = a_transaction(status="PENDING", amount=-5), a_transaction(amount=-5)
    with mirror.begin() as conn:
        merge(conn, pending)
        merge(conn, posted)
        like = replacements.pending_among(conn, ACCOUNT, [pending.id])
        found = find(like, replacements.posted_since(conn, ITEM, 0, like))
        replacements.note(conn, ITEM, found, now=NOON)
        edited = a_transaction(**{**posted.raw, "description": "edited"})
        merge(conn, dataclasses.replace(edited, updated_at=NOON + timedelta(days=9)))

        row = conn.execute(sa.select(table).where(table.c.id == posted.id)).one()
        again = replacements.posted_since(conn, ITEM, 0, like)

    assert (row.description, row.replaces, row.replaces_rule) == ("edited", pending.id, "amount_and_date")
    assert again == []
