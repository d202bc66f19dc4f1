"""Whether an Item can be updated without its person: a row per line of the table in Pluggy facts 4.3."""

import pytest

from pluggy_sync.rules.refresh import verdict_on
from tests.kit.factories import a_raw_connector, an_item

TWO_STEPS = a_raw_connector(hasMFA=True)
ONE_STEP = a_raw_connector(credentials=[{"name": "user"}, {"name": "token", "mfa": True}])
TOMORROW = "2026-03-11T15:00:00.000Z"


@pytest.mark.parametrize(
    "changes, verdict",
    [
        ({}, "direct"),
        ({"status": "OUTDATED", "executionStatus": "SITE_NOT_AVAILABLE"}, "direct"),
        ({"status": "OUTDATED", "executionStatus": "INVALID_CREDENTIALS_MFA"}, "person"),
        ({"status": "OUTDATED", "executionStatus": "USER_INPUT_TIMEOUT"}, "person"),
        ({"status": "OUTDATED", "executionStatus": "ACCOUNT_NEEDS_ACTION"}, "person"),
        ({"status": "LOGIN_ERROR", "executionStatus": "INVALID_CREDENTIALS"}, "person"),
        ({"status": "LOGIN_ERROR", "executionStatus": "NEVER_HEARD_OF"}, "person"),
        ({"status": "WAITING_USER_INPUT", "executionStatus": "WAITING_USER_INPUT"}, "person"),
        ({"status": "UPDATING", "executionStatus": "CREATED"}, "running"),
        ({"connector": TWO_STEPS}, "person"),
        ({"connector": ONE_STEP}, "person"),
        # Auto-sync is planned, so this bank asks for nothing, whatever its form says.
        ({"connector": TWO_STEPS, "nextAutoSyncAt": TOMORROW}, "direct"),
    ],
)
def test_each_state_of_an_item_has_its_verdict(changes, verdict):
    assert verdict_on(an_item(**changes), offline=False) == verdict


@pytest.mark.parametrize(
    "changes", [{}, {"status": "LOGIN_ERROR", "executionStatus": "INVALID_CREDENTIALS"}, {"connector": TWO_STEPS}]
)
def test_while_the_bank_is_offline_nobody_can_do_anything(changes):
    assert verdict_on(an_item(**changes), offline=True) == "offline"


def test_what_is_heard_of_the_bank_counts_and_not_how_the_item_showed_it():
    shown_offline = a_raw_connector(health={"status": "OFFLINE"})

    assert verdict_on(an_item(connector=shown_offline), offline=False) == "direct"
