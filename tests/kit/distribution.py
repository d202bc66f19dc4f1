"""
Which tests one process runs together, and which begin first, where several processes share them. A pytest plugin.

Tests that share what takes long to start go to one process. What takes longest begins first: at the end no process
then waits long for another.

Tests: `make test` runs with it.
"""

import pytest
from xdist.scheduler import LoadScopeScheduling

# Each shares a service that takes long to start.
TOGETHER = (
    "tests/webhook_app/browser/",
    "tests/console/pages/",
    "tests/examples/",
    "tests/standalone/test_run_of_up.py",
    "tests/webhook_app/intake/test_spilling.py",
    "tests/workers/test_redis_in_trouble.py",
)
# Then come those that are slow, and then the others.
FIRST = (
    "tests/webhook_app/browser/",
    "tests/chaos/",
    "tests/webhook_app/test_fuzz.py",
    "tests/promises/",
    "tests/standalone/",
    "tests/webhook_app/intake/test_spilling.py",
    "tests/console/pages/",
    "tests/examples/",
    "tests/workers/",
)


def _place(nodeid: str, places: tuple[str, ...]) -> int | None:
    return next((number for number, place in enumerate(places) if nodeid.startswith(place)), None)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the tests of a process that shares them with others."""
    if not hasattr(config, "workerinput"):
        return

    def rank(item: pytest.Item) -> int:
        place = _place(item.nodeid, FIRST)
        if item.get_closest_marker("slow") is None and _place(item.nodeid, TOGETHER) is None:
            return len(FIRST) + 1
        return len(FIRST) if place is None else place

    items.sort(key=rank)


class _Together(LoadScopeScheduling):
    """Gives each test, or all that share a service, to a process that has nearly nothing left to do."""

    def _split_scope(self, nodeid: str) -> str:
        place = _place(nodeid, TOGETHER)
        return nodeid if place is None else TOGETHER[place]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> _Together | None:
    """Return what gives the tests to the processes, if they are not to get arbitrary parts."""
    if config.getoption("dist") != "loadscope":
        return None
    # In the order of the collection.
    config.option.loadscopereorder = False
    return _Together(config, log)
