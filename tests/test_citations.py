"""What the code cites is in the repository."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FACTS = ROOT / "docs/pluggy.md"
CITATION = re.compile(r"Pluggy\s+facts\s+((?:\d+(?:\.\d+)?)(?:,\s*(?:and\s+)?\d+(?:\.\d+)?)*)")


def citations():
    """Return each cited section with the files that cite it."""
    found = {}
    tracked = subprocess.run(["git", "ls-files", "*.py", "*.md"], cwd=ROOT, check=True, capture_output=True, text=True)
    for name in tracked.stdout.split():
        path = ROOT / name
        if path == FACTS or not path.exists():
            continue
        for cited in CITATION.findall(re.sub(r"\n\s*#?\s*", " ", path.read_text())):
            for section in re.findall(r"\d+(?:\.\d+)?", cited):
                found.setdefault(section, set()).add(name)
    return found


def sections():
    """Return the numbers of all sections, and of the items and rows of those that are lists."""
    chapter, found = "", set()
    for line in FACTS.read_text().splitlines():
        if heading := re.match(r"#{2,3} (\d+(?:\.\d+)?)\.? ", line):
            found.add(heading[1])
            chapter = heading[1]
        elif item := re.match(r"(\d+)\. |\| (\d+) \|", line):
            found.add(f"{chapter}.{item[1] or item[2]}")
    return found


def test_every_cited_fact_is_in_the_page_of_facts():
    known = sections()

    missing = {section: sorted(files) for section, files in citations().items() if section not in known}

    assert missing == {}


@pytest.mark.parametrize("section", ["3.8", "6", "9.7", "13.14"])
def test_a_section_an_item_and_a_row_can_be_cited(section):
    assert section in sections()


def test_facts_are_cited_at_all():
    assert len(citations()) > 40
