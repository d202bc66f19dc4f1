"""The web app as a process of its own, on the server of the Procfile."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from pluggy_sync import tls
from standalone import orphans, procfile, programs
from standalone.polling import eventually
from standalone.ports import any_free


@dataclass(frozen=True)
class WebProcess:
    """The running web app."""

    address: str
    process: "subprocess.Popen[bytes]"

    def kill(self) -> None:
        """Kill it and all its processes, as a machine that loses its power does."""
        orphans.end_family(self.process.pid)
        self.process.wait(timeout=60)
        # Also what a leader left behind that had ended before.
        orphans.end_group(self.process.pid)


@contextmanager
def running_web(environ: dict[str, str], folder: Path) -> Iterator[str]:
    """Run the web app with *environ* for our settings, and yield its address, until the block ends."""
    with running_web_process(environ, folder) as web:
        yield web.address


@contextmanager
def running_web_process(environ: dict[str, str], folder: Path) -> Iterator[WebProcess]:
    """Do what `running_web` does, and yield the process too; it may be killed meanwhile."""
    port = any_free()
    address = f"http://127.0.0.1:{port}"
    env = {**os.environ, **environ, "HOST": "127.0.0.1", "PORT": str(port), "PUBLIC_URL": address}
    with (folder / "web.log").open("ab") as output:
        process = programs.start(procfile.program("web", env), output)
    web = WebProcess(address, process)
    try:
        eventually(lambda: _answers(address), what="the web app answers")
        yield web
    finally:
        # Asked while one of its workers still starts, it ends after more than ten seconds.
        web.kill()


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health", trust_env=False, timeout=2, verify=tls.context()).status_code == 200
    except httpx.TransportError:
        return False
