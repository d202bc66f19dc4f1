"""The commands of the service, as the Procfile has them: written there once, run from there by everybody."""

import re
from pathlib import Path

PROCFILE = Path(__file__).resolve().parent.parent / "Procfile"

_LINE = re.compile(r"(?P<name>[a-z]+): (?P<command>.+)")


def commands(file: Path = PROCFILE) -> dict[str, str]:
    """Return each process's name and shell command."""
    found = [match for line in file.read_text().splitlines() if (match := _LINE.fullmatch(line.strip()))]
    return {match["name"]: match["command"] for match in found}


def argv(name: str) -> list[str]:
    """Return what starts *name*: a shell that fills in the variables and then becomes that process."""
    return ["/bin/sh", "-c", f"exec {commands()[name]}"]
