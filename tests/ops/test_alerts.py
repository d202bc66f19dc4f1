"""The alert rules: each fires when it should and not before, and leads to a paragraph of the runbook under its name."""

import re
from pathlib import Path

import promql_parser as ql
import pytest
from ruamel.yaml import YAML

from pluggy_sync.rules.alerts import MEANINGS, Code
from tests.kit.promql import Series, firing

ROOT = Path(__file__).parents[2]
RUNBOOK = (ROOT / "docs/operations.md").read_text()


def read(name):
    return YAML(typ="safe").load(ROOT / "ops" / name)


RULES = {rule["alert"]: rule for group in read("alerts.yaml")["groups"] for rule in group["rules"]}
TESTS = read("alerts.test.yaml")["tests"]


def seconds(text):
    return ql.parse_duration(text).total_seconds() if text else 0.0


def annotations(rule, labels):
    """Return the annotations with the labels of the alert in their places."""
    return {
        name: re.sub(r"{{ \$labels\.(\w+) }}", lambda found: labels[found[1]], text)
        for name, text in rule["annotations"].items()
    }


@pytest.mark.parametrize("case", TESTS, ids=[case["name"] for case in TESTS])
def test_a_rule_does_as_its_test_says(case):
    series = [Series.of(each["series"], each["values"]) for each in case["input_series"]]
    for expected in case["alert_rule_test"]:
        rule = RULES[expected["alertname"]]

        fired = firing(rule["expr"], series, seconds(expected["eval_time"]), for_s=seconds(rule.get("for")))

        told = [
            {"exp_labels": {**labels, **rule["labels"]}, "exp_annotations": annotations(rule, labels)}
            for labels in fired
        ]
        assert told == expected["exp_alerts"], expected["eval_time"]


def test_every_rule_has_a_test_in_which_it_fires_and_one_in_which_it_does_not():
    expected = [each for case in TESTS for each in case["alert_rule_test"]]

    assert {each["alertname"] for each in expected if each["exp_alerts"]} == set(RULES)
    assert {each["alertname"] for each in expected if not each["exp_alerts"]} == set(RULES)


def test_every_alert_of_the_watchdog_has_its_rule_and_is_as_urgent():
    assert set(Code) <= set(RULES)
    for code, meaning in MEANINGS.items():
        assert RULES[code]["labels"]["severity"] == meaning.urgency, code


@pytest.mark.parametrize("name", RULES)
def test_every_alert_has_a_paragraph_of_the_runbook_under_its_name(name):
    assert RULES[name]["annotations"]["runbook"] == f"docs/operations.md#{name}"
    paragraph = RUNBOOK.partition(f"\n### {name}\n")[2].partition("\n#")[0].strip()
    urgency = RULES[name]["labels"]["severity"].capitalize()
    assert paragraph.startswith(f"*{urgency}.* "), paragraph[:80]


def test_no_paragraph_of_the_runbook_is_about_an_alert_that_does_not_exist():
    named = re.findall(r"^### ([a-z_]+)\n\n\*(?:Page|Ticket)\.\*", RUNBOOK, re.MULTILINE)

    assert sorted(named) == sorted(RULES)
