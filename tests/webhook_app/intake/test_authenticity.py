"""Whether a delivery is Pluggy's."""

import pytest

from tests.kit.factories import a_settings
from webhook_app.intake.authenticity import is_authentic

SETTINGS = a_settings(WEBHOOK_SECRETS="the-old-secret-of-the-webhook,the-new-secret-of-the-webhook")


@pytest.mark.parametrize("secret", ["the-old-secret-of-the-webhook", "the-new-secret-of-the-webhook"])
def test_each_of_our_secrets_is_valid_so_that_one_can_be_replaced(secret):
    assert is_authentic(secret, SETTINGS)


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "the-old",
        "the-old-secret-of-the-webhook ",
        "THE-OLD-SECRET-OF-THE-WEBHOOK",
        "the-old-secret-of-the-webhook,the-new-secret-of-the-webhook",
        "ségredo",
    ],
)
def test_nothing_else_is(secret):
    assert not is_authentic(secret, SETTINGS)
