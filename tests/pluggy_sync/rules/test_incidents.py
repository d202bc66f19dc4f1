"""What an incident of a bank means."""

from datetime import timedelta

import pytest

from pluggy_sync.pluggy.payloads import Incident
from pluggy_sync.rules.incidents import is_away, of_data
from tests.kit.factories import NOON


def an_incident(id_="1", **changes):
    values = {
        "type": "INSTITUTION_OUTAGE",
        "product": "dados",
        "severity": "MAJOR_OUTAGE",
        "state": "INVESTIGATING",
        "title": None,
        "started_at": NOON,
        "url": None,
    }
    return Incident(id=id_, **{**values, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"product": "pis"},
        {"state": "RESOLVED"},
        {"started_at": NOON + timedelta(minutes=1)},
        {"type": "WEBHOOK_DELAY"},
    ],
)
def test_what_is_over_has_not_begun_or_is_of_something_else_does_not_count(changes):
    assert of_data([an_incident(**changes)], now=NOON) == []


def test_the_worst_comes_first_and_one_of_unknown_severity_last():
    found = [
        an_incident("a", severity="NEW_ONE"),
        an_incident("b", severity="DEGRADED"),
        an_incident("c", severity="MAJOR_OUTAGE", product=None, started_at=None),
        an_incident("d", severity="PARTIAL_OUTAGE"),
    ]

    assert [each.id for each in of_data(found, now=NOON)] == ["c", "d", "b", "a"]


@pytest.mark.parametrize(
    "changes, away",
    [
        ({}, True),
        ({"severity": "MAINTENANCE", "type": "SCHEDULED_MAINTENANCE"}, True),
        ({"severity": "PARTIAL_OUTAGE"}, False),
        ({"severity": "DEGRADED"}, False),
        ({"severity": None}, False),
        ({"severity": "DEGRADED", "type": "CONSENT_ERROR"}, True),
    ],
)
def test_nobody_is_asked_while_the_whole_bank_is_away_or_gives_no_consent(changes, away):
    assert is_away(an_incident(**changes)) == away
