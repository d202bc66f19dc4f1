"""
In which tests it is measured which branches of the core are taken. A pytest plugin.

Measuring makes Python take nearly twice as long. It is left out where the core does not run in the tests' own process,
and where a search repeats what others take once. The sandbox's threads are not measured in any test.

Tests: `make test` measures, and fails below `fail_under`.
"""

import sys
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import pytest
from cheroot.workers.threadpool import WorkerThread

from pluggy_sandbox.state.timers import Timers

# The core runs in other processes, or not at all.
ELSEWHERE = (
    "tests/bench/",
    "tests/chaos/",
    "tests/examples/",
    "tests/pluggy_sandbox/",
    "tests/standalone/",
    "tests/test_",
    "tests/webhook_app/browser/",
)
SEARCHES = (
    "tests/promises/test_convergence.py",
    "tests/promises/test_promise_2_order_and_repetition_do_not_matter.py::test_every_permutation",
    "tests/webhook_app/api/test_odd_calls.py",
    "tests/webhook_app/test_fuzz.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests in which nothing is measured."""
    for item in items:
        if item.nodeid.startswith((*ELSEWHERE, *SEARCHES)):
            item.add_marker("no_cover")


def _unmeasured(run: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(run)
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
