"""The page that explains the house names what is in the tree, and every room of the core is on it."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/architecture.md").read_text()


def test_every_path_that_the_page_names_exists():
    named = re.findall(r"`([a-z_]+(?:/[a-z_.]+)*/?)`", PAGE)
    paths = [each for each in named if "/" in each]

    assert [each for each in paths if not _exists(each)] == []
    assert len(paths) > 30


def _exists(path: str) -> bool:
    # A room of the web app is named by itself in its row.
    return (ROOT / path).exists() or (ROOT / "webhook_app" / path).is_dir()


def test_every_room_of_the_core_is_on_the_page():
    rooms = [each.name for each in (ROOT / "pluggy_sync").iterdir() if (each / "__init__.py").exists()]

    assert [room for room in rooms if f"`pluggy_sync/{room}/`" not in PAGE] == []


def test_every_module_that_a_room_s_row_names_is_there():
    for room, subject in re.findall(r"^\| `(pluggy_sync/[a-z_/]+/)` \| (.*) \|$", PAGE, re.MULTILINE):
        for module in re.findall(r"`([a-z_]+)`", subject):
            assert (ROOT / room / f"{module}.py").exists(), f"{room}{module}.py"
