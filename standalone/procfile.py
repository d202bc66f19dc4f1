"""The commands of the service, as the Procfile has them: written there once, run from there by everybody."""

import os
import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from standalone.programs import Program

PROCFILE = Path(__file__).resolve().parent.parent / "Procfile"
# Runs to its end before the others start.
RELEASE = "release"

_LINE = re.compile(r"(?P<name>[a-z][a-z0-9_-]*): (?P<command>.+)")


def commands(file: Path = PROCFILE) -> dict[str, str]:
    """Return each process's name and shell command."""
    found = [match for line in file.read_text().splitlines() if (match := _LINE.fullmatch(line.strip()))]
    return {match["name"]: match["command"] for match in found}


def program(name: str, env: Mapping[str, str], *more: str) -> Program:
    """
    Return what starts *name*: a shell that fills in the variables from *env* and then becomes that process.

    *more* are further arguments; of an option that is given twice the last counts.
    """
    ours = Path(sys.executable).parent
    return Program(
        name=name,
        argv=["/bin/sh", "-c", f"exec {commands()[name]} {shlex.join(more)}"],
        env={**env, "PATH": f"{ours}{os.pathsep}{env.get('PATH', os.defpath)}"},
        cwd=PROCFILE.parent,
    )


def lasting() -> list[str]:
    """Return the names of the processes that stay up, in their order."""
    return [name for name in commands() if name != RELEASE]
