"""Lists of Items by state: what the query leaves out is never in that state."""

import itertools
from datetime import timedelta

import sqlalchemy as sa

from pluggy_sync.rules.freshness import State, freshness_of
from pluggy_sync.rules.needs import Kind, Need
from pluggy_sync.store import item_views, items, tables, user_actions
from tests.kit.factories import NOON

GRACE = timedelta(hours=3)
EXECUTIONS = [
    (None, None),
    ("UPDATED", "SUCCESS"),
    ("UPDATING", "LOGIN_IN_PROGRESS"),
    ("OUTDATED", "SITE_NOT_AVAILABLE"),
    ("LOGIN_ERROR", "INVALID_CREDENTIALS"),
]
PLANNED = [None, NOON - timedelta(hours=4), NOON - timedelta(hours=2)]
LAST_UPDATED = [None, NOON - timedelta(hours=28), NOON]
# sync requested, attempts, contradiction, refetches
PROGRESS = [None, (0, 0, None, 0), (1, 0, None, 0), (1, 3, None, 0), (0, 0, "ITEM_NOT_FOUND", 3), (0, 0, "OTHER", 1)]
# Online, offline, with an incident, and away by one.
CONNECTORS = [1, 2, 3, 4]
ASKED = [False, True]


def keep_every_kind(conn):
    for number, status in ((1, "ONLINE"), (2, "OFFLINE"), (3, "ONLINE"), (4, "ONLINE")):
        incident = {"incident_type": "INSTITUTION_OUTAGE", "incident_since": NOON} if number > 2 else {}
        conn.execute(
            sa.insert(tables.connectors).values(id=number, status=status, updated_at=NOON, away=number == 4, **incident)
        )
    kinds = itertools.product(EXECUTIONS, PLANNED, LAST_UPDATED, PROGRESS, CONNECTORS, ASKED)
    for number, ((status, execution), planned, last, progress, connector, asked) in enumerate(kinds):
        id_ = f"{number:05}"
        conn.execute(
            sa.insert(tables.items).values(
                id=id_,
                status=status,
                execution_status=execution,
                next_auto_sync_at=planned,
                last_updated_at=last,
                updated_at=last,
                connector_id=connector,
                first_seen_at=NOON - timedelta(days=9),
            )
        )
        if progress is not None:
            requested, attempts, contradiction, refetches = progress
            conn.execute(
                sa.insert(tables.item_progress).values(
                    item_id=id_,
                    sync_requested_seq=requested,
                    sync_attempts=attempts,
                    contradiction=contradiction,
                    refetches=refetches,
                )
            )
        if asked:
            need = Need(kind=Kind.CREDENTIALS, reason="INVALID_CREDENTIALS", dedup_key="credentials")
            user_actions.open_new(conn, id_, need, now=NOON)


def listed(conn, state):
    return item_views.after(conn, None, client_user_id=None, state=state, expected_before=NOON - GRACE, limit=10_000)


def freshness(item, actions):
    known = item_views.known(item, actions.get(item.id, []))
    return freshness_of(known, now=NOON, grace=GRACE).state


def test_the_items_of_a_state_are_those_that_are_in_it_among_all(database):
    with database.begin() as conn:
        keep_every_kind(conn)
        everyone = listed(conn, None)
        actions = user_actions.unsettled_of(conn, [each.id for each in everyone])
        states = {item.id: freshness(item, actions) for item in everyone}

        for state in set(State) - {State.DELETED}:
            found = [each.id for each in listed(conn, state) if states[each.id] == state]
            assert found == [id_ for id_, is_in in states.items() if is_in == state]
            assert found, state


def test_only_a_list_of_deleted_items_has_them(database):
    with database.begin() as conn:
        for id_ in ("deleted", "lives"):
            items.lock(conn, id_, now=NOON)
        items.purge(conn, "deleted", now=NOON)

        for state in (None, *State):
            ids = [each.id for each in listed(conn, state)]
            assert ("deleted" in ids) == (state == State.DELETED)
            assert not (state == State.DELETED and "lives" in ids)
