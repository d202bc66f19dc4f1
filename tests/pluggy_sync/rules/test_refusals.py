"""Every refusal of Pluggy facts 3.8 has a meaning of its own, and one that is not known is none of these."""

import dataclasses
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pluggy_sync.rules import refusals
from pluggy_sync.rules.refusals import refusal_of, refusal_to_update, retry_at


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
    assert refusal_of(code, 400) == dataclasses.replace(refusals.refusal(ours), pluggy_code=code)


@pytest.mark.parametrize("status, ours", [(404, "item-gone-at-pluggy"), (409, "not-now"), (400, "refused-by-pluggy")])
def test_without_a_known_code_the_status_decides(status, ours):
    assert refusal_of(None, status).code == ours
    assert refusal_of("NEVER_HEARD_OF", status).code == ours


def test_an_unknown_refusal_keeps_pluggys_word_for_it():
    refusal = refusal_of("SOMETHING_NEW", 409)

    assert (refusal.code, refusal.pluggy_code) == ("not-now", "SOMETHING_NEW")
    assert refusal.detail == "Pluggy refused with 409 SOMETHING_NEW."


@pytest.mark.parametrize("said", ["password 1234 is wrong", "lower_case", "A" * 81, "", "ÁRVORE", "CODE\n"])
def test_what_is_not_a_code_word_is_not_repeated(said):
    refusal = refusal_of(said, 400)

    assert refusal.pluggy_code is None
    assert refusal.detail == "Pluggy refused with 400 and gave no code."


@pytest.mark.parametrize("status", [400, 409, 422])
def test_an_update_that_is_refused_for_an_unknown_reason_is_not_now(status):
    assert refusal_to_update(None, status).code == "not-now"
    assert refusal_to_update("SOMETHING_NEW", status) == refusals.Refusal(
        code="not-now", detail=f"Pluggy refused with {status} SOMETHING_NEW.", pluggy_code="SOMETHING_NEW"
    )


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_of_our_credentials_is_not_taken_for_the_items_state(status):
    assert refusal_to_update(None, status).code == "refused-by-pluggy"


@pytest.mark.parametrize("status", [400, 409, 422, 403])
@pytest.mark.parametrize("code", [None, "SOMETHING_NEW", "ITEM_IN_ERROR_COOLDOWN"])
def test_nothing_unknown_is_taken_for_success(code, status):
    success = (refusals.ALREADY_FRESH, refusals.ALREADY_UPDATING, refusals.ALREADY_PROVIDED)

    assert refusal_to_update(code, status).code not in success
    assert refusal_of(code, status).code not in success


@pytest.mark.parametrize(
    "data, moment",
    [
        ({"canRetryAfterDate": "2026-03-10T15:00:00.000Z"}, datetime(2026, 3, 10, 15, tzinfo=UTC)),
        (
            {"lastUpdatedAt": "2026-03-10T15:00:00.000Z", "minUpdateFrequencyAllowedInHours": 2},
            datetime(2026, 3, 10, 17, tzinfo=UTC),
        ),
        ({}, None),
        ({"lastUpdatedAt": "2026-03-10T15:00:00.000Z"}, None),
        ({"minUpdateFrequencyAllowedInHours": 2}, None),
        ({"canRetryAfterDate": 7}, None),
        ({"canRetryAfterDate": "soon"}, None),
        ({"lastUpdatedAt": "2026-03-10T15:00:00.000Z", "minUpdateFrequencyAllowedInHours": "inf"}, None),
        ({"lastUpdatedAt": "2026-03-10T15:00:00.000Z", "minUpdateFrequencyAllowedInHours": "nan"}, None),
        ({"lastUpdatedAt": "9999-12-31T23:59:59.000Z", "minUpdateFrequencyAllowedInHours": 9}, None),
        ({"lastUpdatedAt": "2026-03-10T15:00:00.000Z", "minUpdateFrequencyAllowedInHours": 10**400}, None),
        # Dates that Python has, but not in every zone.
        ({"lastUpdatedAt": "9998-12-29T00:00:00.000Z", "minUpdateFrequencyAllowedInHours": 24 * 366}, None),
        ({"lastUpdatedAt": "0002-01-02T00:00:00.000Z", "minUpdateFrequencyAllowedInHours": -24 * 366}, None),
    ],
)
def test_the_time_to_try_again_is_read_where_pluggy_gives_one(data, moment):
    assert retry_at(data) == moment


def test_every_refusal_of_pluggy_is_one_of_ours():
    assert set(refusals._OURS_OF_PLUGGYS.values()) <= refusals.STATUS_OF_CODE.keys()


def test_every_code_is_documented_with_its_status():
    documented = (Path(__file__).parents[3] / "docs" / "actions.md").read_text()
    rows = re.findall(r"^\| ((?:`[a-z-]+`(?:, )?)+) \| ([0-9, ]+) \|", documented, re.MULTILINE)
    status_of_code = {}
    for codes, statuses in rows:
        names, numbers = re.findall("[a-z-]+", codes), [int(number) for number in statuses.split(", ")]
        status_of_code |= dict(zip(names, numbers if len(numbers) > 1 else numbers * len(names), strict=True))

    assert refusals.STATUS_OF_CODE.items() <= status_of_code.items()


@pytest.mark.parametrize("code", refusals.STATUS_OF_CODE)
def test_a_refusal_is_told_in_the_words_of_the_table(code):
    refusal = refusals.refusal(code)

    assert (refusal.code, refusal.detail, refusal.pluggy_code) == (code, refusals.DETAIL_OF_CODE[code], None)
    assert refusal.tells_when is (code in ("not-now", "wait-before-retry"))
