"""
Installs what a lock file names, and shows how far it is. Needs nothing but the Python that it installs for.

In a terminal one line is rewritten; elsewhere a line is printed now and then. What pip says is shown if it fails.
"""

import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

WIDTH = 80
# Between two lines where there is no terminal.
PAUSE_S = 5.0
LINES_OF_A_FAILURE = 30

PINNED = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==", re.MULTILINE)
SEEN = re.compile(
    r"(?:Collecting|Requirement already satisfied:) (?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;]+)"
    # A file that pip found on this machine: NAME-VERSION-...whl or NAME-VERSION.tar.gz.
    r"|Processing (?:\S*/)?(?P<file>[^/\s]+)"
)
IGNORED = "Ignoring "
INSTALLING = "Installing collected packages: "


def steps(lines: Iterable[str], total: int) -> Iterator[str]:
    """Yield how far it is for each of pip's *lines* that says it; *total* is how many packages the lock names."""
    found = 0
    for line in lines:
        if line.startswith(IGNORED):
            total -= 1  # it is for another system
        elif seen := SEEN.match(line):
            found += 1
            what = " ".join(seen["file"].split("-")[:2]) if seen["file"] else f"{seen['name']} {seen['version']}"
            yield f"{found} of {total}: {what.removesuffix('.tar.gz')}"
        elif line.startswith(INSTALLING):
            yield f"installing {line.count(',') + 1} packages"


class Progress:
    """Shows one step after the other on standard output."""

    def __init__(self) -> None:
        self._rewrites = sys.stdout.isatty()
        self._shown_at = time.monotonic()

    def show(self, step: str) -> None:
        """Show *step* in place of the one before, or on a line of its own if the last such line is a while ago."""
        text = f"  {step}"[: WIDTH - 1]
        if self._rewrites:
            print(f"\r{text:<{WIDTH - 1}}", end="", flush=True)
        elif time.monotonic() - self._shown_at >= PAUSE_S:
            self._shown_at = time.monotonic()
            print(text, flush=True)

    def clear(self) -> None:
        """Leave an empty line for what comes next."""
        if self._rewrites:
            print(f"\r{'':<{WIDTH - 1}}\r", end="", flush=True)


def main(lock: Path) -> int:
    """Install what *lock* names; return pip's exit status."""
    # --no-compile: Python compiles what is used when it is used, a fifth of the time here.
    options = ["--no-compile", "--require-hashes", "--no-deps", "--progress-bar=off", "--no-color", "--no-input"]
    pip = subprocess.Popen(
        [sys.executable, "-m", "pip", "install", *options, "--requirement", str(lock)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    said: list[str] = []
    progress = Progress()
    for step in steps(_remembered(pip.stdout, said), len(PINNED.findall(lock.read_text()))):  # type: ignore[arg-type]
        progress.show(step)
    code = pip.wait()
    progress.clear()
    if code:
        print("".join(said[-LINES_OF_A_FAILURE:]), end="")
    return code


def _remembered(lines: Iterable[str], memory: list[str]) -> Iterator[str]:
    for line in lines:
        memory.append(line)
        yield line


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1])))
    except KeyboardInterrupt:
        sys.exit(130)
