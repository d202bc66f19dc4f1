"""Every refusal of Pluggy facts 3.8 has a meaning of its own."""

import pytest

from pluggy_sync.rules.refusals import refusal_of


@pytest.mark.parametrize(
    "code, ours",
    [
        ("ITEM_ALREADY_UPDATING", "already-updating"),
        ("ITEM_IS_ALREADY_UPDATING", "already-updating"),
        ("MFA_PARAMERTER_WAS_ALREADY_USED_ERROR", "value-already-used"),
        ("CONNECTOR_REQUIRED_PARAMETER_VALIDATION_ERROR", "needs-person"),
        ("PARAMETERS_NOT_PROVIDED", "needs-person"),
        ("LAST_EXECUTION_HAD_LOGIN_ERROR", "needs-person"),
        ("TOO_MANY_CONSECUTIVE_LOGIN_FAILURES", "wait-before-retry"),
        ("TOO_MANY_CONSECUTIVE_ERRORS", "too-many-errors"),
        ("ITEM_ORIGINAL_CONNECTED_WITH_DIFFERENT_ACCOUNT", "different-person"),
        ("CONNECTOR_OFFLINE", "bank-offline"),
        ("CONNECTOR_VALIDATION_ERROR", "invalid-parameters"),
        ("SANDBOX_CLIENT_ITEM_UPDATE_NOT_ALLOWED", "updates-not-allowed"),
        ("CLIENT_HAS_ITEM_UPDATES_DISABLED", "updates-not-allowed"),
        ("ITEM_NOT_FOUND", "item-gone-at-pluggy"),
        ("CLIENT_IS_UPDATING_BEFORE_ALLOWED_FREQUENCY", "already-fresh"),
        ("ITEM_MFA_NOT_FOUND", "nothing-asked"),
        ("ITEM_MFA_ALREADY_PROVIDED", "already-provided"),
        ("ITEM_MFA_EXPIRED", "action-expired"),
        ("ITEM_MFA_PARAMETER_EXPECTED_MISMATCH", "nothing-asked"),
    ],
)
def test_every_documented_code_is_known(code, ours):
    assert refusal_of(code, 400).code == ours


@pytest.mark.parametrize(
    "status, ours", [(404, "item-gone-at-pluggy"), (409, "already-fresh"), (400, "refused-by-pluggy")]
)
def test_without_a_code_the_status_decides(status, ours):
    assert refusal_of(None, status).code == ours
    assert refusal_of("NEVER_HEARD_OF", status).code == ours
