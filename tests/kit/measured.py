"""
In which tests it is measured which branches of the core are taken. A pytest plugin.

Measuring makes Python take half as long again, and short functions twice as long. So a branch counts where the core is
tested on purpose: in its own tests, in those of the promises and of `/v1`, and in those that a module of the core, or a
file of its tests, names. It is left out where a search repeats what others take once. The sandbox's threads are not
measured in any test.

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

OWN = "tests/pluggy_sync/"
OF_THE_CORE = (OWN, "tests/promises/", "tests/webhook_app/api/")
SEARCHES = (
    "tests/promises/test_convergence.py",
    "tests/promises/test_promise_2_order_and_repetition_do_not_matter.py::test_every_permutation",
    "tests/webhook_app/api/test_odd_calls.py",
)


@functools.cache
def _own() -> frozenset[Path]:
    """Return the files that are named as tests of modules of the core."""
    naming = [path for folder in ("pluggy_sync", OWN) for path in (ROOT / folder).rglob("*.py")]
    return frozenset(file for path in naming for name in named_tests(path) for file in files_named(name))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Stop measuring while *item*, its fixtures included, is none of the core's tests."""
    # The plugin of pytest-cov, which is there if anything is to be measured.
    measuring = item.config.pluginmanager.get_plugin("_cov")
    measured = getattr(measuring, "cov_controller", None)
    of_the_core = item.nodeid.startswith(OF_THE_CORE) or item.path in _own()
    if measured is None or (of_the_core and not item.nodeid.startswith(SEARCHES)):
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
