"""
In which tests it is measured which branches of the core are taken: in the core's own. A pytest plugin.

Measuring makes Python take half as long again, and short functions twice as long. So a branch counts where it is tested
on purpose: in `tests/pluggy_sync/`, and in the tests elsewhere that a module of the core, or a file there, names as its
own. The sandbox's threads are not measured in any test.

Tests: `make test` measures, and fails below `fail_under`.
"""

import functools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cheroot.workers.threadpool import WorkerThread

from pluggy_sandbox.state.timers import Timers
from tests.kit.modules import ROOT, files_named, named_tests

OF_THE_CORE = "tests/pluggy_sync/"


@functools.cache
def _own() -> frozenset[Path]:
    """Return the files that are named as tests of modules of the core."""
    naming = [path for folder in ("pluggy_sync", OF_THE_CORE) for path in (ROOT / folder).rglob("*.py")]
    return frozenset(file for path in naming for name in named_tests(path) for file in files_named(name))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Stop measuring while *item*, its fixtures included, is none of the core's tests."""
    # The plugin of pytest-cov, which is there if anything is to be measured.
    measuring = item.config.pluginmanager.get_plugin("_cov")
    measured = getattr(measuring, "cov_controller", None)
    if measured is None or item.nodeid.startswith(OF_THE_CORE) or item.path in _own():
        return (yield)
    measured.pause()
    try:
        return (yield)
    finally:
        measured.resume()


def _unmeasured(run: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(run)
    def run_unmeasured(*args: Any) -> Any:
        sys.settrace(None)
        return run(*args)

    return run_unmeasured


@pytest.fixture(scope="session", autouse=True)
def _the_sandbox_is_not_measured() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WorkerThread, "run", _unmeasured(WorkerThread.run))
        patch.setattr(Timers, "_loop", _unmeasured(Timers._loop))
        yield
