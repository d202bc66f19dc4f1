"""A sandbox in a process of its own, as `pluggy-sandbox serve` starts it."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from pluggy_sync import tls


@dataclass
class Process:
    """A served sandbox. `control` reaches its control surface."""

    url: str
    control: httpx.Client = field(repr=False)
    _process: "subprocess.Popen[str]" = field(repr=False)

    client_id: str = "me"
    client_secret: str = "s"

    def settle(self) -> None:
        assert self.control.post("/settle", json={"timeoutSeconds": 30}).json()["settled"]

    def stop(self) -> tuple[int, str, str]:
        """Ask it to end; return its exit code and what it printed since its start, to stdout and stderr."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash would."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> tuple[int, str, str]:
        self._process.send_signal(how)
        rest, errors = self._process.communicate(timeout=30)
        return self._process.returncode, rest, errors


@contextmanager
def served_process(*options: str) -> Iterator[Process]:
    """Serve on a free port with the application `me` / `s`, and with *options*, until the block ends."""
    command = [sys.executable, "-m", "pluggy_sandbox", "serve", "--port=0", "--client-id=me", "--client-secret=s"]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            address = re.search(r"http://127\.0\.0\.1:\d+", first)
            assert address, first + process.communicate(timeout=30)[1]
            with httpx.Client(
                base_url=f"{address[0]}/_sandbox", timeout=60, trust_env=False, verify=tls.context()
            ) as control:
                yield Process(address[0], control, process)
        finally:
            process.kill()
