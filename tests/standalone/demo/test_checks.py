"""The demo succeeds only if every promise was kept."""

import io

import pytest
from rich.console import Console

from standalone.demo.checks import Checks


@pytest.fixture
def checks():
    checks = Checks(Console(file=io.StringIO(), width=80))
    checks.begin("a chapter")
    return checks


def test_nothing_checked_is_not_success(checks):
    assert not checks.all_kept


def test_kept_promises_are_success(checks):
    checks.equal("one", expected=1, seen=1)
    checks.holds("two", lambda days: days > 1, expected="more than one", seen=2)

    assert checks.all_kept


@pytest.mark.parametrize("breaking", ["equal", "holds", "failed"])
def test_one_broken_promise_among_kept_ones_is_failure_and_alone_stands_in_the_verdict(checks, breaking):
    checks.equal("kept", expected=1, seen=1)
    if breaking == "equal":
        checks.equal("broken", expected="1 row", seen="2 rows")
    elif breaking == "holds":
        checks.holds("broken", lambda days: days > 1, expected="more than one", seen=0)
    else:
        checks.failed("broken", "it came to a stop")
    checks.equal("kept again", expected=1, seen=1)

    assert not checks.all_kept
    verdict = str(checks.verdict(took_s=22.4))
    assert "✗ a chapter: broken\n" in verdict
    assert "kept again" not in verdict
    assert verdict.endswith("2 of 3 promises kept, in 22 s")


def test_each_promise_is_printed_once_and_no_line_is_wider_than_80_columns(checks):
    words = "a promise that takes more words than fit into one line of a terminal of the usual width"
    checks.tell(words)
    checks.equal(words, expected=["one", "other"], seen=["one", "other"])
    checks.equal("nobody is asked", expected=[], seen=[])
    checks.console.print(checks.verdict(took_s=1))

    printed = checks.console.file.getvalue()
    assert max(map(len, printed.splitlines())) <= 80
    assert printed.count("✓") == 2
    assert " ".join(printed.split()).count(f"{words}: one, other") == 1
    assert "nobody is asked: nothing" in printed
