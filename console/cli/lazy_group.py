"""
A group whose commands are loaded when they are called: a command loads no other one's libraries.

The group knows the first sentence of each command, so that its help and the shell's completion load none.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import click
from click.shell_completion import CompletionItem


class Entry(NamedTuple):
    """Where a command is, as `module:name`, and the first sentence of its help."""

    where: str
    help: str


class LazyGroup(click.Group):
    """Commands by their entries. Whatever a command raises ends it with one sentence and an exit status."""

    def __init__(self, *args: Any, entries: Mapping[str, Entry], **kwargs: Any) -> None:
        """*entries*: the commands by their names, in the order in which help lists them."""
        super().__init__(*args, **kwargs)
        self.entries = entries

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of the entries."""
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command, loaded; None: there is none of that name."""
        entry = self.entries.get(cmd_name)
        if entry is None:
            return None
        module, _, name = entry.where.partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the names and first sentences."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in self.entries.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return what the shell may put for *incomplete*."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [
            CompletionItem(name, help=each.help) for name, each in self.entries.items() if name.startswith(incomplete)
        ]

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that is named."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, OSError):
            # click says these. Of an OSError it knows the reader that went away, as `head` does.
            raise
        except Exception as exc:  # noqa: BLE001 - a traceback would show what its texts quote
            from console.cli import failures  # noqa: PLC0415 - what it loads is needed for failures only

            raise failures.explained(exc) from None
