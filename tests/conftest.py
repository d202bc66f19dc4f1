"""Real servers for all tests: Postgres and Valkey once per process, a database and a sandbox per test."""

import dataclasses
import logging
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from pluggy_sandbox.testing import RunningSandbox, running_sandbox
from pluggy_sync.logs import configure_logs
from pluggy_sync.pluggy import client
from pluggy_sync.resources import Resources, create_resources
from pluggy_sync.settings import Settings
from pluggy_sync.store.database import create_engine
from pluggy_sync.store.migrate import migrate
from pluggy_sync.store.tables import metadata
from standalone.sandbox import Sandbox
from standalone.servers import Postgres, Valkey, running_postgres, running_valkey
from tests.kit.clock import Clock
from tests.kit.factories import a_settings
from tests.kit.pluggy import Upstream
from tests.kit.psql import psql
from tests.kit.service import Service
from webhook_app import api_tokens, app_resources
from webhook_app.api_tokens import ApiTokens
from webhook_app.app import create_app
from webhook_app.intake import view as intake
from webhook_app.intake.intake import Intake

pytest_plugins = ["tests.kit.quick_tests", "tests.kit.documented"]


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


# Quicker than a new database from a template by a fifth of a second for every test.
_EMPTY = "; ".join(f"DELETE FROM {table.name}" for table in reversed(metadata.sorted_tables))
# As a migration leaves it.
_EMPTY += "; INSERT INTO endpoints (id) VALUES ('ep_environment')"
_DISCONNECT_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.fixture
def database_url(postgres: Postgres) -> str:
    """The address of a migrated database with nothing in it and nobody connected."""
    with psql(postgres.url, autocommit=True) as conn:
        conn.execute(_DISCONNECT_OTHERS)
    _empty(postgres.url)
    return postgres.url


def _empty(database_url: str) -> None:
    with psql(database_url, autocommit=True) as conn:
        conn.execute(_EMPTY)


@pytest.fixture(scope="session")
def shared_valkey() -> Iterator[Valkey]:
    """A Valkey server; tests that stop one start their own."""
    with running_valkey() as server:
        yield server


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[RunningSandbox]:
    """A Pluggy that is begun again for every test: that is quicker than another server."""
    with running_sandbox(seed=1) as running:
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
    resources: Resources, database_url: str, sandbox: RunningSandbox, upstream: Upstream
) -> Callable[[], Upstream]:
    """For tests that try many histories: empty everything and return a new `upstream`."""

    def begin_again() -> Upstream:
        sandbox.control.post("/reset", json={"seed": 1}).raise_for_status()
        resources.redis.flushall()
        _empty(database_url)
        return Upstream(upstream.sandbox)

    return begin_again


@pytest.fixture
def service(web: FlaskClient, resources: Resources, upstream: Upstream) -> Service:
    """The service as Pluggy meets it, with its work done in this process when the test says so."""
    return Service(web, resources, upstream)


@pytest.fixture
def settings(database_url: str, shared_valkey: Valkey, sandbox: RunningSandbox) -> Settings:
    """Settings for this test's database and sandbox. No product is told."""
    return a_settings(
        DATABASE_URL=database_url,
        REDIS_URL=shared_valkey.url,
        PLUGGY_API_URL=sandbox.url,
        PLUGGY_CLIENT_ID=sandbox.client_id,
        PLUGGY_CLIENT_SECRET=sandbox.client_secret,
    )


@pytest.fixture
def clock() -> Clock:
    """The time as the service reads it in this test."""
    return Clock()


@pytest.fixture
def resources(settings: Settings, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Resources]:
    """The connections of one process, on an empty Valkey and with the test's clock."""
    # A failed read is repeated at once: nothing else of it is changed.
    monkeypatch.setattr(client, "READ_BACKOFF_S", 0.0)
    created = dataclasses.replace(create_resources(settings), now=clock)
    created.redis.flushall()
    yield created
    created.close()


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
def database(database_url: str) -> Iterator[sa.Engine]:
    """The engine of an empty database, for tests of queries alone."""
    engine = create_engine(database_url)
    yield engine
    engine.dispose()
