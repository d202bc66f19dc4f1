"""`python -m standalone up` as a process of its own, as a person runs it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from console.local_run import env_file
from standalone.data_folder import LEDGER
from standalone.plan import INSTEAD_OF
from standalone.polling import eventually

UP_WITHIN_S = 90.0
DOWN_WITHIN_S = 60.0


class Run:
    """One run of `up` on the folder *data*. What it prints is in the file *output*."""

    def __init__(self, data: Path, port: int, output: Path, *, persons: bool = False, **settings: str) -> None:
        self.data = data
        self.output = output
        (data / "up.env").unlink(missing_ok=True)
        environment = {name: value for name, value in os.environ.items() if name not in INSTEAD_OF.values()}
        with output.open("w") as out:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "standalone", "up", "--data", data, "--persons" if persons else "--no-persons"],
                env={**environment, "PORT": str(port), **settings},
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def wait_until_up(self) -> dict[str, str]:
        """Return what it wrote down for other processes, once it is up."""
        self.wait_until_printed("pluggy-sync is up")
        return env_file(self.data / "up.env")

    def wait_until_printed(self, text: str) -> None:
        """Wait until it has printed *text*; fail if it ends before."""

        def is_printed() -> bool:
            assert self.popen.poll() is None, f"it ended:\n{self.printed}\n{self._logs()}"
            return text in self.printed

        eventually(is_printed, within_s=UP_WITHIN_S, what=f"it prints: {text}")

    @property
    def printed(self) -> str:
        """What it has printed."""
        return self.output.read_text()

    def pid(self, name: str) -> int:
        """Return the process that runs as *name* now."""
        noted = map(json.loads, (self.data / LEDGER).read_text().splitlines())
        return next(entry["pid"] for entry in reversed(list(noted)) if entry["name"] == name)

    def processes(self) -> list[int]:
        """Return the ids of every process of the run."""
        return [self.popen.pid, *(child.pid for child in psutil.Process(self.popen.pid).children(recursive=True))]

    def stop(self, how: signal.Signals) -> None:
        """Stop it; fail with all that it printed and logged if it does not end well."""
        self.popen.send_signal(how)
        code = self.popen.wait(DOWN_WITHIN_S)
        assert code == 0, f"it exited {code} on {how.name}:\n{self.printed}\n{self._logs()}"

    def _logs(self) -> str:
        files = sorted((self.data / "logs").glob("*.log"))
        return "\n".join(f"--- {file.name}\n{file.read_text()[-2000:]}" for file in files)
