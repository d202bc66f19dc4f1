"""What the rules load when they are imported. import-linter reads the code; this asks the interpreter."""

import json
import pkgutil
import subprocess
import sys

from pluggy_sync import rules

FRAMEWORKS = {"celery", "flask", "httpx", "marshmallow", "psycopg", "redis", "sqlalchemy", "structlog"}
MODULES = [each.name for each in pkgutil.iter_modules(rules.__path__, "pluggy_sync.rules.")]
_LOADED = (
    "import importlib, json, sys; [importlib.import_module(n) for n in sys.argv[1:]]; print(json.dumps([*sys.modules]))"
)


def packages_loaded_by(*modules: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", _LOADED, *modules], check=True, capture_output=True, text=True, timeout=60
    )
    return {each.partition(".")[0] for each in json.loads(done.stdout)}


def test_the_rules_load_no_framework_in_an_interpreter_of_their_own():
    loaded = packages_loaded_by(*MODULES)

    assert loaded & FRAMEWORKS == set()
    assert "pluggy_sync" in loaded
    assert len(MODULES) > 10


def test_a_framework_that_is_loaded_is_seen():
    assert packages_loaded_by("pluggy_sync.store.accounts") & FRAMEWORKS == {"sqlalchemy"}
