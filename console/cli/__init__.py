"""`pluggy-sync`: the command line. Each module has the commands of one subject."""

from console.cli.commands import main

__all__ = ["main"]
