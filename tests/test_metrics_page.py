"""docs/metrics.md names every metric with its labels, and nothing that does not exist."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from pluggy_sync import tallies
from pluggy_sync.metrics import ServiceCollector

PAGE = (Path(__file__).parent.parent / "docs/metrics.md").read_text()
ROWS = re.findall(r"^\| `(\w+)` \|(.*?)\| ", PAGE, re.MULTILINE)


@pytest.fixture
def collected(resources, tmp_path):
    with_spill = replace(resources, settings=replace(resources.settings, spill_folder=str(tmp_path)))
    return list(ServiceCollector(with_spill).collect())


def test_every_metric_is_described_and_no_other(collected):
    names = [each.name + ("_total" if each.type == "counter" else "") for each in collected]

    described = [f"pluggy_sync_{name}" for name, _ in ROWS]

    assert sorted(described) == sorted(names)


def test_the_labels_of_what_is_counted_are_described(collected):
    labels = {what.name: set(what.labels) for what in tallies.ALL}

    described = {name.removesuffix("_total"): set(re.findall(r"`(\w+)`", cell)) for name, cell in ROWS}

    assert {name: described[name] for name in labels} == labels
