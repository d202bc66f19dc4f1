"""The short form: every process and server of `make up` meets trouble once, and nothing of its work is lost."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

# The same troubles in the same order each time; `make chaos` draws others.
# In so many seconds each process that is frozen stays so for more than three.
OPTIONS = ("--seconds", "40", "--seed", "2")


@pytest.mark.timeout(420)
def test_after_trouble_for_each_process_every_row_is_right_and_every_notification_was_told_once_in_order():
    done = subprocess.run([sys.executable, "-m", "chaos", *OPTIONS], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "all is well" in done.stdout
