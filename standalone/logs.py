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
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Self

from rich.console import Console
from rich.text import Text

OURS = "up"
_COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "bright_cyan", "bright_green", "bright_magenta")
_LEVEL_COLOURS = {"warning": "yellow", "error": "bold red", "critical": "bold red"}
_DOMAIN_EVENT = re.compile(r"[a-z_]+(\.[a-z_]+)+")
# What no person needs. A warning of Python itself, for who writes the code that it names; a text of which
# `pluggy_sync.logs` left out all words; Celery's own parts, which it starts anew when it has lost Redis.
_OF_NO_USE = re.compile(r"\S+:\d+: \w*Warning(: |$)|…|Error on (stopping|restarting) \w+: ")
# As Granian prints what goes wrong in it.
_PLAIN_ALARM = re.compile(r"\[(ERROR|CRITICAL)\] (?P<text>.+)")
# A child of a process that ended and is replaced by its parent, as Granian, Celery and Postgres print it.
_CHILDREN: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\[ERROR\] Unexpected exit from (\S+)"), "its child {0} ended"),
    (re.compile(r"\[INFO\] Respawning (\S+)"), "its child {0} is started again"),
    (
        re.compile(r"Process '(\S+)' pid:\d+ exited with '(?:exitcode |signal \d+ \(?)?(\w+)\)?'"),
        "its child {0} ended ({1}); another one is started",
    ),
    (
        re.compile(r".* LOG:  ([\w ]+) \(PID \d+\) was terminated by signal \d+: (\w+)"),
        "its child {0} ended ({1}); all of them are started again",
    ),
)
# As Celery prints that it asks for Redis, once for each try, and that it was answered.
_REDIS_IS_AWAY = re.compile(r"(consumer: Cannot connect to|beat: Connection error:) ")
_REDIS_IS_BACK = re.compile(r"Connected to workers\.transport:Transport://")
# For machines.
_NEVER_SHOWN = frozenset({"event", "level", "timestamp", "request_id", "raised_at"})
# For whoever looks into the file because of the line.
_SHOWN_IN_ALARMS = frozenset({"event_id", "run_id", "notification_id", "action_id", "next"})
# What goes without saying.
_USUAL = {"result": "recorded", "attempt": 1, "status_code": 200}
# Their values say what they are. These come first, the Item last.
_WITHOUT_NAME = ("event_name", "type", "outcome")
LONGEST = 300
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")

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
        self._without_redis: set[str] = set()
        self._lock = threading.Lock()

    def say(self, line: str) -> None:
        """Print a line of our own."""
        self._print(OURS, Text(line))

    def show(self, name: str, line: str) -> None:
        """Print a line of the process *name*, if it is one that a person wants to read."""
        text = self._of_redis(name, line) or readable(line)
        if text is not None:
            self._print(name, text)

    def _of_redis(self, name: str, line: str) -> Text | None:
        """Return what is said of a process that has lost Redis or has it again; None if *line* is of neither."""
        event = _entry(line).get("event")
        if not isinstance(event, str):
            return None
        if _REDIS_IS_AWAY.match(event) and name not in self._without_redis:
            self._without_redis.add(name)
            return Text("Redis does not answer; it is asked until it does", style=_LEVEL_COLOURS["warning"])
        if _REDIS_IS_BACK.match(event) and name in self._without_redis:
            self._without_redis.remove(name)
            return Text("Redis answers again")
        return None

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
    entry = _entry(line)
    if not entry:
        return _of_plain(line)
    event, colour = str(entry.get("event", "")), _LEVEL_COLOURS.get(entry.get("level", ""), "")
    if _DOMAIN_EVENT.fullmatch(event):
        words = event.replace(".", " ").replace("_", " ")
        details = " · ".join(_details(entry, is_alarm=bool(colour)))
        return Text(f"{words} · {details}"[:LONGEST] if details else words, style=colour)
    # `ConsoleLog` says once that Redis is away.
    if not colour or _OF_NO_USE.match(event) or _REDIS_IS_AWAY.match(event):
        return None
    return Text(event.partition("\n")[0][:LONGEST], style=colour)


def _entry(line: str) -> Mapping[str, Any]:
    """Return the fields of a JSON line; none for any other line."""
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def _of_plain(line: str) -> Text | None:
    for pattern, words in _CHILDREN:
        if child := pattern.match(line):
            return Text(words.format(*child.groups())[:LONGEST], style=_LEVEL_COLOURS["warning"])
    alarm = _PLAIN_ALARM.match(line)
    return Text(alarm["text"][:LONGEST], style=_LEVEL_COLOURS["error"]) if alarm else None


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
        yield f"{name.replace('_', ' ')} {_said(value)}"
    if item_id:
        yield str(item_id)


def _said(value: object) -> str:
    """Return a value as a person reads it: an instant by the clock of the console, to the second."""
    if isinstance(value, int):
        return f"{value:,}"
    text = str(value)
    if not _INSTANT.match(text):
        return text
    try:
        at = datetime.fromisoformat(text).astimezone()
    except ValueError:
        return text
    return f"{at:%H:%M:%S}" if at.date() == datetime.now(UTC).astimezone().date() else f"{at:%Y-%m-%d %H:%M:%S}"
