"""The views that a company reads: what they show, who may read them, and that their freshness is the rule's."""

import dataclasses
import itertools
import os
import re
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from pluggy_sync.rules import needs
from pluggy_sync.rules.contradictions import Contradiction
from pluggy_sync.rules.freshness import State, freshness_of
from pluggy_sync.store import item_views, mirror, user_actions
from pluggy_sync.store.database import create_engine
from pluggy_sync.store.migrate import migrate
from pluggy_sync.store.mirror import READER
from pluggy_sync.store.mirror_views import views
from pluggy_sync.store.tables import connectors, item_progress, items
from pluggy_sync.store.tables import user_actions as actions
from tests.kit.tables_document import BEGINS, made_part, picture

PICTURE = Path(__file__).parents[3] / "docs" / "tables.svg"
DOCUMENT = Path(__file__).parents[3] / "docs" / "tables.md"
GRACE = timedelta(hours=12)
CONTRACT = {
    *(
        "items",
        "accounts",
        "transactions",
        "transaction_series",
        "bills",
        "investments",
        "investment_transactions",
        "identity",
        "loans",
    ),
    *("consents", "categories", "actions", "changes", "sync_runs", "freshness"),
}


@pytest.fixture
def fresh_url(postgres):
    """The address of a database that was never migrated."""
    postgres.drop_database("mirrored")
    yield postgres.create_database("mirrored")
    postgres.drop_database("mirrored")


def columns(conn):
    return conn.execute(
        """
        SELECT c.relname, attname, format_type(atttypid, atttypmod), col_description(c.oid, attnum)
        FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped
        WHERE relnamespace = 'mirror'::regnamespace ORDER BY 1, attnum
        """
    ).fetchall()


def test_there_are_the_views_of_the_contract_and_each_column_says_what_it_is(database_url):
    with psycopg.connect(database_url) as conn:
        found = columns(conn)
        comments = conn.execute(
            "SELECT obj_description(oid) FROM pg_class WHERE relnamespace = 'mirror'::regnamespace"
        ).fetchall()

    assert {view for view, *_ in found} == CONTRACT
    assert [each for each in found if not each[3]] == []
    assert all(comment for (comment,) in comments)


def test_money_is_numeric_and_each_moment_is_an_instant_and_a_day(database_url):
    with psycopg.connect(database_url) as conn:
        found = {(view, name): kind for view, name, kind, _ in columns(conn)}

    money = ("amount", "balance", "limit", "minimum_payment", "value")
    assert {kind for (_, name), kind in found.items() if any(word in name for word in money)} == {"numeric"}
    for (view, name), kind in found.items():
        if kind.startswith("timestamp"):
            assert (name[-3:], kind) == ("_at", "timestamp with time zone")
            assert found[view, name.removesuffix("_at") + "_day"] == "date"
        if kind == "date":
            assert (view, name.removesuffix("_day") + "_at") in found


def test_whoever_has_the_role_reads_the_views_and_nothing_else(database_url):
    with psycopg.connect(database_url) as conn:
        conn.execute("CREATE TABLE public.of_the_product (id int)")
        conn.execute(f"SET ROLE {READER}")
        for view in CONTRACT:
            conn.execute(f"SELECT * FROM mirror.{view}")
        tables = conn.execute("SELECT schemaname, tablename FROM pg_tables WHERE schemaname !~ '^(pg_|information)'")
        allowed = [
            (schema, table)
            for schema, table in tables.fetchall()
            if conn.execute(
                "SELECT has_schema_privilege(%s, 'USAGE') AND has_table_privilege(%s, 'SELECT')",
                [schema, f'"{schema}"."{table}"'],
            ).fetchone()
            == (True,)
        ]
        writable = [
            view
            for view in CONTRACT
            if conn.execute("SELECT has_table_privilege(%s, 'INSERT, UPDATE, DELETE')", [f"mirror.{view}"]).fetchone()
            == (True,)
        ]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("SELECT * FROM pluggy_sync.items")
        conn.rollback()

    assert (allowed, writable) == ([], [])


def test_a_transaction_is_shown_as_sent_and_by_its_day(service, upstream, database_url):
    item_id = upstream.connect()
    service.catch_up()

    with psycopg.connect(database_url) as conn:
        shown = conn.execute(
            "SELECT count(*), count(*) FILTER (WHERE raw ->> 'id' = id AND (raw ->> 'amount')::numeric = amount "
            "AND (raw ->> 'date')::timestamptz = date_at AND date_day IS NOT NULL), count(DISTINCT account_id) "
            "FROM mirror.transactions WHERE item_id = %s",
            [item_id],
        ).fetchone()
        joined = conn.execute(
            "SELECT count(*) FROM mirror.transactions t JOIN mirror.accounts a ON a.id = t.account_id "
            "JOIN mirror.items i ON i.id = a.item_id"
        ).fetchone()
        state = conn.execute("SELECT state, reason FROM mirror.freshness WHERE item_id = %s", [item_id]).fetchone()

    assert shown[0] > 0
    assert shown[0] == shown[1] == joined[0]
    assert state == ("fresh", None)


def test_odd_values_of_banks_stop_no_view(database, database_url):
    odd = {"merchant": "a text", "creditCardMetadata": {"installmentNumber": "three", "billId": 7}}
    with database.begin() as conn:
        conn.execute(items.insert().values(id="i", first_seen_at=sa.func.now()))
        for number, raw in enumerate([odd, {"merchant": [1], "creditCardMetadata": None}, {}]):
            conn.execute(
                sa.text(
                    "INSERT INTO transactions (id, account_id, item_id, date, day, raw) "
                    "VALUES (:id, 'a', 'i', now(), now()::date, :raw)"
                ).bindparams(sa.bindparam("raw", type_=sa.JSON)),
                {"id": str(number), "raw": raw},
            )

    with psycopg.connect(database_url) as conn:
        rows = conn.execute("SELECT installment_number, bill_id, merchant_name FROM mirror.transactions ORDER BY id")
        assert rows.fetchall() == [(None, "7", None), (None, None, None), (None, None, None)]


@pytest.mark.slow
def test_the_freshness_that_the_view_shows_is_the_rules_in_every_combination(database):
    with database.begin() as conn:
        now = conn.scalar(sa.select(sa.func.now()))
        hour = timedelta(hours=1)
        incident = {"incident_type": "INSTITUTION_OUTAGE", "incident_since": now - 6 * hour, "updated_at": now}
        conn.execute(
            connectors.insert(),
            [
                {
                    "id": 2,
                    "status": "OFFLINE",
                    **incident,
                    "incident_type": None,
                    "incident_since": None,
                    "away": False,
                },
                {"id": 3, "status": "ONLINE", **incident, "away": True},
                {"id": 4, "status": "ONLINE", **incident, "away": False},
            ],
        )
        times = [
            # Next planned update, last update.
            (None, None),
            (None, now - hour),
            (None, now - 30 * hour),
            (None, now - 24 * hour - GRACE),
            (None, now - 24 * hour - GRACE - timedelta(microseconds=1)),
            (now + hour, now - 90 * hour),
            (now - GRACE, now - hour),
            (now - GRACE - timedelta(microseconds=1), now - hour),
        ]
        progress = [
            # requested, synced, attempts, contradiction, refetches; None: no row.
            None,
            (0, 0, 0, None, 0),
            (2, 1, 0, None, 0),
            (2, 1, 3, None, 0),
            (1, 1, 3, None, 0),
            (0, 0, 0, Contradiction.NOT_FOUND, 2),
            (2, 1, 3, Contradiction.NOT_FOUND, 3),
            (0, 0, 0, Contradiction.BEHIND, 5),
        ]
        asked = [
            (),
            (("open", "WAITING_USER_INPUT"),),
            (("submitted", "WAITING_USER_INPUT"),),
            (("open", needs.CONSENT_EXPIRING), ("open", "LOGIN_ERROR")),
        ]
        statuses = [
            (None, None),
            ("UPDATED", "SUCCESS"),
            ("UPDATED", "SITE_NOT_AVAILABLE"),
            ("UPDATING", "SITE_NOT_AVAILABLE"),
            ("MERGING", None),
            ("OUTDATED", "SITE_NOT_AVAILABLE"),
            ("LOGIN_ERROR", "INVALID_CREDENTIALS"),
        ]
        combinations = itertools.product(statuses, times, progress, asked, (None, 2, 3, 4), (None, now - 5 * hour))
        rows, steps, needed = [], [], []
        for number, ((status, execution), (planned, last), step, open_, connector, deleted) in enumerate(combinations):
            item_id = f"{number:05}"
            rows.append(
                {
                    "id": item_id,
                    "connector_id": connector,
                    "status": status,
                    "execution_status": execution,
                    "updated_at": now - 2 * hour,
                    "last_updated_at": last,
                    "next_auto_sync_at": planned,
                    "first_seen_at": now - (100 if number % 2 else 3) * hour,
                    "deleted_at": deleted,
                    "replaced_by": "another" if number % 13 == 0 else None,
                }
            )
            if step is not None:
                names = ("sync_requested_seq", "synced_seq", "sync_attempts", "contradiction", "refetches")
                steps.append({"item_id": item_id, **dict(zip(names, step, strict=True))})
            needed += [
                {
                    "id": f"{item_id}{place}",
                    "item_id": item_id,
                    "kind": "mfa",
                    "reason": reason,
                    "dedup_key": reason,
                    "state": state,
                    "created_at": now - (9 - place) * hour,
                }
                for place, (state, reason) in enumerate(open_)
            ]
        for table, values in ((items, rows), (item_progress, steps), (actions, needed)):
            conn.execute(table.insert(), values)

        assert len(rows) > 7_000
        everything = {"client_user_id": None, "expected_before": now, "limit": len(rows)}
        found = [
            *item_views.after(conn, None, state=None, **everything),
            *item_views.after(conn, None, state=State.DELETED, **everything),
        ]
        unsettled = user_actions.unsettled_of(conn, [each.id for each in found])
        by_rule = {
            each.id: freshness_of(item_views.known(each, unsettled.get(each.id, [])), now=now, grace=GRACE)
            for each in found
        }
        shown = conn.execute(sa.text("SELECT item_id, state, since_at, reason FROM mirror.freshness")).all()

    assert len(shown) == len(by_rule) == len(rows)
    assert {state for _, state, _, _ in shown} == set(State)
    differing = [row for row in shown if tuple(row[1:]) != dataclasses.astuple(by_rule[row.item_id])]
    assert differing == []


@pytest.mark.slow
def test_the_view_is_stale_by_the_setting(fresh_url):
    engine = create_engine(fresh_url)
    for hours, state in ((12, "fresh"), (1, "stale")):
        assert migrate(engine, stale_after=timedelta(hours=hours)) == []
        with engine.begin() as conn:
            conn.execute(
                sa.text(
                    "INSERT INTO items (id, status, first_seen_at, next_auto_sync_at) "
                    "VALUES ('i', 'UPDATED', now(), now() - interval '2 hours') ON CONFLICT DO NOTHING"
                )
            )
            assert conn.scalar(sa.text("SELECT state FROM mirror.freshness")) == state
    engine.dispose()


@pytest.mark.slow
def test_views_of_the_company_on_ours_and_rights_outlive_a_new_version(fresh_url):
    engine = create_engine(fresh_url)
    migrate(engine)
    with psycopg.connect(fresh_url, autocommit=True) as conn:
        conn.execute("CREATE VIEW public.theirs AS SELECT id FROM mirror.accounts")
        conn.execute("CREATE ROLE an_analyst")
        conn.execute("GRANT SELECT ON mirror.accounts TO an_analyst")

        migrate(engine, stale_after=timedelta(hours=1))

        assert conn.execute("SELECT has_table_privilege('an_analyst', 'mirror.accounts', 'SELECT')").fetchone() == (
            True,
        )
        assert conn.execute("SELECT * FROM public.theirs").fetchall() == []
        conn.execute("DROP OWNED BY an_analyst")
        conn.execute("DROP ROLE an_analyst")
    engine.dispose()


@pytest.mark.slow
def test_without_the_right_to_make_roles_the_migration_succeeds_and_says_what_to_do(fresh_url, monkeypatch):
    monkeypatch.setattr(mirror, "READER", "another_reader")
    with psycopg.connect(fresh_url, autocommit=True) as admin:
        admin.execute("CREATE ROLE may_make_schemas LOGIN")
        admin.execute("GRANT CREATE ON DATABASE mirrored TO may_make_schemas")
        engine = create_engine(fresh_url.replace("postgres@", "may_make_schemas@"))

        (note,) = migrate(engine)
        assert migrate(engine) == [note]
        admin.execute(note.rpartition("run: ")[2].partition(";")[0])
        assert migrate(engine) == []

        assert admin.execute("SELECT has_table_privilege('another_reader', 'mirror.items', 'SELECT')").fetchone() == (
            True,
        )
        engine.dispose()
        for role in ("may_make_schemas", "another_reader"):
            admin.execute(f"DROP OWNED BY {role} CASCADE")
            admin.execute(f"DROP ROLE {role}")


@pytest.mark.slow
def test_a_schema_mirror_of_the_product_is_left_alone(fresh_url):
    engine = create_engine(fresh_url)
    with psycopg.connect(fresh_url, autocommit=True) as product:
        product.execute("CREATE SCHEMA mirror")
        product.execute("CREATE TABLE mirror.items (glass text)")

        (note,) = migrate(engine)

        assert "is not ours" in note
        assert columns(product) == [("items", "glass", "text", None)]
    engine.dispose()


@pytest.mark.slow
def test_a_view_that_lost_what_it_shows_is_made_again(fresh_url):
    """As after a migration that had to drop a view."""
    engine = create_engine(fresh_url)
    migrate(engine)
    with psycopg.connect(fresh_url, autocommit=True) as conn:
        conn.execute("DROP VIEW mirror.loans")

        migrate(engine)

        assert conn.execute("SELECT * FROM mirror.loans").fetchall() == []
        assert conn.execute(f"SELECT has_table_privilege('{READER}', 'mirror.loans', 'SELECT')").fetchone() == (True,)
    engine.dispose()


def test_the_document_and_its_picture_are_made_from_the_views(database_url):
    """With TABLES=write in the environment the document is written anew."""
    with psycopg.connect(database_url) as conn:
        made = made_part(conn, views(GRACE))
    by_hand, _, shown = DOCUMENT.read_text().partition(BEGINS)
    if os.environ.get("TABLES") == "write":
        DOCUMENT.write_text(by_hand + made)
        PICTURE.write_text(picture(views(GRACE)))

    assert BEGINS + shown == made
    assert PICTURE.read_text() == picture(views(GRACE))


def test_the_queries_of_the_document_run_with_the_role_alone(database_url):
    queries = re.findall(r"```sql\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert queries

    with psycopg.connect(database_url) as conn:
        conn.execute(f"SET ROLE {READER}")
        for query in queries:
            conn.execute(query)
