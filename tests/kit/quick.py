"""
What `make quick` runs: every test that is not marked `slow`. A pytest plugin.

So that the marks stay true, a test that takes much processor time without the mark fails, wherever it is run. Processor
time, its own and that of the processes that it started and ended, does not grow on a busy machine as seconds do.
"""

import os
from collections.abc import Iterator

import pytest

# A quick test takes a tenth of it.
QUICK_CPU_S = 5.0


def _cpu_s() -> float:
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail *item* if it is not as quick as it pretends to be."""
    before = _cpu_s()
    yield
    spent = _cpu_s() - before
    if spent > QUICK_CPU_S and item.get_closest_marker("slow") is None:
        pytest.fail(f"it took {spent:.1f} s of processor time: mark it slow, or make it quicker", pytrace=False)
