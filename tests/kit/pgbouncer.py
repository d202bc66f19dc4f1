"""PgBouncer in transaction mode before a test's database: each transaction may run on another connection."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from standalone.polling import eventually
from standalone.ports import any_free


@contextmanager
def pooled(database_url: str, folder: Path, *, connections: int = 3, mode: str = "transaction") -> Iterator[str]:
    """Yield the address of the same database through a pooler that has so many *connections*."""
    binary = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if binary is None:
        pytest.skip("no pgbouncer on this machine")
    url = urlsplit(database_url)
    (host,) = parse_qs(url.query)["host"]
    name = url.path[1:]
    port = any_free()
    # It refuses to run as root, and runs as another user must read this.
    for each in (folder, *folder.parents):
        if str(each).startswith(tempfile.gettempdir() + os.sep):
            each.chmod(0o755)
    folder.chmod(0o777)
    ini = folder / "pgbouncer.ini"
    ini.write_text(
        f"[databases]\n{name} = host={host} port=5432 dbname={name} user={url.username}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        f"pool_mode = {mode}\ndefault_pool_size = {connections}\nmax_client_conn = 200\n"
        f"logfile = {folder}/pgbouncer.log\n"
    )
    owner = Path(host).owner()
    user = [] if os.getuid() else ["-u", "nobody" if owner == "root" else owner]
    with subprocess.Popen([binary, "-q", *user, str(ini)]) as process:
        try:
            eventually(lambda: _listens(port), what="pgbouncer listens")
            yield f"postgresql://{url.username}@127.0.0.1:{port}/{name}"
        finally:
            process.terminate()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
