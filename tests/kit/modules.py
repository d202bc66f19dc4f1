"""
Which tests a module names as its own.

Tests: `test_architecture.py` finds each of them.
"""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def named_tests(module: Path) -> list[str]:
    """Return the files named by the line of the docstring that begins with "Tests", without the end of a long name."""
    line = re.search(r'^(?:""")?Tests(?: of this module)?: (.*)$', module.read_text(), re.MULTILINE)
    return [] if line is None else re.findall(r"`([a-z0-9_/]+(?:\.py)?)", line[1])


def files_named(name: str) -> list[Path]:
    """Return the files that *name* begins; it may be named from `tests/` or its package's folder in it on."""
    rooms = ("", "tests/", "tests/pluggy_sync/", "tests/webhook_app/")
    return [path for room in rooms for path in ROOT.glob(f"{room}{name}*")]
