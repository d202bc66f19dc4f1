"""Needs: when two reports are the same need, and what a need carries."""

from datetime import UTC, datetime, timedelta

import pytest

from pluggy_sync.rules.needs import Kind, Need, blocks_updates, code_to_update, need_of, renewal_of_consent
from tests.kit.factories import NOON, a_raw_connector, an_item


def waiting_for_a_code(**changes):
    parameter = {"name": "token", "label": "Token", "expiresAt": "2026-03-10T15:05:00.000Z", **changes}
    return an_item(status="WAITING_USER_INPUT", executionStatus="WAITING_USER_INPUT", parameter=parameter)


def test_a_question_with_another_deadline_is_another_need():
    first = need_of(waiting_for_a_code(), Kind.MFA)
    second = need_of(waiting_for_a_code(expiresAt="2026-03-10T16:05:00.000Z"), Kind.MFA)

    assert first.dedup_key != second.dedup_key


def test_a_question_for_another_thing_is_another_need():
    first = need_of(waiting_for_a_code(name="phone"), Kind.MFA)
    second = need_of(waiting_for_a_code(name="sms"), Kind.MFA)

    assert first.dedup_key != second.dedup_key


def test_a_question_with_an_endless_name_has_a_key_that_an_index_takes():
    first = need_of(waiting_for_a_code(name="é" * 100_000), Kind.MFA)
    second = need_of(waiting_for_a_code(name="é" * 100_001), Kind.MFA)

    assert len(first.dedup_key.encode()) < 500
    assert first.dedup_key != second.dedup_key
    assert first.dedup_key == need_of(waiting_for_a_code(name="é" * 100_000), Kind.MFA).dedup_key


def test_a_question_that_is_only_worded_differently_is_the_same_need():
    first = need_of(waiting_for_a_code(label="Token"), Kind.MFA)
    second = need_of(waiting_for_a_code(label="Código"), Kind.MFA)

    assert first.dedup_key == second.dedup_key


def test_a_qr_code_that_rotates_is_the_same_need():
    def shown(qr, expires_at):
        action = {"type": "qr", "attributes": {"qr": qr}, "expiresAt": expires_at}
        return need_of(an_item(status="WAITING_USER_ACTION", userAction=action), Kind.AUTHORIZE)

    first, second = shown("one", "2026-03-10T15:05:00.000Z"), shown("two", "2026-03-10T15:06:00.000Z")

    assert first.dedup_key == second.dedup_key
    assert first.user_action != second.user_action


def test_the_deadline_is_that_of_the_question():
    need = need_of(waiting_for_a_code(), Kind.MFA)

    assert need.expires_at == datetime(2026, 3, 10, 15, 5, tzinfo=UTC)


def test_a_deadline_that_cannot_be_read_is_none():
    assert need_of(waiting_for_a_code(expiresAt="soon"), Kind.MFA).expires_at is None
    assert need_of(waiting_for_a_code(expiresAt=None), Kind.MFA).expires_at is None


def test_a_question_left_over_from_a_run_that_failed_is_not_asked_again():
    item = an_item(status="OUTDATED", executionStatus="USER_INPUT_TIMEOUT", parameter={"name": "token"})

    assert need_of(item, Kind.MFA).parameter is None


def test_the_banks_own_words_are_passed_on():
    error = {"code": "ACCOUNT_NEEDS_ACTION", "message": "x", "providerMessage": "Aceite os termos"}
    item = an_item(status="OUTDATED", executionStatus="ACCOUNT_NEEDS_ACTION", error=error)

    assert need_of(item, Kind.BANK).provider_message == "Aceite os termos"


def test_a_code_that_goes_with_the_credentials_is_asked_for_by_the_connectors_own_field():
    credential = {"name": "token", "type": "number", "mfa": True}
    item = an_item(
        connector=a_raw_connector(credentials=[{"name": "user"}, credential]),
        status="OUTDATED",
        executionStatus="INVALID_CREDENTIALS_MFA",
    )

    assert need_of(item, Kind.MFA).parameter == credential


@pytest.mark.parametrize("failed, minutes", [(0, None), (1, None), (2, 15), (5, 15)])
def test_from_the_second_failed_login_on_there_is_a_time_to_wait(failed, minutes):
    item = an_item(status="LOGIN_ERROR", executionStatus="INVALID_CREDENTIALS", consecutiveFailedLoginAttempts=failed)

    retry_at = need_of(item, Kind.CREDENTIALS).retry_at

    assert retry_at == (None if minutes is None else NOON + timedelta(minutes=minutes))


APPROVES = an_item(status="WAITING_USER_ACTION", executionStatus="LOGIN_MFA_IN_PROGRESS", userAction={"type": "qr"})


# Unsettled actions are stored with their key: with another one a person would be told again.
@pytest.mark.parametrize(
    "need, key",
    [
        (need_of(waiting_for_a_code(), Kind.MFA), "mfa:WAITING_USER_INPUT:token:2026-03-10T15:05:00.000Z"),
        (need_of(APPROVES, Kind.AUTHORIZE), "authorize:WAITING_USER_ACTION:qr"),
        (
            need_of(an_item(status="LOGIN_ERROR", executionStatus="INVALID_CREDENTIALS"), Kind.CREDENTIALS),
            "credentials:INVALID_CREDENTIALS",
        ),
        (code_to_update(an_item()), "mfa:UPDATE_NEEDS_PERSON"),
        (renewal_of_consent(NOON), "consent:CONSENT_EXPIRING:2026-03-10T15:00:00+00:00"),
    ],
)
def test_the_key_of_a_need_is_the_one_that_is_stored(need, key):
    assert need.dedup_key == key


def test_an_approval_of_another_kind_is_another_need():
    token = an_item(status="WAITING_USER_ACTION", userAction={"type": "token"})

    assert need_of(APPROVES, Kind.AUTHORIZE).dedup_key != need_of(token, Kind.AUTHORIZE).dedup_key


@pytest.mark.parametrize(
    "status, code, reason",
    [
        ("WAITING_USER_INPUT", "LOGIN_MFA_IN_PROGRESS", "WAITING_USER_INPUT"),
        ("WAITING_USER_ACTION", "LOGIN_MFA_IN_PROGRESS", "WAITING_USER_ACTION"),
        ("OUTDATED", "ACCOUNT_LOCKED", "ACCOUNT_LOCKED"),
        ("LOGIN_ERROR", None, "LOGIN_ERROR"),
    ],
)
def test_what_a_stopped_item_waits_for_is_its_reason_and_else_the_code_of_its_end(status, code, reason):
    assert need_of(an_item(status=status, executionStatus=code), Kind.BANK).reason == reason


def test_the_field_for_a_code_is_shown_only_to_who_must_give_one():
    connector = a_raw_connector(credentials=[{"name": "token", "mfa": True}])
    failed = an_item(connector=connector, status="LOGIN_ERROR", executionStatus="USER_AUTHORIZATION_REVOKED")

    assert need_of(failed, Kind.CONSENT).parameter is None


def test_an_update_that_needs_its_person_asks_for_the_code_of_the_login():
    code = {"name": "token", "mfa": True}
    need = code_to_update(an_item(connector=a_raw_connector(credentials=[{"name": "user"}, code])))

    assert (need.kind, need.reason, need.parameter) == (Kind.MFA, "UPDATE_NEEDS_PERSON", code)


def test_a_consent_can_be_renewed_until_it_ends_and_another_end_is_another_need():
    need, other = renewal_of_consent(NOON), renewal_of_consent(NOON + timedelta(days=1))

    assert need == Need(kind=Kind.CONSENT, reason="CONSENT_EXPIRING", dedup_key=need.dedup_key, expires_at=NOON)
    assert need.dedup_key != other.dedup_key


@pytest.mark.parametrize(
    "reason, blocks",
    [
        ("INVALID_CREDENTIALS", True),
        ("WAITING_USER_INPUT", True),
        ("SOMETHING_NEW", True),
        ("CONSENT_EXPIRING", False),
        ("UPDATE_NEEDS_PERSON", False),
    ],
)
def test_what_is_asked_of_a_healthy_item_stops_no_update(reason, blocks):
    assert blocks_updates(reason) is blocks
