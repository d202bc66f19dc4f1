"""Whoever asks for an account as of a moment gets exactly what was stored then, as long as it is kept."""

import random
from datetime import timedelta

import pytest
import sqlalchemy as sa

from pluggy_sync import wire
from pluggy_sync.rules.replacements import Replacement, Rule
from pluggy_sync.store import items, replacements, transaction_revisions, transactions
from pluggy_sync.store.tables import accounts, history_begins
from pluggy_sync.store.tables import items as items_table
from pluggy_sync.store.tables import transaction_revisions as table
from tests.kit.factories import NOON, a_raw_account, a_raw_item, a_raw_transaction, a_transaction

ITEM = a_raw_item()["id"]
ACCOUNT = a_raw_account()["id"]
ACCOUNTS = (ACCOUNT, "another-account")
SECOND = timedelta(seconds=1)


@pytest.fixture
def conn(database):
    with database.begin() as conn:
        items.lock(conn, ITEM, now=NOON)
        for account in ACCOUNTS:
            conn.execute(accounts.insert().values(id=account, item_id=ITEM, raw={}, synced_at=NOON))
        yield conn


def listed(conn, account, as_of=None, limit=1000, position=None, **filters):
    given = {"date_from": None, "date_to": None, "status": None, **filters}
    return transactions.before(conn, account, position, limit=limit, as_of=as_of, **given)


def merge(conn, *rows, now):
    transactions.merge(conn, ITEM, list(rows), began_at=now, now=now)


class Bank:
    """Changes the rows of two accounts at random, as merges, removals and hints do."""

    def __init__(self, conn, dice):
        self._conn = conn
        self._dice = dice
        self._raws = {}

    def change(self, step, now):
        way = (
            self._add if not self._raws else self._dice.choice((self._add, *[self._edit] * 3, self._remove, self._note))
        )
        way(step, now)

    def _add(self, _step, now):
        new = [a_raw_transaction(date=wire.to_text(NOON - timedelta(hours=self._dice.randrange(9)))) for _ in range(3)]
        self._raws |= {raw["id"]: raw for raw in new}
        merge(self._conn, *(a_transaction(**raw) for raw in new), now=now)

    def _edit(self, step, now):
        """Edit rows, move some to the other account, and bring those back that were removed."""
        chosen = [self._raws[each] for each in self._some(2)]
        for raw in chosen:
            raw |= {"updatedAt": wire.to_text(NOON + SECOND * step), "description": f"edited {step}"}
            raw["accountId"] = self._dice.choice(ACCOUNTS)
        for account in ACCOUNTS:
            rows = [a_transaction(**raw) for raw in chosen if raw["accountId"] == account]
            transactions.merge(self._conn, ITEM, rows, began_at=now + SECOND, now=now)

    def _remove(self, _step, now):
        for account in ACCOUNTS:
            transactions.remove(self._conn, ITEM, account, self._some(1), reason="absent", now=now)

    def _note(self, step, now):
        stored = [row.id for row in listed(self._conn, ACCOUNT)]
        found = [Replacement(id=each, replaces=f"old {step}", rule=Rule.PROVIDER_ID) for each in stored[:1]]
        replacements.note(self._conn, ITEM, found, now=now)

    def _some(self, count):
        return self._dice.sample(sorted(self._raws), min(count, len(self._raws)))


@pytest.mark.parametrize("seed", range(4))
def test_any_moment_of_any_history_reads_as_it_was_then(conn, seed):
    dice = random.Random(seed)
    bank, now, history = Bank(conn, dice), NOON, {}
    for step in range(40):
        # Some steps fall on one moment: the last of them is what counts.
        now += SECOND * dice.choice((0, 1, 1, 2))
        bank.change(step, now)
        history[now] = {account: listed(conn, account) for account in ACCOUNTS}

    assert conn.scalar(sa.select(sa.func.count()).select_from(table)) > 20
    for moment, state in history.items():
        following = min((each for each in history if each > moment), default=moment + SECOND)
        for account, rows in state.items():
            assert listed(conn, account, as_of=moment) == rows
            assert listed(conn, account, as_of=following - timedelta(microseconds=1)) == rows
    assert listed(conn, ACCOUNT, as_of=NOON - SECOND) == []


def test_each_revision_has_the_number_of_the_entry_that_ended_it(conn):
    raw = a_raw_transaction()
    merge(conn, a_transaction(**raw), a_transaction(), now=NOON)
    merge(conn, a_transaction(**{**raw, "description": "other"}), a_transaction(), now=NOON + SECOND)
    transactions.remove(conn, ITEM, ACCOUNT, [raw["id"]], reason="event", now=NOON + 2 * SECOND)

    feed = {each.seq: (each.kind, each.transaction_id) for each in transactions.changes_after(conn, ITEM, 0, 100)}
    kept = conn.execute(
        sa.select(table.c.seq, table.c.id, table.c.raw["description"].astext).order_by(table.c.seq)
    ).all()

    assert [(feed[seq], description) for seq, _, description in kept] == [
        (("modified", raw["id"]), raw["description"]),
        (("removed", raw["id"]), "other"),
    ]


def test_unchanged_rows_leave_no_revision(conn):
    row = a_transaction()
    merge(conn, row, now=NOON)
    merge(conn, row, now=NOON + SECOND)

    assert conn.execute(sa.select(table)).all() == []


def test_pages_and_filters_of_a_moment_are_those_of_a_list(conn):
    raws = [a_raw_transaction(date=wire.to_text(NOON - timedelta(days=n)), status="PENDING") for n in range(7)]
    merge(conn, *(a_transaction(**raw) for raw in raws), now=NOON)
    whole = listed(conn, ACCOUNT)
    transactions.remove(conn, ITEM, ACCOUNT, [raws[2]["id"]], reason="event", now=NOON + SECOND)
    merge(conn, *(a_transaction(**{**raw, "status": "POSTED"}) for raw in raws[3:]), now=NOON + SECOND)

    pages, position = [], None
    while page := listed(conn, ACCOUNT, as_of=NOON, limit=2, position=position):
        pages += page
        position = page[-1].date, page[-1].id

    assert pages == whole
    assert listed(conn, ACCOUNT, as_of=NOON, status="PENDING") == whole
    assert listed(conn, ACCOUNT, as_of=NOON, status="POSTED") == []
    day = whole[2].date.date()
    assert listed(conn, ACCOUNT, as_of=NOON, date_from=day, date_to=day) == whole[2:3]


def test_history_begins_where_it_was_cut_and_only_moves_on(conn):
    assert transaction_revisions.begins_at(conn, ACCOUNT) is None

    for moment in (NOON, NOON - SECOND):
        transaction_revisions.begin_at(conn, moment)

    assert transaction_revisions.begins_at(conn, ACCOUNT) == NOON
    assert len(conn.execute(sa.select(history_begins)).all()) == 1


def test_of_a_deleted_item_it_is_known_from_then_on(conn):
    conn.execute(sa.update(items_table).values(deleted_at=NOON))

    assert transaction_revisions.begins_at(conn, ACCOUNT) == NOON


def test_nothing_of_it_is_left_of_a_purged_item(conn):
    row = a_transaction()
    merge(conn, row, now=NOON)
    transactions.remove(conn, ITEM, ACCOUNT, [row.id], reason="event", now=NOON)

    items.purge(conn, ITEM, now=NOON)

    assert conn.execute(sa.select(table)).all() == []
