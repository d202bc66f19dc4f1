"""What `make quick` leaves out stays what is slow."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
# Each runs another pytest.
pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent

CONFTEST = """
import pytest
from tests.kit import quick_tests

quick_tests.QUICK_CPU_S, quick_tests.QUICK_TESTS_CPU_S = {one}, {together}
pytest_plugins = ["tests.kit.quick_tests"]

def pytest_configure(config):
    config.addinivalue_line("markers", "slow: slow")

@pytest.fixture
def postgres(): pass
@pytest.fixture
def shared_sandbox(): pass
@pytest.fixture
def chromium(): pass
"""
BURN = """
import os
def burn(cpu_s):
    before = os.times().user
    while os.times().user < before + cpu_s:
        # To ask takes as long, and is not counted.
        for _ in range(20_000): pass
"""


@pytest.fixture
def run(pytester, monkeypatch):
    """Run these tests with the plugin, and small bounds in place of its own."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    # Each is another pytest, and loading what it does not need takes most of its time.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(tests, *options, one=0.2, together=0.6):
        pytester.makeconftest(CONFTEST.format(one=one, together=together))
        pytester.makepyfile(f"{BURN}\nimport pytest\n{tests}")
        return pytester.runpytest_subprocess("-p", "xdist", *options)

    return run


def test_a_test_that_takes_much_and_is_not_slow_fails(run):
    done = run("def test_it(): burn(0.4)")

    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines("*of processor time: mark it slow, or make it quicker")


def test_a_slow_test_and_what_tests_share_and_all_tests_together_may_take_what_they_take(run):
    tests = """
@pytest.mark.slow
def test_slow(): burn(0.4)
@pytest.fixture(scope="session")
def server(): burn(0.4)
def test_sharing(server): pass
"""

    done = run(tests, together=0.15)

    done.assert_outcomes(passed=2)
    assert done.ret == pytest.ExitCode.OK


def test_what_a_test_needs_tells_whether_it_is_slow(run):
    tests = """
def test_queries(postgres): pass
def test_the_whole_service(postgres, shared_sandbox): pass
def test_a_page(chromium): pass
"""

    done = run(tests, "-m", "not slow", "-v")

    done.assert_outcomes(passed=1, deselected=2)
    done.stdout.fnmatch_lines("*::test_queries PASSED*")


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_quick_tests_that_take_too_much_together_fail_and_the_worst_are_named(run, workers):
    tests = "\n".join(f"def test_{number}(): burn({number / 20})" for number in (1, 4, 7))

    done = run(tests, "-m", "not slow", workers, one=5.0)

    done.assert_outcomes(passed=3)
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines(["* s of processor time, of 1; the most:", "*::test_7", "*::test_4"])
