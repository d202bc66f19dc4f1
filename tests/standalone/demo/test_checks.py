"""The demo succeeds only if every promise was kept."""

import io

import pytest
from rich.console import Console

from standalone.demo.checks import Checks


@pytest.fixture
def checks():
    checks = Checks(Console(file=io.StringIO(), width=120))
    checks.begin("a chapter")
    return checks


def test_nothing_checked_is_not_success(checks):
    assert not checks.all_kept


def test_kept_promises_are_success(checks):
    checks.equal("one", expected=1, seen=1)
    checks.holds("two", lambda days: days > 1, expected="more than one", seen=2)

    assert checks.all_kept


@pytest.mark.parametrize("breaking", ["equal", "holds", "failed"])
def test_one_broken_promise_among_kept_ones_is_failure_and_stands_in_the_table(checks, breaking):
    checks.equal("kept", expected=1, seen=1)
    if breaking == "equal":
        checks.equal("broken", expected="1 row", seen="2 rows")
    elif breaking == "holds":
        checks.holds("broken", lambda days: days > 1, expected="more than one", seen=0)
    else:
        checks.failed("broken", "it came to a stop")
    checks.equal("kept again", expected=1, seen=1)

    assert not checks.all_kept
    checks.console.print(checks.table())
    table = checks.console.file.getvalue().partition("What was promised")[2]
    assert [line for line in table.splitlines() if "✗" in line and "broken" in line]
