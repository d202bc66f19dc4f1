"""The web app as a process of its own, on the server of the Procfile."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from standalone import procfile, programs
from standalone.polling import eventually
from standalone.ports import any_free


@contextmanager
def running_web(environ: dict[str, str], folder: Path) -> Iterator[str]:
    """Run the web app with *environ* for our settings, and yield its address, until the block ends."""
    port = any_free()
    address = f"http://127.0.0.1:{port}"
    env = {**os.environ, **environ, "HOST": "127.0.0.1", "PORT": str(port), "PUBLIC_URL": address}
    with (folder / "web.log").open("wb") as output:
        process = programs.start(procfile.program("web", env), output)
    try:
        eventually(lambda: _answers(address), within_s=30, what="the web app answers")
        yield address
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=10)


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health", trust_env=False, timeout=2).status_code == 200
    except httpx.TransportError:
        return False
