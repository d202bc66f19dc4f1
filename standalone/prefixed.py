"""Lines of many processes on one terminal, each behind the name of its process."""

import threading

from rich.console import Console
from rich.text import Text

WIDTH = 8
_COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "bright_cyan", "bright_green", "bright_magenta")
OURS = "service"


class PrefixedLog:
    """Prints lines on *console*; each name keeps its colour."""

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
