"""The page about notifications shows every type, as it is written."""

import json
import re
from pathlib import Path

import pytest

from pluggy_sync.notifications import messages

PAGE = (Path(__file__).parents[3] / "docs/notifications.md").read_text()
EXAMPLES = {each["type"]: each for each in map(json.loads, re.findall(r'^\{"type".*\}$', PAGE, re.MULTILINE))}


def test_every_type_has_an_example_and_no_other_has():
    assert EXAMPLES.keys() == set(messages.TYPES)


@pytest.mark.parametrize("type_", messages.TYPES)
def test_every_type_is_explained(type_):
    assert re.search(rf"^\| .*`{re.escape(type_)}`.* \| .+ \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("type_", [each for each in messages.TYPES if each.startswith("item.")])
def test_an_example_about_an_item_has_what_all_of_them_have(type_):
    data = EXAMPLES[type_]["data"]

    assert list(data)[:3] == ["itemId", "clientUserId", "sequence"]
