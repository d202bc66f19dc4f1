"""Removal by age: what is over its life goes, what somebody may still need stays, and no pass loses its place."""

import itertools
import uuid
from datetime import timedelta

import pytest
import sqlalchemy as sa

from pluggy_sync import events
from pluggy_sync.rules.retention import Tier
from pluggy_sync.store import inbox, pruning, tables
from tests.kit import factories
from tests.kit.factories import NOON

BEFORE = NOON - timedelta(days=90)
OLD = BEFORE - timedelta(days=1)
YOUNG = BEFORE + timedelta(days=1)


@pytest.fixture
def conn(database):
    with database.begin() as conn:
        yield conn


def insert(conn, table, **values):
    return conn.execute(sa.insert(table).values(values).returning(*table.primary_key)).one()[0]


def an_event(conn, at, **values):
    defaults = {
        "event_id": str(uuid.uuid4()),
        "name": "item/updated",
        "payload": {"event": "item/updated", "itemId": "an-item"},
        "state": "handled",
        "received_at": at,
        "due_at": at,
        "handled_at": None if values.get("state") == "stored" else at,
    }
    return insert(conn, tables.inbox, **defaults | values)


def a_notification(conn, at, *states):
    id_ = insert(conn, tables.outbox, id=f"msg_{uuid.uuid4()}", type="item.synced", body="{}", created_at=at)
    insert(conn, tables.notification_stream, notification_id=id_)
    for number, state in enumerate(states):
        conn.execute(sa.text("INSERT INTO endpoints (id) VALUES (:id) ON CONFLICT DO NOTHING"), {"id": f"ep_{number}"})
        insert(
            conn,
            tables.deliveries,
            endpoint_id=f"ep_{number}",
            notification_id=id_,
            state=state,
            created_at=at,
            due_at=at,
        )
        an_attempt(conn, at, id_)
    return id_


def an_attempt(conn, at, notification_id=None):
    return insert(
        conn,
        tables.delivery_attempts,
        notification_id=notification_id or a_notification(conn, YOUNG),
        endpoint_id="ep_0",
        started_at=at,
        duration_ms=5,
    )


def a_run(conn, at, outcome="done"):
    values = {"id": uuid.uuid4(), "item_id": "an-item", "trigger": "item/updated", "began_at_seq": 1, "cursor": 0}
    return insert(conn, tables.sync_runs, **values, started_at=at, outcome=outcome)


def an_action(conn, at, settled_at, state="resolved"):
    conn.execute(
        sa.text("INSERT INTO items (id, first_seen_at) VALUES ('an-item', now()) ON CONFLICT DO NOTHING"),
    )
    values = {"id": f"act_{uuid.uuid4()}", "item_id": "an-item", "kind": "mfa", "reason": "WAITING_USER_INPUT"}
    return insert(
        conn,
        tables.user_actions,
        **values,
        dedup_key=str(uuid.uuid4()),
        state=state,
        created_at=at,
        settled_at=settled_at,
    )


def a_submission(conn, at, action_id=None):
    action_id = action_id or an_action(conn, OLD, OLD)
    return insert(conn, tables.submissions, action_id=action_id, what="mfa", started_at=at)


def a_balance(conn, at):
    values = {"account_id": str(uuid.uuid4()), "item_id": "an-item", "balance": 1, "rows_total": 1}
    return insert(conn, tables.balances, **values, collected_at=at)


def an_operation(conn, at, state="done"):
    values = {"id": str(uuid.uuid4()), "operator": "ana", "what": "resend", "wanted": {}, "counted": 1, "state": state}
    return insert(conn, tables.bulk_operations, **values, started_at=at)


def an_audit_entry(conn, at):
    return insert(conn, tables.audit_entries, at=at, operator="ana", what="sync_item")


def a_session(conn, ends_at):
    values = {"token_digest": str(uuid.uuid4()), "operator": "ana", "login_digest": "x"}
    # Begun long before it ends: it is old only from its end on.
    began_at = OLD - timedelta(days=1)
    return insert(conn, tables.console_sessions, **values, signed_in_at=began_at, used_at=began_at, ends_at=ends_at)


_moments = itertools.count()


def a_sample(conn, at):
    at += timedelta(minutes=next(_moments))
    insert(conn, tables.figure_samples, at=at, figures={})
    return at


_seqs = itertools.count(1)


def a_revision(conn, at):
    seq = next(_seqs)
    values = {"id": str(uuid.uuid4()), "account_id": "a", "date": at, "day": at.date(), "raw": {}}
    insert(conn, tables.transaction_revisions, item_id="an-item", seq=seq, recorded_at=at, ended_at=at, **values)
    return seq


TABLES = {
    Tier.REVISIONS: tables.transaction_revisions.c.seq,
    Tier.AUDIT_ENTRIES: tables.audit_entries.c.id,
    Tier.BULK_OPERATIONS: tables.bulk_operations.c.id,
    Tier.CONSOLE_SESSIONS: tables.console_sessions.c.token_digest,
    Tier.FIGURES: tables.figure_samples.c.at,
    Tier.EVENTS: tables.inbox.c.id,
    Tier.DEAD_EVENTS: tables.inbox.c.id,
    Tier.ATTEMPTS: tables.delivery_attempts.c.id,
    Tier.NOTIFICATIONS: tables.outbox.c.id,
    Tier.UNDELIVERED: tables.outbox.c.id,
    Tier.SYNC_RUNS: tables.sync_runs.c.id,
    Tier.SUBMISSIONS: tables.submissions.c.id,
    Tier.ACTIONS: tables.user_actions.c.id,
    Tier.BALANCES: tables.balances.c.account_id,
}


def prune(conn, tier, rows=100):
    """Make one pass; return what stays."""
    pruning.begin_anew(conn, [tier], now=NOON)
    while not pruning.remove(conn, tier, before=BEFORE, rows=rows, now=NOON).is_last:
        pass
    return set(conn.scalars(sa.select(TABLES[tier])))


MAKERS = {
    Tier.REVISIONS: a_revision,
    Tier.EVENTS: an_event,
    Tier.DEAD_EVENTS: lambda conn, at: an_event(conn, at, state="dead"),
    Tier.ATTEMPTS: an_attempt,
    Tier.NOTIFICATIONS: lambda conn, at: a_notification(conn, at, "delivered", "delivered"),
    Tier.UNDELIVERED: lambda conn, at: a_notification(conn, at, "pending", "dead", "delivered"),
    Tier.SYNC_RUNS: a_run,
    Tier.SUBMISSIONS: a_submission,
    Tier.ACTIONS: lambda conn, at: an_action(conn, at, at),
    Tier.BALANCES: a_balance,
    Tier.AUDIT_ENTRIES: an_audit_entry,
    Tier.BULK_OPERATIONS: an_operation,
    Tier.CONSOLE_SESSIONS: a_session,
    Tier.FIGURES: a_sample,
}


@pytest.mark.parametrize("rows", [1, 2, 100])
@pytest.mark.parametrize("tier", MAKERS)
def test_what_is_over_its_life_goes_and_the_rest_stays(conn, tier, rows):
    make = MAKERS[tier]
    for _ in range(3):
        make(conn, OLD)
    young = {make(conn, YOUNG) for _ in range(3)}

    assert prune(conn, tier, rows) == young


def test_what_was_sent_with_a_handled_event_goes_before_the_event(conn):
    an_event(conn, OLD, raw=b"raw")
    an_event(conn, YOUNG)

    pruning.begin_anew(conn, [Tier.EVENT_PAYLOADS], now=NOON)
    done = pruning.remove(conn, Tier.EVENT_PAYLOADS, before=BEFORE, rows=10, now=NOON)

    assert done.removed == 1
    columns = tables.inbox.c
    rows = conn.execute(sa.select(columns.name, columns.payload, columns.raw).order_by(columns.id)).all()
    assert rows == [
        ("item/updated", None, None),
        ("item/updated", {"event": "item/updated", "itemId": "an-item"}, None),
    ]


@pytest.mark.parametrize("state", ["stored", "dead"])
def test_an_event_that_waits_or_is_a_dead_letter_keeps_what_was_sent(conn, state):
    an_event(conn, OLD, state=state)

    pruning.begin_anew(conn, [Tier.EVENT_PAYLOADS], now=NOON)
    pruning.remove(conn, Tier.EVENT_PAYLOADS, before=BEFORE, rows=10, now=NOON)

    assert conn.scalar(sa.select(tables.inbox.c.payload)) is not None


def test_an_event_that_waits_stays_however_old_it_is(conn):
    waits = an_event(conn, OLD, state="stored")

    assert prune(conn, Tier.EVENTS) == {waits}
    assert prune(conn, Tier.DEAD_EVENTS) == {waits}


def test_an_event_stays_while_pluggys_answer_contradicts_it(conn):
    progress = {"item_id": "an-item", "contradiction": "STILL_THERE", "settled_seq": 7, "last_event_seq": 8}
    insert(conn, tables.item_progress, **progress)
    an_event(conn, OLD, item_id="an-item", item_seq=7)
    contradicted = an_event(conn, OLD, item_id="an-item", item_seq=8, name="item/deleted")

    assert prune(conn, Tier.EVENTS) == {contradicted}


@pytest.mark.parametrize("tier", [Tier.EVENTS, Tier.EVENT_PAYLOADS])
@pytest.mark.parametrize(
    "progress", [{"due_at": NOON, "sync_requested_seq": 8, "synced_seq": 7}, {"synced_seq": 8}], ids=["due", "part"]
)
def test_what_a_sync_has_still_to_read_from_an_event_stays(conn, tier, progress):
    insert(conn, tables.item_progress, item_id="an-item", last_event_seq=8, **progress)
    if "due_at" not in progress:
        part = {"item_id": "an-item", "product": "transactions", "part_of": "a", "reason": "refused", "detail": "403"}
        insert(conn, tables.incomplete_parts, **part, attempts=1, since=OLD, after_seq=7)
    covered = an_event(conn, OLD, item_id="an-item", item_seq=7)
    read = an_event(conn, OLD, item_id="an-item", item_seq=8)

    pruning.begin_anew(conn, [tier], now=NOON)
    assert pruning.remove(conn, tier, before=BEFORE, rows=10, now=NOON).removed == 1

    left = dict(conn.execute(sa.select(tables.inbox.c.id, tables.inbox.c.payload)).all())
    assert left[read] is not None
    assert left.get(covered) is None


@pytest.mark.parametrize("states", [("pending",), ("dead",), ("delivered", "pending")])
def test_a_notification_that_some_endpoint_did_not_take_is_not_over_with_the_delivered_ones(conn, states):
    kept = a_notification(conn, OLD, *states)

    assert prune(conn, Tier.NOTIFICATIONS) == {kept}
    assert len(conn.scalars(sa.select(tables.deliveries.c.id)).all()) == len(states)


def test_what_belongs_to_a_notification_goes_with_it(conn):
    a_notification(conn, OLD, "delivered")

    assert prune(conn, Tier.NOTIFICATIONS) == set()
    for table in (tables.deliveries, tables.delivery_attempts, tables.notification_stream):
        assert conn.execute(sa.select(table)).all() == [], table.name


def test_a_bulk_operation_that_goes_on_stays(conn):
    running = an_operation(conn, OLD, state="running")

    assert prune(conn, Tier.BULK_OPERATIONS) == {running}


def test_a_run_that_goes_on_stays(conn):
    running = a_run(conn, OLD, outcome="running")

    assert prune(conn, Tier.SYNC_RUNS) == {running}


@pytest.mark.parametrize("settled_at", [None, YOUNG])
def test_an_action_counts_from_its_end(conn, settled_at):
    kept = an_action(conn, OLD, settled_at, state="open" if settled_at is None else "resolved")

    assert prune(conn, Tier.ACTIONS) == {kept}


def test_a_submission_of_an_action_that_is_open_stays(conn):
    kept = a_submission(conn, OLD, an_action(conn, OLD, None, state="open"))

    assert prune(conn, Tier.SUBMISSIONS) == {kept}


def test_a_row_that_somebody_holds_is_passed_over_and_goes_with_the_next_pass(database):
    with database.begin() as conn:
        held, _ = a_run(conn, OLD), a_run(conn, OLD)
    with database.begin() as other:
        other.execute(sa.select(tables.sync_runs).where(tables.sync_runs.c.id == held).with_for_update())
        with database.begin() as conn:
            assert prune(conn, Tier.SYNC_RUNS) == {held}

    with database.begin() as conn:
        assert prune(conn, Tier.SYNC_RUNS) == set()


def test_a_notification_that_is_sent_again_at_this_moment_stays(database):
    with database.begin() as conn:
        kept = a_notification(conn, OLD, "delivered")
    with database.begin() as other:
        other.execute(sa.update(tables.deliveries).values(state="pending"))
        with database.begin() as conn:
            assert prune(conn, Tier.NOTIFICATIONS) == {kept}

    with database.begin() as conn:
        assert conn.scalars(sa.select(tables.deliveries.c.state)).all() == ["pending"]


def test_a_pass_goes_on_where_it_was_and_visits_what_stays_once(database):
    with database.begin() as conn:
        kept = [a_run(conn, OLD, outcome="running") for _ in range(3)]
        a_run(conn, OLD)
        pruning.begin_anew(conn, [Tier.SYNC_RUNS], now=NOON)
    removed = []
    for _ in range(4):
        with database.begin() as conn:
            assert pruning.begin(conn, Tier.SYNC_RUNS, now=NOON, unless_since=NOON)
            removed.append(pruning.remove(conn, Tier.SYNC_RUNS, before=BEFORE, rows=1, now=NOON).removed)

    with database.begin() as conn:
        assert sum(removed) == 1
        assert set(conn.scalars(sa.select(tables.sync_runs.c.id))) == set(kept)


def test_a_pass_begins_only_when_the_last_one_ended_long_enough_ago(conn):
    hour = timedelta(hours=1)
    assert pruning.begin(conn, Tier.EVENTS, now=NOON, unless_since=NOON - hour)
    assert pruning.remove(conn, Tier.EVENTS, before=BEFORE, rows=10, now=NOON).is_last

    assert not pruning.begin(conn, Tier.EVENTS, now=NOON + hour / 2, unless_since=NOON - hour / 2)
    assert pruning.begin(conn, Tier.EVENTS, now=NOON + 2 * hour, unless_since=NOON + hour)


def test_two_processes_do_not_prune_one_tier_at_once(database):
    with database.begin() as conn:
        pruning.begin_anew(conn, [Tier.EVENTS], now=NOON)

    with database.begin() as first, database.begin() as second:
        assert pruning.begin(first, Tier.EVENTS, now=NOON, unless_since=NOON)
        assert not pruning.begin(second, Tier.EVENTS, now=NOON, unless_since=NOON)


def test_what_a_tier_removed_is_counted_over_all_passes(conn):
    for _ in range(2):
        a_run(conn, OLD)
        prune(conn, Tier.SYNC_RUNS)

    [found] = pruning.passes(conn)

    assert (found.tier, found.removed, found.finished_at) == (Tier.SYNC_RUNS, 2, NOON)


@pytest.mark.parametrize("tier", MAKERS)
def test_what_is_counted_as_overdue_is_what_goes(conn, tier):
    for _ in range(3):
        MAKERS[tier](conn, OLD)
    MAKERS[tier](conn, YOUNG)
    before = len(conn.scalars(sa.select(TABLES[tier])).all())

    counted = pruning.overdue(conn, tier, before=BEFORE, at_most=100)

    assert counted == before - len(prune(conn, tier)) == 3
    assert pruning.overdue(conn, tier, before=BEFORE, at_most=100) == 0


def test_a_repeat_of_an_event_is_known_as_one_after_what_was_sent_is_gone(database):
    sent = factories.an_event("transactions/deleted", accountId="an-account")
    with database.begin() as conn:
        assert inbox.record(conn, events.of_payload(sent), received_at=OLD).is_new
        inbox.finish(conn, sent["eventId"], "sync", now=OLD)
        pruning.begin_anew(conn, [Tier.EVENT_PAYLOADS], now=NOON)
        assert pruning.remove(conn, Tier.EVENT_PAYLOADS, before=BEFORE, rows=10, now=NOON).removed == 1

    with database.begin() as conn:
        again = inbox.record(conn, events.of_payload(sent), received_at=NOON)

    assert (again.is_new, again.event_id) == (False, sent["eventId"])
