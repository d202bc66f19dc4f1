"""Where the lines go that many processes print."""

import threading
from pathlib import Path
from typing import IO, Self

from rich.console import Console
from rich.text import Text

WIDTH = 8
_COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "bright_cyan", "bright_green", "bright_magenta")
OURS = "service"


class PrefixedLog:
    """Prints lines on *console*, each behind the name of its process, which keeps its colour."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._colours: dict[str, str] = {}
        self._lock = threading.Lock()

    def say(self, line: str) -> None:
        """Print a line of our own."""
        self.show(OURS, line)

    def show(self, name: str, line: str) -> None:
        """Print a line of the process *name*."""
        with self._lock:
            colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
            # What the process printed may hold its own colours.
            text = Text.assemble((f"{name:<{WIDTH}} │ ", colour), Text.from_ansi(line))
            self._console.print(text, soft_wrap=True)


class LogFiles:
    """Writes the lines of each process into a file of its own, `NAME.log` in *folder*."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, IO[str]] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            for file in self._files.values():
                file.close()
            self._files.clear()

    def show(self, name: str, line: str) -> None:
        """Write a line of the process *name*."""
        with self._lock:
            if name not in self._files:
                # Line by line, so that whoever looks sees the present.
                self._files[name] = (self._folder / f"{name}.log").open("a", buffering=1)
            self._files[name].write(line + "\n")
