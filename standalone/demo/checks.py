"""What was promised, what was seen."""

import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.text import Text

OK, NOT_OK = "✓", "✗"
WIDTH = 80


@dataclass(frozen=True)
class Check:
    """One promise and how it went."""

    chapter: str
    promise: str
    expected: str
    seen: str
    kept: bool


@dataclass
class Checks:
    """The checks so far. Each is printed as it is made."""

    console: Console
    chapter: str = ""
    made: list[Check] = field(default_factory=list)

    def begin(self, chapter: str) -> None:
        """Name the chapter that the next checks belong to."""
        self.chapter = chapter
        self.console.print()
        self.console.rule(f"[bold]{chapter}", align="left", characters="─")

    def tell(self, line: str) -> None:
        """Print what happens."""
        self.console.print(_line(Text(" "), line), end="")

    def equal(self, promise: str, *, expected: Any, seen: Any) -> None:
        """Check that *seen* is what was *expected*."""
        self._add(promise, _words(expected), _words(seen), kept=expected == seen)

    def holds(self, promise: str, condition: Callable[[Any], bool], *, expected: str, seen: Any) -> None:
        """Check that *condition* is true of what was *seen*; *expected* says it in words."""
        self._add(promise, expected, _words(seen), kept=condition(seen))

    def failed(self, promise: str, why: str) -> None:
        """Record that it came to a stop before the promise could be checked."""
        self._add(promise, "to get there", why, kept=False)

    @property
    def all_kept(self) -> bool:
        """Whether every promise was kept, and there was one."""
        return bool(self.made) and all(check.kept for check in self.made)

    def verdict(self, *, took_s: float) -> Text:
        """Return how many promises were kept and, of each that was not, what was expected and what was seen."""
        kept = sum(check.kept for check in self.made)
        text = Text("\n")
        for check in self.made:
            if not check.kept:
                text.append_text(_line(_mark(check), f"{check.chapter}: {check.promise}"))
                text.append_text(_line(Text(" "), f"expected {check.expected}"))
                text.append_text(_line(Text(" "), f"seen {check.seen}"))
        style = "green" if self.all_kept else "bold red"
        text.append(f"{kept} of {len(self.made)} promises kept", style=style)
        return text.append(f", in {took_s:.0f} s")

    def _add(self, promise: str, expected: str, seen: str, *, kept: bool) -> None:
        check = Check(self.chapter, promise, expected, seen, kept)
        self.made.append(check)
        outcome = seen if kept else f"expected {expected}, seen {seen}"
        self.console.print(_line(_mark(check), f"{promise}: {outcome}"), end="")


def _words(value: Any) -> str:
    return (", ".join(map(str, value)) or "nothing") if isinstance(value, list) else str(value)


def _line(mark: Text, words: str) -> Text:
    """Return *words* behind *mark*, over several lines where one has not enough room."""
    lines = textwrap.wrap(words, WIDTH - 4, break_long_words=False, break_on_hyphens=False)
    return Text.assemble("  ", mark, " ", "\n    ".join(lines), "\n")


def _mark(check: Check) -> Text:
    return Text(OK, style="green") if check.kept else Text(NOT_OK, style="bold red")
