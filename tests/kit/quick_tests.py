"""
What `make quick` runs: every test that is not slow. A pytest plugin.

Slow are the tests that play through the whole service or drive a browser, which is seen from the fixtures that they
need; those in folders where every test does more than that; and those that are marked.

So that this stays true, a test that takes much processor time without being slow fails, wherever it is run, and so does
`make quick` when its tests take too much together. Processor time, of a test and of the processes that it started and
ended, grows far less on a busy machine than seconds do. It may double, so the bounds leave room for that.
"""

import os
from collections.abc import Iterator

import pytest

# Of one quick test; nearly all take a twentieth of it.
QUICK_CPU_S = 10.0
# Of all quick tests together. Half of it is less than a minute on two cores that do nothing else.
QUICK_TESTS_CPU_S = 150.0

WHOLE_SERVICE = {"postgres", "shared_sandbox"}
BROWSERS = {"browser", "chromium"}
# Here every test plays whole histories.
SLOW_FOLDERS = ("tests/promises",)

_CPU = "cpu_s"
_began = pytest.StashKey[float]()


def _cpu_s() -> float:
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what is slow by its place or by what it needs."""
    folders = [config.rootpath / folder for folder in SLOW_FOLDERS]
    for item in items:
        needs = set(getattr(item, "fixturenames", ()))
        if needs >= WHOLE_SERVICE or needs & BROWSERS or any(item.path.is_relative_to(folder) for folder in folders):
            item.add_marker("slow")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Remember when *item* began."""
    item.stash[_began] = _cpu_s()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail *item* if it is not as quick as it pretends to be. Its fixtures, shared with others, are not counted."""
    before = _cpu_s()
    yield
    spent = _cpu_s() - before
    if spent > QUICK_CPU_S and item.get_closest_marker("slow") is None:
        pytest.fail(f"it took {spent:.1f} s of processor time: mark it slow, or make it quicker", pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Note in the last report of *item* what it took, for the process that sums up."""
    if call.when == "teardown":
        item.user_properties.append((_CPU, _cpu_s() - item.stash[_began]))
    return (yield)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what the quick tests took together, and which of them took most."""
    if config.option.markexpr != "not slow":
        return
    took = _took(terminalreporter)
    terminalreporter.write_line(f"{sum(took.values()):.0f} s of processor time, of {QUICK_TESTS_CPU_S:.0f}; the most:")
    for nodeid in sorted(took, key=took.__getitem__, reverse=True)[:5]:
        terminalreporter.write_line(f"  {took[nodeid]:4.1f} s  {nodeid}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail if the quick tests took too much together."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if session.config.option.markexpr == "not slow" and sum(_took(reporter).values()) > QUICK_TESTS_CPU_S:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _took(terminalreporter: pytest.TerminalReporter) -> dict[str, float]:
    """Return the processor time of each test in seconds, as far as they have ended; none in a worker of xdist."""
    return {
        report.nodeid: properties[_CPU]
        for reports in terminalreporter.stats.values()
        for report in reports
        if _CPU in (properties := dict(getattr(report, "user_properties", ())))
    }
