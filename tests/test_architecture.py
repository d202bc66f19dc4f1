"""The page that explains the house names what is in the tree, and every room of the core is on it."""

import re
from pathlib import Path

from tests.kit.modules import ROOT, files_named, named_tests

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


def test_every_module_of_the_core_and_the_web_edge_has_its_test_file_or_says_where_its_tests_are():
    modules = [path for package in ("pluggy_sync", "webhook_app") for path in _modules(package)]

    assert [str(path) for path in modules if not _mirrored(path).exists() and not named_tests(ROOT / path)] == []
    assert len(modules) > 100


def test_every_file_of_tests_that_is_named_is_there():
    pointers = [path for package in ("pluggy_sync", "webhook_app") for path in (ROOT / package).rglob("*.py")]
    pointers += [
        path
        for path in (ROOT / "tests").rglob("test_*.py")
        if not re.search(r"^def test_", path.read_text(), re.MULTILINE)
    ]

    wrong = [(str(path), name) for path in pointers for name in named_tests(path) if not files_named(name)]
    wrong += [(str(path), "no tests") for path in pointers if path.name.startswith("test_") and not named_tests(path)]

    assert wrong == []


def _modules(package: str) -> list[Path]:
    """Return the package's modules. Migrations are tested all together, by what they make."""
    found = (path.relative_to(ROOT) for path in (ROOT / package).rglob("*.py") if path.name != "__init__.py")
    return sorted(path for path in found if "migrations" not in path.parts)


def _mirrored(module: Path) -> Path:
    return ROOT / "tests" / module.with_name(f"test_{module.name}")
