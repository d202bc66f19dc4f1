"""Whether an Item can be updated without its person: a row per line of the table in Pluggy facts 4.3."""

import pytest

from pluggy_sync.rules.refresh import verdict_on
from tests.kit.factories import a_raw_connector, an_item

TWO_STEPS = a_raw_connector(hasMFA=True)
ONE_STEP = a_raw_connector(credentials=[{"name": "user"}, {"name": "token", "mfa": True}])
OFFLINE = a_raw_connector(health={"status": "OFFLINE"})
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
        ({"connector": OFFLINE}, "offline"),
        ({"connector": OFFLINE, "status": "LOGIN_ERROR", "executionStatus": "INVALID_CREDENTIALS"}, "offline"),
        ({"connector": TWO_STEPS}, "person"),
        ({"connector": ONE_STEP}, "person"),
        # Auto-sync is planned, so this bank asks for nothing, whatever its form says.
        ({"connector": TWO_STEPS, "nextAutoSyncAt": TOMORROW}, "direct"),
    ],
)
def test_each_state_of_an_item_has_its_verdict(changes, verdict):
    assert verdict_on(an_item(**changes), offline=False) == verdict


def test_an_outage_heard_of_later_counts():
    assert verdict_on(an_item(), offline=True) == "offline"
