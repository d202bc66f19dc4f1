"""The web app as a process of its own, on the server of the Procfile."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from standalone import procfile
from standalone.ports import any_free
from tests.kit.conditions import eventually

_ROOT = Path(__file__).parents[1]


@contextmanager
def running_web(environ: dict[str, str], folder: Path) -> Iterator[str]:
    """Run the web app with *environ* for our settings, and yield its address, until the block ends."""
    port = any_free()
    address = f"http://127.0.0.1:{port}"
    with (folder / "web.log").open("wb") as output:
        process = subprocess.Popen(
            procfile.program("web", {}).argv,
            cwd=_ROOT,
            env={**os.environ, **environ, "PUBLIC_URL": address, "PYTHONPATH": str(_ROOT), **_where(port)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
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


def _where(port: int) -> dict[str, str]:
    """Return what the Procfile's command takes from the environment."""
    return {"HOST": "127.0.0.1", "PORT": str(port), "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}"}


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health", trust_env=False, timeout=2).status_code == 200
    except httpx.TransportError:
        return False
