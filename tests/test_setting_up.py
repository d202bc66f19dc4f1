"""`make setup` shows how far it is, in a terminal and elsewhere. (What it does is shown by every other test.)"""

import importlib.util
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "bin/install_locked.py"

PIP_SAYS = """\
Looking in links: /somewhere
Ignoring colorama: markers 'sys_platform == "win32"' don't match your environment
Collecting alembic==1.20.1 (from -r requirements.lock (line 1))
  Downloading alembic-1.20.1-py3-none-any.whl (270 kB)
Processing ./wheels/annotated_types-0.8.0-py3-none-any.whl (from -r requirements.lock (line 7))
Processing /wheels/anyio-4.16.0.tar.gz (from -r requirements.lock (line 9))
Requirement already satisfied: attrs==26.1.0 in ./.venv/lib (from -r requirements.lock (line 11)) (26.1.0)
Installing collected packages: alembic, annotated_types, anyio
Successfully installed alembic-1.20.1
"""


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("install_locked", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_package_is_counted_wherever_pip_finds_it_and_those_for_other_systems_are_not(script):
    assert list(script.steps(PIP_SAYS.splitlines(), 5)) == [
        "1 of 4: alembic 1.20.1",
        "2 of 4: annotated_types 0.8.0",
        "3 of 4: anyio 4.16.0",
        "4 of 4: attrs 26.1.0",
        "installing 3 packages",
    ]


def installed_already():
    """Return a lock of what is here: pip has nothing to fetch."""
    locked = (ROOT / "requirements.lock").read_text()
    found = re.findall(r"^(pytest|psutil|ruff)==(\S+)", locked, re.MULTILINE)
    return "".join(f"{name}=={version} --hash=sha256:{'0' * 64}\n" for name, version in found)


def test_elsewhere_than_in_a_terminal_nothing_is_rewritten_and_little_is_said(tmp_path):
    (tmp_path / "lock").write_text(installed_already())

    done = subprocess.run([sys.executable, SCRIPT, tmp_path / "lock"], capture_output=True, check=False)

    assert done.returncode == 0
    assert b"\r" not in done.stdout
    assert b"\x1b" not in done.stdout
    assert len(done.stdout.splitlines()) <= 3


def test_in_a_terminal_one_line_of_80_columns_is_rewritten_and_cleared(tmp_path):
    (tmp_path / "lock").write_text(installed_already())
    ours, theirs = pty.openpty()

    done = subprocess.run([sys.executable, SCRIPT, tmp_path / "lock"], stdout=theirs, check=False)
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)

    assert done.returncode == 0
    assert "\n" not in shown
    assert re.search(r"3 of 3: \w+ \d", shown)
    assert max(map(len, shown.split("\r"))) < 80
    assert shown.split("\r")[-2:] == [" " * 79, ""]


def test_what_pip_says_is_shown_when_it_fails(tmp_path):
    (tmp_path / "lock").write_text("pytest==0.0.0 --hash=sha256:" + "0" * 64)
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""}

    done = subprocess.run(
        [sys.executable, SCRIPT, tmp_path / "lock"], env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert "No matching distribution found for pytest==0.0.0" in done.stdout
