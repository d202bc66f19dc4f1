"""Our tables stand in a schema of their own, and come there from `public`. What is the product's is left alone."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command

from pluggy_sync.settings import DEFAULT_SCHEMA
from pluggy_sync.store import schema
from pluggy_sync.store.database import create_engine, in_schema
from pluggy_sync.store.migrate import alembic_config, migrate
from pluggy_sync.store.schema import LAST_IN_PUBLIC, MOVED_TABLES, SchemaError
from pluggy_sync.store.tables import metadata
from standalone.polling import eventually
from tests.kit.pgbouncer import pooled
from tests.kit.psql import psql

# Each makes a database, or waits for a lock.
pytestmark = pytest.mark.slow

# A product's own, with names of ours and a migration number of ours.
PRODUCT = """
    CREATE TABLE public.accounts (id int PRIMARY KEY, owner text);
    INSERT INTO public.accounts VALUES (1, 'their customer');
    CREATE TABLE public.items (sku text PRIMARY KEY);
    INSERT INTO public.items VALUES ('a lamp');
    CREATE TABLE public.alembic_version (version_num varchar(32) NOT NULL);
    INSERT INTO public.alembic_version VALUES ('0001');
    CREATE SEQUENCE public.stream_positions START 77;
"""


@pytest.fixture
def shared_url(postgres):
    """The address of a database that was never migrated."""
    postgres.drop_database("shared")
    yield postgres.create_database("shared")
    postgres.drop_database("shared")


@pytest.fixture
def engine(shared_url):
    engine = create_engine(shared_url)
    yield engine
    engine.dispose()


def tables_in(url, name):
    with psycopg.connect(url) as conn:
        return {table for (table,) in conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [name])}


def version_in(url, name):
    with psycopg.connect(url) as conn:
        return conn.execute(f"SELECT version_num FROM {name}.alembic_version").fetchall()


def what_the_product_has(conn):
    return [
        conn.execute(f"TABLE public.{table}").fetchall() for table in ("accounts", "items", "alembic_version")
    ] + conn.execute("SELECT last_value, is_called FROM public.stream_positions").fetchall()


def as_before_the_schema(engine, revision=LAST_IN_PUBLIC):
    """Bring the database to *revision*, as the code of that time did: in `public`."""
    config = alembic_config()
    with engine.connect() as conn, in_schema(conn, "public"):
        config.attributes["connection"] = conn
        command.upgrade(config, revision)


def test_a_product_with_tables_of_our_names_keeps_them_as_they_are(shared_url, engine):
    with psycopg.connect(shared_url, autocommit=True) as product:
        product.execute(PRODUCT)
        before = what_the_product_has(product)

        migrate(engine)
        with engine.begin() as conn:
            conn.execute(sa.text("INSERT INTO items (id, first_seen_at) VALUES ('ours', now())"))

        assert what_the_product_has(product) == before
    assert tables_in(shared_url, "public") == {"accounts", "items", "alembic_version"}
    assert tables_in(shared_url, DEFAULT_SCHEMA) >= {*metadata.tables, "alembic_version"}


def test_behind_a_pooler_a_product_with_tables_of_our_names_is_not_met(shared_url, engine, tmp_path):
    with psycopg.connect(shared_url, autocommit=True) as product:
        product.execute(PRODUCT)
    migrate(engine)

    with pooled(shared_url, tmp_path) as url:
        behind = create_engine(url, pool_size=8)

        def write(number):
            with behind.begin() as conn:
                conn.execute(sa.text("INSERT INTO items (id, first_seen_at) VALUES (:id, now())"), {"id": str(number)})

        with ThreadPoolExecutor(8) as threads, psycopg.connect(url, autocommit=True, prepare_threshold=None) as product:
            ours = threads.map(write, range(100))
            # The product's sessions share the pooler's connections: ours leave nothing behind in them.
            theirs = [product.execute("SELECT sku FROM items").fetchall() for _ in range(50)]
            list(ours)
        with behind.begin() as conn:
            count = conn.scalar(sa.text("SELECT count(*) FROM items"))
        behind.dispose()

    assert theirs == [[("a lamp",)]] * 50
    assert count == 100


@pytest.mark.parametrize("revision", [LAST_IN_PUBLIC, "0003"])
def test_a_database_of_before_is_moved_with_its_rows_and_only_with_its_own_tables(shared_url, engine, revision):
    as_before_the_schema(engine, revision)
    with psycopg.connect(shared_url, autocommit=True) as conn:
        conn.execute("CREATE TABLE public.orders (id int)")
        conn.execute("CREATE VIEW public.theirs AS SELECT id FROM public.items")
        conn.execute("INSERT INTO items (id, first_seen_at) VALUES ('kept', now())")
        conn.execute(
            "INSERT INTO inbox (event_id, name, received_at, due_at, payload) VALUES ('e1', 'n', now(), now(), '{}')"
        )

    migrate(engine)

    assert tables_in(shared_url, "public") == {"orders"}
    with psql(shared_url) as conn:
        assert conn.execute("SELECT id FROM items").fetchall() == [("kept",)]
        assert conn.execute("SELECT id FROM public.theirs").fetchall() == [("kept",)]
        # Its numbers go on.
        conn.execute("INSERT INTO inbox (event_id, name, received_at, due_at) VALUES ('e2', 'n', now(), now())")
        assert conn.execute("SELECT id FROM inbox ORDER BY id").fetchall() == [(1,), (2,)]
        assert conn.execute("SELECT nextval('stream_positions')").fetchone() == (1,)


def test_a_database_of_before_is_like_one_that_was_never_in_public(shared_url, engine, postgres):
    as_before_the_schema(engine)

    migrate(engine)

    described = """
        SELECT c.relname, c.relkind, pg_get_indexdef(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
        WHERE nspname = %s AND c.relkind <> 't' ORDER BY 1
    """
    with psql(shared_url) as moved, psql(postgres.url) as made:
        moved_there = moved.execute(described, [DEFAULT_SCHEMA]).fetchall()
        assert moved_there == made.execute(described, [DEFAULT_SCHEMA]).fetchall()


def test_the_tables_that_move_are_those_of_the_last_migration_in_public(shared_url, engine):
    as_before_the_schema(engine)

    assert tables_in(shared_url, "public") == set(MOVED_TABLES)


def test_moving_waits_for_whoever_uses_a_table_and_keeps_others_waiting_briefly(shared_url, engine):
    as_before_the_schema(engine)
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'ALTER TABLE%'"

    with (
        ThreadPoolExecutor(1) as threads,
        psycopg.connect(shared_url) as user,
        psycopg.connect(shared_url, autocommit=True) as other,
    ):
        user.execute("SELECT * FROM public.transactions")
        moving = threads.submit(migrate, engine)
        eventually(lambda: other.execute(waiting).fetchone() == (1,), what="the move waits")
        # Queued behind the move, and before it in the end.
        other.execute("SET lock_timeout = '30s'")
        other.execute("SELECT * FROM public.transactions")
        assert not moving.done()
        user.rollback()
        moving.result(timeout=60)

    assert tables_in(shared_url, "public") == set()


def test_tables_that_somebody_uses_all_the_time_stay_where_they_are_and_the_operator_is_told(
    shared_url, engine, monkeypatch
):
    as_before_the_schema(engine)
    monkeypatch.setattr(schema, "MOVE_ATTEMPTS", 1)

    with psycopg.connect(shared_url) as user:
        user.execute("SELECT * FROM public.transactions")
        with pytest.raises(SchemaError, match="Stop the processes of the version before"):
            migrate(engine)

    assert tables_in(shared_url, "public") == set(MOVED_TABLES)
    migrate(engine)
    assert tables_in(shared_url, "public") == set()


def test_a_user_who_may_make_no_schema_is_told_what_an_administrator_has_to_run(shared_url, postgres):
    with psycopg.connect(shared_url, autocommit=True) as admin:
        admin.execute("DROP ROLE IF EXISTS may_little")
        admin.execute("CREATE ROLE may_little LOGIN")
        weak = create_engine(shared_url.replace("postgres@", "may_little@"))

        with pytest.raises(SchemaError) as caught:
            migrate(weak)
        assert tables_in(shared_url, DEFAULT_SCHEMA) == set()
        admin.execute(str(caught.value).rpartition("run: ")[2])
        migrate(weak)

        weak.dispose()
        admin.execute("DROP OWNED BY may_little")
        admin.execute("DROP ROLE may_little")


def test_a_mistyped_schema_does_not_begin_anew_beside_our_tables(shared_url, engine):
    migrate(engine)
    mistyped = create_engine(shared_url, schema="plugy_sync")

    with pytest.raises(SchemaError, match=f"Set DATABASE_SCHEMA to {DEFAULT_SCHEMA}"):
        migrate(mistyped)

    mistyped.dispose()
    assert tables_in(shared_url, "plugy_sync") == set()


def test_tables_that_somebody_chose_to_have_in_public_are_not_moved(shared_url, engine):
    chosen = create_engine(shared_url, schema="public")
    migrate(chosen)
    with chosen.begin() as conn:
        conn.execute(sa.text("UPDATE alembic_version SET version_num = 'a later one'"))
    chosen.dispose()

    with pytest.raises(SchemaError, match="Set DATABASE_SCHEMA to public"):
        migrate(engine)

    assert tables_in(shared_url, "public") >= {*metadata.tables}


def test_the_schema_is_a_setting_and_may_be_public(shared_url):
    for name in ("order", "public"):
        engine = create_engine(shared_url, schema=name)
        if name == "public":
            with psycopg.connect(shared_url, autocommit=True) as conn:
                conn.execute('DROP SCHEMA "order" CASCADE')
        migrate(engine)
        migrate(engine)
        with engine.begin() as conn:
            conn.execute(sa.text("INSERT INTO items (id, first_seen_at) VALUES ('ours', now())"))
        engine.dispose()

        assert tables_in(shared_url, name) >= {*metadata.tables}
