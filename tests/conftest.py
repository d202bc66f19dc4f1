"""Real servers for all tests: Postgres and Valkey once per process, a database and a sandbox per test."""

import dataclasses
import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
import redis
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from pluggy_sandbox.testing import RunningSandbox, running_sandbox
from pluggy_sync.logs import configure_logs
from pluggy_sync.pluggy import client
from pluggy_sync.resources import Resources, create_resources
from pluggy_sync.settings import Settings
from pluggy_sync.store import erased, sealed_keys
from pluggy_sync.store.database import WORKER, create_engine
from pluggy_sync.store.migrate import migrate
from pluggy_sync.store.tables import metadata
from standalone.sandbox import Sandbox
from standalone.servers import Postgres, Valkey, running_postgres, running_valkey
from tests.kit.clock import Clock
from tests.kit.engines import SharedEngine
from tests.kit.factories import a_settings
from tests.kit.pluggy import Upstream
from tests.kit.service import Service
from webhook_app import api_tokens, app_resources
from webhook_app.api_tokens import ApiTokens
from webhook_app.app import create_app
from webhook_app.intake import view as intake
from webhook_app.intake.intake import Intake

# What comes later is asked first: what is slow is known before the tests are ordered.
pytest_plugins = [
    "tests.kit.documented",
    "tests.kit.chromium",
    "tests.kit.measured",
    "tests.kit.distribution",
    "tests.kit.quick_tests",
]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """
    Leave what is imported and collected out of garbage collection, which would go through all of it each time.

    The rest is collected less often than usual: that took a twentieth of the time of a test.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _logs() -> Iterator[None]:
    """Log as in production: without this, structlog prints the locals of every exception, slowly."""
    configure_logs("INFO")
    yield
    # Libraries log while the process ends, when the stream that pytest gave is closed.
    logging.getLogger().handlers.clear()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A Postgres server whose own database is migrated."""
    with running_postgres() as server:
        engine = create_engine(server.url)
        migrate(engine)
        engine.dispose()
        yield server


_BOX = erased.box(a_settings().secret_key)


@pytest.fixture(scope="session")
def shared_engine(postgres: Postgres) -> Iterator[SharedEngine]:
    """The engine of all tests of a process: what it has compiled and its connections are used again."""
    with closing(SharedEngine(postgres.url, WORKER)) as shared:
        erased.guard(shared.engine, _BOX)
        yield shared


# Quicker than a new database from a template by a fifth of a second for every test.
_EMPTY = "; ".join(f"DELETE FROM {table.name}" for table in reversed(metadata.sorted_tables))
# As a migration leaves it.
_EMPTY += "; INSERT INTO endpoints (id) VALUES ('ep_environment')"
# As the first process leaves it, which opens two connections to make this key.
_KEY = (sealed_keys.TOMBSTONES, 1, _BOX.seal("ab" * 32).decode(), "now")
_EMPTY += f"; INSERT INTO sealed_keys (purpose, number, sealed, created_at) VALUES {_KEY}"


@pytest.fixture
def database_url(postgres: Postgres, shared_engine: SharedEngine) -> str:
    """The address of a migrated database with nothing in it, and nobody at work in it."""
    shared_engine.begin_again()
    shared_engine.run(_EMPTY)
    return postgres.url


@pytest.fixture(scope="session")
def shared_valkey() -> Iterator[Valkey]:
    """A Valkey server; tests that stop one start their own."""
    with running_valkey() as server:
        yield server


@pytest.fixture(scope="session")
def _shared_redis(shared_valkey: Valkey) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(shared_valkey.url) as client:
        yield client


@pytest.fixture
def valkey(shared_valkey: Valkey, _shared_redis: redis.Redis) -> Valkey:
    """The Valkey server with nothing in it: the budget that another test spent would have to be waited for."""
    _shared_redis.flushall()
    return shared_valkey


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[RunningSandbox]:
    """
    A Pluggy that is begun again for every test: that is quicker than another server.

    Its banks tell the same story on any day on which the tests run; no bill closes in its first days, which would
    change many rows more. They show few months, which is cheaper; a test of a longer history asks for it.
    """
    with running_sandbox(seed=1, opening_day="2026-11-11", history_days=100) as running:
        yield running


@pytest.fixture
def sandbox(shared_sandbox: RunningSandbox) -> RunningSandbox:
    """A Pluggy with nothing in it, whose clock stands still at the real now."""
    shared_sandbox.control.post("/reset", json={"seed": 1}).raise_for_status()
    return shared_sandbox


@pytest.fixture
def upstream(sandbox: RunningSandbox) -> Iterator[Upstream]:
    """The bank and Pluggy of the test: it connects people, changes data, and hands over the events."""
    with closing(Sandbox(sandbox.url, client_id=sandbox.client_id, client_secret=sandbox.client_secret)) as client:
        yield Upstream(client)


@pytest.fixture
def begin_again(
    resources: Resources, shared_engine: SharedEngine, sandbox: RunningSandbox, upstream: Upstream
) -> Callable[[], Upstream]:
    """For tests that try many histories: empty everything and return a new `upstream`."""

    def begin_again() -> Upstream:
        sandbox.control.post("/reset", json={"seed": 1}).raise_for_status()
        resources.redis.flushall()
        shared_engine.run(_EMPTY)
        return Upstream(upstream.sandbox)

    return begin_again


@pytest.fixture
def service(web: FlaskClient, resources: Resources, upstream: Upstream) -> Service:
    """The service as Pluggy meets it, with its work done in this process when the test says so."""
    return Service(web, resources, upstream)


@pytest.fixture
def settings(database_url: str, valkey: Valkey, sandbox: RunningSandbox) -> Settings:
    """Settings for this test's database and sandbox. No product is told."""
    return a_settings(
        DATABASE_URL=database_url,
        REDIS_URL=valkey.url,
        PLUGGY_API_URL=sandbox.url,
        PLUGGY_CLIENT_ID=sandbox.client_id,
        PLUGGY_CLIENT_SECRET=sandbox.client_secret,
    )


@pytest.fixture
def clock() -> Clock:
    """The time as the service reads it in this test."""
    return Clock()


@pytest.fixture
def resources(
    settings: Settings, shared_engine: SharedEngine, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Resources]:
    """The connections of one process, with the test's clock."""
    # A failed read is repeated at once: nothing else of it is changed.
    monkeypatch.setattr(client, "READ_BACKOFF_S", 0.0)
    with closing(create_resources(settings)) as created:
        yield dataclasses.replace(created, database=shared_engine.engine, now=clock)


@pytest.fixture(scope="session")
def shared_app() -> Flask:
    """A web app that is given other resources for every test: making one takes longer than most tests."""
    settings = a_settings()
    with closing(create_resources(settings)) as replaced:
        return create_app(settings, replaced)


@pytest.fixture
def web(settings: Settings, resources: Resources, shared_app: Flask) -> FlaskClient:
    """A client of the web app, which works with `resources`."""
    app_resources.keep(shared_app, resources)
    intake.keep(shared_app, Intake(resources))
    api_tokens.keep(shared_app, ApiTokens(settings, resources.database))
    shared_app.config["MAX_CONTENT_LENGTH"] = settings.webhook_max_bytes
    return shared_app.test_client()


@pytest.fixture
def database(database_url: str, shared_engine: SharedEngine) -> sa.Engine:
    """The engine of an empty database, for tests of queries alone."""
    return shared_engine.engine
