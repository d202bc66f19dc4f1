"""docs/operations.md names every command, and nothing that does not exist."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from console.cli import main

PAGE = (Path(__file__).parent.parent / "docs/operations.md").read_text()


def table(heading: str) -> list[str]:
    """Return the first cells of the table under *heading*."""
    _, _, section = PAGE.partition(f"\n## {heading}\n")
    section, _, _ = section.partition("\n## ")
    cells = [line.split(" | ")[0].removeprefix("| ") for line in section.splitlines() if line.startswith("| `")]
    assert cells
    return cells


def commands(group: click.Command, before: str = "") -> Iterator[str]:
    """Yield each command that does something, by its words."""
    if not isinstance(group, click.Group):
        yield before
        return
    if group.invoke_without_command:
        yield before
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield from commands(command, f"{before} {name}".strip())


@pytest.mark.parametrize("command", sorted(commands(main)))
def test_every_command_is_described(command):
    assert any(re.search(rf"`pluggy-sync {command}(?: [A-Z\[-]|`)", cell) for cell in table("Commands")), command


def test_no_command_is_described_that_does_not_exist():
    described = re.findall(r"`pluggy-sync ([a-z ]+?)(?: [A-Z\[-][^`]*)?`", "\n".join(table("Commands")))

    assert set(described) <= set(commands(main))
