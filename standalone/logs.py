"""
Where the lines go that the processes print: all of them into files, and on the console what a person wants to read.

That is one line per domain event (`sync.done`, `event.handled`: a JSON line whose event has a dotted name), and
warnings and errors of the libraries. Start-up lines, tracebacks and the like are in the files.
"""

import json
import logging
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Self

from rich.console import Console
from rich.text import Text

OURS = "up"
_COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "bright_cyan", "bright_green", "bright_magenta")
_LEVEL_COLOURS = {"warning": "yellow", "error": "bold red", "critical": "bold red"}
_DOMAIN_EVENT = re.compile(r"[a-z_]+(\.[a-z_]+)+")
# A warning of Python itself, for who writes the code that it names.
_CODE_WARNING = re.compile(r"\S+:\d+: \w*Warning: ")
# As Granian prints what goes wrong in it.
_PLAIN_ALARM = re.compile(r"\[(ERROR|CRITICAL)\] (?P<text>.+)")
# For machines.
_NEVER_SHOWN = frozenset({"event", "level", "timestamp", "request_id", "raised_at"})
# For whoever looks into the file because of the line.
_SHOWN_IN_ALARMS = frozenset({"event_id", "run_id", "notification_id", "action_id", "next"})
# What goes without saying.
_USUAL = {"result": "recorded", "attempt": 1, "status_code": 200}
# Their values say what they are. These come first, the Item last.
_WITHOUT_NAME = ("event_name", "type", "outcome")
LONGEST = 300

FILE_BYTES = 20 * 1024 * 1024


class LogFiles:
    """
    Writes the lines of each process into a file of its own, `NAME.log` in *folder*.

    A file that is full becomes `NAME.log.1`, in place of the one before.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[str, RotatingFileHandler] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
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
                self._files[name] = RotatingFileHandler(self._path(name), maxBytes=FILE_BYTES, backupCount=1)
            self._files[name].emit(logging.makeLogRecord({"msg": line}))

    def last_lines(self, name: str, count: int) -> list[str]:
        """Return the last lines of the process *name*."""
        path = self._path(name)
        return path.read_text(errors="replace").splitlines()[-count:] if path.exists() else []

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.log"


class ConsoleLog:
    """
    Prints on *console*, behind the time and the name of the process, which keeps its colour.

    *width* is that of the longest name.
    """

    def __init__(self, console: Console, *, width: int) -> None:
        self._console = console
        self._width = width
        self._colours: dict[str, str] = {}
        self._lock = threading.Lock()

    def say(self, line: str) -> None:
        """Print a line of our own."""
        self._print(OURS, Text(line))

    def show(self, name: str, line: str) -> None:
        """Print a line of the process *name*, if it is one that a person wants to read."""
        text = readable(line)
        if text is not None:
            self._print(name, text)

    def _print(self, name: str, text: Text) -> None:
        with self._lock:
            colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
            prefix = (f"{name:<{self._width}} │ ", colour)
            # A terminal that was closed under us silences the console, and no more: the files go on. SystemExit is
            # what rich makes of a broken pipe; in a thread it would end the reading of a process.
            with suppress(OSError, SystemExit):
                self._console.print(Text.assemble((time.strftime("%H:%M:%S "), "dim"), prefix, text), soft_wrap=True)


def readable(line: str) -> Text | None:
    """Return what a person reads of *line*; None if it is neither a domain event nor an alarm."""
    try:
        entry = json.loads(line)
    except ValueError:
        alarm = _PLAIN_ALARM.match(line)
        return Text(alarm["text"][:LONGEST], style=_LEVEL_COLOURS["error"]) if alarm else None
    if not isinstance(entry, dict):
        return None
    event, colour = str(entry.get("event", "")), _LEVEL_COLOURS.get(entry.get("level", ""), "")
    if _DOMAIN_EVENT.fullmatch(event):
        words = event.replace(".", " ").replace("_", " ")
        details = " · ".join(_details(entry, is_alarm=bool(colour)))
        return Text(f"{words} · {details}"[:LONGEST] if details else words, style=colour)
    if not colour or _CODE_WARNING.match(event):
        return None
    return Text(event.partition("\n")[0][:LONGEST], style=colour)


def _details(entry: Mapping[str, Any], *, is_alarm: bool) -> Iterator[str]:
    """Yield the fields of a line that say something."""
    hidden = _NEVER_SHOWN if is_alarm else _NEVER_SHOWN | _SHOWN_IN_ALARMS
    # False and 0 are left out too: nothing happened there. A whole structure is for whoever looks into the file.
    shown = {
        name: value
        for name, value in entry.items()
        if value and name not in hidden and value != _USUAL.get(name) and not isinstance(value, dict | list)
    }
    yield from (str(shown.pop(name)) for name in _WITHOUT_NAME if name in shown)
    item_id = shown.pop("item_id", None)
    for name, value in shown.items():
        yield f"{name.replace('_', ' ')} {f'{value:,}' if isinstance(value, int) else value}"
    if item_id:
        yield str(item_id)
