"""The service as `make up` runs it, in a folder of its own, and its processes by their names."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from console import local_run
from standalone import ports, procfile
from standalone.data_folder import LEDGER
from standalone.orphans import descendants
from standalone.plan import INSTEAD_OF
from standalone.polling import eventually
from standalone.sandbox import Sandbox

UP_WITHIN_S = 120.0
DOWN_WITHIN_S = 60.0
SERVERS = ("postgres", "valkey", "sandbox")
# What Pluggy does in hours the sandbox does in seconds.
SETTINGS = {
    "runSeconds": 0.3,
    "firstRunDays": 60,
    "openingDay": "2026-11-24",
    "deliveryDelaysSeconds": [5.0, 20.0],
    "realDeadlines": True,
}


class UpEndedError(Exception):
    """`make up` ended by itself; the text is what it printed."""


@dataclass(frozen=True)
class Service:
    """The running service: its folder, and the settings with which others join it."""

    folder: Path
    env: dict[str, str]
    up: subprocess.Popen[bytes]
    sandbox: Sandbox

    def names(self) -> list[str]:
        """Return the names of its processes and servers."""
        return [*procfile.lasting(), *SERVERS]

    def family(self, name: str) -> list[psutil.Process]:
        """Return the process that runs as *name* now, and after it all that it started; nothing if there is none."""
        if self.up.poll() is not None:
            raise UpEndedError((self.folder / "up.log").read_text(errors="replace")[-3000:])
        pid = next((pid for noted, pid in reversed(self._noted()) if noted == name), None)
        if pid is None or not psutil.pid_exists(pid):
            return []
        return [psutil.Process(pid), *descendants(pid)]

    def _noted(self) -> list[tuple[str, int]]:
        entries = map(json.loads, (self.folder / LEDGER).read_text().splitlines())
        return [(entry["name"], entry["pid"]) for entry in entries]


@contextmanager
def running_service(folder: Path, product_url: str, product_secret: str) -> Iterator[Service]:
    """Run everything on *folder*, telling the product at *product_url*, until the block ends."""
    environ = {name: value for name, value in os.environ.items() if name not in INSTEAD_OF.values()}
    environ |= {"PRODUCT_WEBHOOK_URL": product_url, "PRODUCT_WEBHOOK_SECRET": product_secret}
    environ |= {"PORT": str(ports.any_free()), "NOTIFICATION_WORKERS": "2"}
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "up.log"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "standalone", "up", "--data", str(folder)]
        up = subprocess.Popen(command, env=environ, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield _service(folder, up, log)
    finally:
        up.send_signal(signal.SIGTERM)
        try:
            up.wait(DOWN_WITHIN_S)
        except subprocess.TimeoutExpired:
            up.kill()
            up.wait()


def _service(folder: Path, up: subprocess.Popen[bytes], log: Path) -> Service:
    def is_up() -> bool:
        if up.poll() is not None:
            raise UpEndedError(log.read_text(errors="replace")[-3000:])
        return "pluggy-sync is up" in log.read_text(errors="replace")

    eventually(is_up, within_s=UP_WITHIN_S, what="the service")
    env = local_run.env_file(folder / local_run.UP_ENV)
    sandbox = Sandbox(env["SANDBOX_URL"], client_id=env["PLUGGY_CLIENT_ID"], client_secret=env["PLUGGY_CLIENT_SECRET"])
    sandbox.control("PUT", "/settings", SETTINGS)
    return Service(folder, env, up, sandbox)
