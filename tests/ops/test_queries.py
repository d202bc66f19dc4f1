"""Every query of the dashboard and of the alert rules is about metrics that exist, with labels that they have."""

import json
import re
from dataclasses import replace
from pathlib import Path

import promql_parser as ql
import pytest
from ruamel.yaml import YAML

from pluggy_sync.metrics import ServiceCollector

OPS = Path(__file__).parents[2] / "ops"
DASHBOARD = json.loads((OPS / "dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
RULES = [rule for group in YAML(typ="safe").load(OPS / "alerts.yaml")["groups"] for rule in group["rules"]]
QUERIES = [
    *(target["expr"] for panel in PANELS for target in panel["targets"]),
    *(rule["expr"] for rule in RULES),
]


@pytest.fixture
def metrics(resources, tmp_path):
    with_spill = replace(resources, settings=replace(resources.settings, spill_folder=str(tmp_path)))
    endings = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}
    collected = ServiceCollector(with_spill).collect()
    return {
        each.name + ending: set(each._labelnames) | ({"le"} if ending == "_bucket" else set())
        for each in collected
        for ending in endings.get(each.type, ("",))
    }


def selectors(query):
    found = []

    def visit(expr):
        if isinstance(expr, ql.VectorSelector):
            found.append(expr)
        elif isinstance(expr, ql.MatrixSelector):
            found.append(expr.vector_selector)
        return True

    ql.walk(ql.parse(query), visit)
    assert found, query
    return found


def test_every_query_is_about_a_metric_that_exists_and_labels_that_it_has(metrics):
    unknown = [
        (query, selector.name)
        for query in QUERIES
        for selector in selectors(query)
        if selector.name not in metrics
        or not {each.name for each in selector.matchers.matchers} <= metrics[selector.name]
    ]

    assert unknown == []
    assert len(QUERIES) > 40


def test_what_a_panel_is_told_apart_by_is_a_label_of_its_metric(metrics):
    for panel in PANELS:
        for target in panel["targets"]:
            labels = {label for selector in selectors(target["expr"]) for label in metrics[selector.name]}
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= labels, panel["title"]


def test_panels_have_titles_and_places_of_their_own():
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]]

    assert len(set(places)) == len(places)
    assert len({panel["title"] for panel in PANELS}) == len(PANELS)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
