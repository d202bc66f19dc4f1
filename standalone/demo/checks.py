"""What was promised, what was seen."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

OK, NOT_OK = "✓", "✗"


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
        self.console.print(Text(f"  {line}"), soft_wrap=True)

    def equal(self, promise: str, *, expected: Any, seen: Any) -> None:
        """Check that *seen* is what was *expected*."""
        self._add(promise, str(expected), str(seen), kept=expected == seen)

    def holds(self, promise: str, condition: Callable[[Any], bool], *, expected: str, seen: Any) -> None:
        """Check that *condition* is true of what was *seen*; *expected* says it in words."""
        self._add(promise, expected, str(seen), kept=condition(seen))

    def failed(self, promise: str, why: str) -> None:
        """Record that it came to a stop before the promise could be checked."""
        self._add(promise, "to get there", why, kept=False)

    @property
    def all_kept(self) -> bool:
        """Whether every promise was kept, and there was one."""
        return bool(self.made) and all(check.kept for check in self.made)

    def table(self) -> Table:
        """Return all checks as a table."""
        table = Table(title="What was promised, and what was seen", title_justify="left", show_lines=False)
        table.add_column("")
        table.add_column("Promise", ratio=3)
        table.add_column("Expected", ratio=2, overflow="fold")
        table.add_column("Seen", ratio=2, overflow="fold")
        chapter = None
        for check in self.made:
            if check.chapter != chapter:
                chapter = check.chapter
                table.add_section()
                table.add_row("", Text(chapter, style="bold"))
            table.add_row(_mark(check), Text(check.promise), Text(check.expected), Text(check.seen))
        return table

    def _add(self, promise: str, expected: str, seen: str, *, kept: bool) -> None:
        check = Check(self.chapter, promise, expected, seen, kept)
        self.made.append(check)
        outcome = seen if kept else f"expected {expected}, seen {seen}"
        self.console.print(Text.assemble("  ", _mark(check), f" {promise}: {outcome}"), soft_wrap=True)


def _mark(check: Check) -> Text:
    return Text(OK, style="green") if check.kept else Text(NOT_OK, style="bold red")
