"""The README says what the tests hold."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_promise_of_the_readme_has_tests_of_its_number_and_the_other_way_round():
    said = re.findall(r"^\| (\d+) \| \*\*", (ROOT / "README.md").read_text(), re.MULTILINE)
    tested = {re.findall(r"\d+", path.name)[0] for path in (ROOT / "tests/promises").glob("test_promise_*.py")}

    assert set(said) == tested
    assert len(said) == len(set(said)) > 10
