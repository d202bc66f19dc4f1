"""
The connection to Postgres, and how long its users wait for it.

Every transaction brings its own limits and the schema of our tables (`SET LOCAL`, sent together with BEGIN). Nothing is
kept in a session: a pooler in transaction mode, such as PgBouncer, may stand in between. Statements name our tables
without the schema, and find no others: the schema of the product is not searched (decision 28).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import psycopg
import sqlalchemy as sa
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, Engine
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from pluggy_sync import wire
from pluggy_sync.settings import DEFAULT_SCHEMA

_SCHEME = "postgresql+bounded://"


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """
    How long one process waits for Postgres, all in seconds. None: as long as it takes.

    The server ends what exceeds `statement_s`, `lock_s` and `idle_s` (in a transaction, between two statements). A
    frozen server ends nothing, and a proxy may stay silent for good. For these there is `answer_s`, after which we
    wait no longer.
    """

    connect_s: int
    pool_wait_s: float
    statement_s: float | None
    lock_s: float | None
    idle_s: float | None
    answer_s: float | None

    @property
    def limits(self) -> dict[str, int]:
        """The same as settings of Postgres, in milliseconds."""
        limits = {
            "statement_timeout": self.statement_s,
            "lock_timeout": self.lock_s,
            "idle_in_transaction_session_timeout": self.idle_s,
        }
        return {name: round(seconds * 1000) for name, seconds in limits.items() if seconds}


# Somebody waits for the answer: Pluggy for 5 seconds, a person a little longer.
WEB = Bounds(connect_s=2, pool_wait_s=2, statement_s=3, lock_s=1.5, idle_s=10, answer_s=3.5)
# The writer of a web process, which has to tell all who wait behind it in time.
INTAKE = Bounds(connect_s=2, pool_wait_s=2, statement_s=2, lock_s=1, idle_s=10, answer_s=2.5)
# Nobody waits. One statement may merge thousands of rows, and hold a lock while it does.
WORKER = Bounds(connect_s=3, pool_wait_s=30, statement_s=120, lock_s=60, idle_s=60, answer_s=130)
# Migrations and the operator's commands, which somebody watches and can interrupt.
OPERATOR = Bounds(connect_s=3, pool_wait_s=5, statement_s=None, lock_s=None, idle_s=None, answer_s=None)

# Commands that look whether all is well. A server that does not answer is a finding.
LOOK = Bounds(connect_s=2, pool_wait_s=4, statement_s=4, lock_s=1, idle_s=10, answer_s=4.5)

# A server that vanished without closing the connection is noticed after about 10 seconds.
_TCP = {
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


class _BoundedConnection(psycopg.Connection[Any]):
    """Waits for each answer as long as allowed. Without an answer it is closed: nobody knows what it would answer."""

    bounds: Bounds
    # Where the names of tables lead. It has no quotes in it: the settings see to that.
    schema: str
    # False: each statement is a transaction of its own, as `CREATE INDEX CONCURRENTLY` has to be.
    begins: bool = True
    # The settings of Postgres for what runs alone.
    given_alone: Mapping[str, str]

    @property
    def given_to_each_transaction(self) -> dict[str, str]:
        """The settings of Postgres that a transaction brings along."""
        limits = {name: str(milliseconds) for name, milliseconds in self.bounds.limits.items()}
        return {**limits, "search_path": f'"{self.schema}"'}

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        try:
            return super().wait(gen, interval, self.bounds.answer_s if timeout is None else timeout)
        except psycopg.OperationalError as exc:
            if self.pgconn.transaction_status != TransactionStatus.ACTIVE:
                raise
            self.close()
            raise psycopg.OperationalError("Postgres did not answer in time") from exc


class _BoundedDialect(PGDialect_psycopg):
    """psycopg, with transactions that begin with their limits and schema, and connections that stop waiting."""

    supports_statement_cache = True

    def __init__(self, bounds: Bounds = OPERATOR, schema: str = DEFAULT_SCHEMA, **kwargs: Any) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        self._bounds = bounds
        self._schema = schema

    def connect(self, *args: Any, **kwargs: Any) -> Any:
        connection = _BoundedConnection.connect(*args, **kwargs)
        connection.bounds = self._bounds
        connection.schema = self._schema
        return connection

    def do_begin(self, dbapi_connection: Any) -> None:
        if dbapi_connection.begins:
            given = dbapi_connection.given_to_each_transaction.items()
            dbapi_connection.execute("; ".join(["BEGIN", *(f"SET LOCAL {name} = {value}" for name, value in given)]))

    def set_isolation_level(self, dbapi_connection: Any, level: str) -> None:
        # The connection stays in autocommit, whatever is asked for: `do_begin` begins.
        dbapi_connection.begins = level != "AUTOCOMMIT"

    def is_disconnect(self, e: Exception, connection: Any, cursor: Any) -> bool:
        """Whether the connection is useless. One to a server that became a standby is: it cannot write."""
        read_only = isinstance(e, psycopg.errors.ReadOnlySqlTransaction)
        return read_only or bool(super().is_disconnect(e, connection, cursor))  # type: ignore[no-untyped-call]


sa.dialects.registry.register("postgresql.bounded", __name__, _BoundedDialect.__name__)


def sqlalchemy_url(database_url: str) -> str:
    """Return *database_url* with the driver we use named in its scheme."""
    for scheme in ("postgresql+psycopg://", "postgresql://", "postgres://"):
        if database_url.startswith(scheme):
            return _SCHEME + database_url.removeprefix(scheme)
    raise ValueError("not the URL of a Postgres database")


def create_engine(
    database_url: str, bounds: Bounds = OPERATOR, *, schema: str = DEFAULT_SCHEMA, pool_size: int = 5
) -> Engine:
    """
    Return an engine for our tables in *schema*, whose JSON columns keep numbers exact (as Decimal).

    Nothing connects yet.
    """
    return sa.create_engine(
        sqlalchemy_url(database_url),
        bounds=bounds,
        schema=schema,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        pool_timeout=bounds.pool_wait_s,
        # Parameters hold bank data; they must not reach an error text.
        hide_parameters=True,
        json_serializer=lambda value: wire.encode(value).decode(),
        json_deserializer=wire.decode_stored,
        connect_args={
            "connect_timeout": bounds.connect_s,
            "application_name": "pluggy-sync",
            # psycopg must not begin transactions: `do_begin` does.
            "autocommit": True,
            # A statement that is prepared on one server is unknown on the next one that a pooler picks. `run_alone`
            # prepares where there is none.
            "prepare_threshold": None,
            **_TCP,
        },
    )


@contextmanager
def in_schema(conn: Connection, schema: str) -> Iterator[None]:
    """Let the transactions that *conn* begins in the block find their tables in *schema*."""
    driver = cast(_BoundedConnection, conn.connection.driver_connection)
    usual, driver.schema = driver.schema, schema
    try:
        yield
    finally:
        driver.schema = usual


def schema_of(conn: Connection) -> str:
    """Return the schema in which *conn* finds our tables, whether it exists yet or not."""
    return cast(_BoundedConnection, conn.connection.driver_connection).schema


# How often a statement is run before the server keeps its plan.
PREPARES_AFTER = 2


def connect_for(engine: Engine, bounds: Bounds, settings: Mapping[str, str] | None = None) -> Connection:
    """
    Return a connection with *bounds*, and *settings* of Postgres, of its own. Do not give it back: invalidate it.

    It is for `run_alone`.

    Raises:
        SQLAlchemyError, psycopg.Error: Postgres does not answer.
    """
    conn = engine.connect()
    driver = cast(_BoundedConnection, conn.connection.driver_connection)
    driver.bounds = bounds
    driver.given_alone = {**driver.given_to_each_transaction, **(settings or {})}
    (pid,) = driver.execute("SELECT pg_backend_pid()").fetchone() or (None,)
    # A pooler says another number than the server behind it. There, the next server would know neither the settings
    # nor the statement.
    if pid == driver.info.backend_pid:
        driver.execute(_set_all(driver.given_alone, "false"))
        driver.prepare_threshold = PREPARES_AFTER
    return conn


def run_alone(conn: Connection, statement: str, parameters: Sequence[Any]) -> list[tuple[object, ...]]:
    """
    Run *statement* as a transaction of its own in one round trip, and return its rows. *conn* is of `connect_for`.

    The server keeps the plan and the settings, unless a pooler stands between. Then the settings are sent along in a
    pipeline, which Postgres commits at its end.

    Raises:
        psycopg.Error: nothing is committed, unless the connection was lost.
    """
    driver = cast(_BoundedConnection, conn.connection.driver_connection)
    if driver.prepare_threshold is not None:
        return driver.execute(statement, parameters).fetchall()
    with driver.pipeline(), driver.cursor() as first, driver.cursor() as cursor:
        first.execute(_set_all(driver.given_alone, "true"))
        cursor.execute(statement, parameters)
        return cursor.fetchall()


def _set_all(settings: Mapping[str, str], is_local: str) -> str:
    return "SELECT " + ", ".join(f"set_config('{name}', '{value}', {is_local})" for name, value in settings.items())
