"""The decision table: a test per row, and for every executionStatus that Pluggy has."""

import pytest

from pluggy_sync.rules.contradictions import Contradiction
from pluggy_sync.rules.decision import Step, decide
from pluggy_sync.rules.needs import Kind
from tests.kit.factories import an_item


def decided(item, contradiction=None, *, deleted=False, offline=False):
    return decide(item, contradiction, deleted=deleted, offline=offline)


@pytest.mark.parametrize("code", ["SUCCESS", "PARTIAL_SUCCESS"])
def test_a_good_run_is_synced(code):
    decision = decided(an_item(status="UPDATED", executionStatus=code))

    assert decision.step is Step.SYNC
    assert decision.reason == code
    assert decision.need is None


@pytest.mark.parametrize("pending, asks", [(True, True), (False, False), (None, False), ("true", False)])
def test_a_good_run_with_a_part_that_waits_for_an_approval_asks_for_it_besides(pending, asks):
    item = an_item(status="UPDATED", executionStatus="PARTIAL_SUCCESS", hasResourcesPendingAuthorization=pending)

    decision = decided(item)

    assert decision.step is Step.SYNC
    assert (decision.need is not None) is asks
    assert decision.need is None or decision.need.kind is Kind.AUTHORIZE
    assert decided(item, offline=True).need is None


# Pluggy facts 3.2, in progress; the two spellings of the investments' are both in use.
@pytest.mark.parametrize("status", ["UPDATING", "MERGING"])
@pytest.mark.parametrize(
    "code",
    [
        "CREATING",
        "CREATED",
        "LOGIN_IN_PROGRESS",
        "LOGIN_MFA_IN_PROGRESS",
        "ACCOUNTS_IN_PROGRESS",
        "CREDITCARDS_IN_PROGRESS",
        "TRANSACTIONS_IN_PROGRESS",
        "INVESTMENTS_IN_PROGRESS",
        "INVESTMENTS_TRANSACTIONS_IN_PROGRESS",
        "INVESTMENT_TRANSACTIONS_IN_PROGRESS",
        "PAYMENT_DATA_IN_PROGRESS",
        "IDENTITY_IN_PROGRESS",
        "LOANS_IN_PROGRESS",
        "ACCOUNT_STATEMENTS_IN_PROGRESS",
        "MOVE_SECURITY_IN_PROGRESS",
        "OPPORTUNITIES_IN_PROGRESS",
        "MERGING",
        "FINISHED",
        "A_STEP_NOBODY_HEARD_OF_IN_PROGRESS",
        None,
    ],
)
def test_a_run_that_goes_on_is_only_noted(status, code):
    decision = decided(an_item(status=status, executionStatus=code))

    assert (decision.step, decision.reason) == (Step.NOTE, code)


def test_a_run_that_goes_on_is_noted_even_when_its_last_code_was_an_error():
    assert decided(an_item(status="UPDATING", executionStatus="INVALID_CREDENTIALS")).step is Step.NOTE


# Pluggy facts 3.2 and 3.3. ACCOUNT_LOCKED, ACCOUNT_CREDENTIALS_RESET and USER_AUTHORIZATION_REVOKED were seen with
# both statuses.
@pytest.mark.parametrize(
    "status, code, kind",
    [
        ("LOGIN_ERROR", "INVALID_CREDENTIALS", Kind.CREDENTIALS),
        ("OUTDATED", "INVALID_CREDENTIALS", Kind.CREDENTIALS),
        ("LOGIN_ERROR", "A_LOGIN_TROUBLE_NOBODY_HEARD_OF", Kind.CREDENTIALS),
        ("OUTDATED", "INVALID_CREDENTIALS_MFA", Kind.MFA),
        ("OUTDATED", "USER_INPUT_TIMEOUT", Kind.MFA),
        ("LOGIN_ERROR", "USER_AUTHORIZATION_NOT_GRANTED", Kind.CONSENT),
        ("LOGIN_ERROR", "USER_AUTHORIZATION_REVOKED", Kind.CONSENT),
        ("OUTDATED", "USER_AUTHORIZATION_REVOKED", Kind.CONSENT),
        ("LOGIN_ERROR", "ACCOUNT_LOCKED", Kind.BANK),
        ("OUTDATED", "ACCOUNT_LOCKED", Kind.BANK),
        ("LOGIN_ERROR", "ACCOUNT_CREDENTIALS_RESET", Kind.BANK),
        ("OUTDATED", "ACCOUNT_CREDENTIALS_RESET", Kind.BANK),
        ("OUTDATED", "ACCOUNT_NEEDS_ACTION", Kind.BANK),
        ("OUTDATED", "USER_NOT_SUPPORTED", Kind.BANK),
        # Not final: nobody is asked for a password.
        ("OUTDATED", "USER_AUTHORIZATION_PENDING", Kind.BANK),
    ],
)
def test_what_only_a_person_can_mend_is_asked_of_the_person(status, code, kind):
    decision = decided(an_item(status=status, executionStatus=code))

    assert decision.step is Step.ASK
    assert decision.need is not None
    assert decision.need.kind is kind
    assert decision.reason == code


OF_THE_BANK = (
    "ALREADY_LOGGED_IN",
    "SITE_NOT_AVAILABLE",
    "CONNECTION_ERROR",
    "ERROR",
    "UNEXPECTED_ERROR",
    "MERGE_ERROR",
    "CREATE_ERROR",
)


@pytest.mark.parametrize("code", [*OF_THE_BANK, "A_CODE_NOBODY_HEARD_OF", None])
def test_nobody_is_asked_about_trouble_of_pluggy_or_the_bank(code):
    decision = decided(an_item(status="OUTDATED", executionStatus=code))

    assert decision.step is Step.WAIT
    assert decision.need is None
    assert decision.reason == code


@pytest.mark.parametrize("code", OF_THE_BANK)
def test_trouble_of_the_bank_is_no_refused_login_though_the_status_says_so(code):
    assert decided(an_item(status="LOGIN_ERROR", executionStatus=code)).step is Step.WAIT


def test_a_refused_login_without_a_code_is_the_persons():
    decision = decided(an_item(status="LOGIN_ERROR", executionStatus=None))

    assert (decision.step, decision.reason) == (Step.ASK, "LOGIN_ERROR")


def test_a_code_is_asked_for_when_the_item_waits_for_one():
    item = an_item(
        status="WAITING_USER_INPUT",
        executionStatus="WAITING_USER_INPUT",
        parameter={"name": "token", "type": "number", "expiresAt": "2026-03-10T15:05:00.000Z"},
    )

    decision = decided(item)

    assert decision.step is Step.ASK
    assert decision.need is not None
    assert decision.need.kind is Kind.MFA
    assert decision.need.parameter == item.parameter


def test_an_address_to_consent_at_is_no_code_to_type():
    parameter = {"name": "oauth_code", "type": "oauth", "data": "https://bank.example/consent"}
    decision = decided(an_item(status="WAITING_USER_INPUT", parameter=parameter))

    assert decision.need is not None
    assert decision.need.kind is Kind.AUTHORIZE


def test_an_approval_is_asked_for_when_the_item_waits_for_one():
    action = {"type": "qr", "instructions": "Aponte a câmera", "attributes": {"qr": "x"}}
    decision = decided(an_item(status="WAITING_USER_ACTION", userAction=action))

    assert decision.step is Step.ASK
    assert decision.need is not None
    assert decision.need.kind is Kind.AUTHORIZE
    assert decision.need.user_action == action


@pytest.mark.parametrize(
    "status, code",
    [
        ("LOGIN_ERROR", "INVALID_CREDENTIALS"),
        ("OUTDATED", "INVALID_CREDENTIALS_MFA"),
        ("OUTDATED", "ACCOUNT_LOCKED"),
        ("OUTDATED", "SITE_NOT_AVAILABLE"),
        ("WAITING_USER_INPUT", "WAITING_USER_INPUT"),
        ("WAITING_USER_ACTION", "WAITING_USER_ACTION"),
    ],
)
def test_nobody_is_asked_anything_while_the_bank_is_down(status, code):
    decision = decided(an_item(status=status, executionStatus=code), offline=True)

    assert decision.step is Step.WAIT
    # Where nothing would be asked anyway, the code says more.
    assert decision.reason == ("SITE_NOT_AVAILABLE" if code == "SITE_NOT_AVAILABLE" else "CONNECTOR_OFFLINE")
    assert decision.need is None


def test_a_good_run_is_synced_even_when_the_bank_went_down_since():
    assert decided(an_item(), offline=True).step is Step.SYNC


def test_an_item_that_pluggy_does_not_find_is_fetched_again_until_that_is_believed():
    doubted, believed = decided(None, Contradiction.NOT_FOUND), decided(None)

    assert (doubted.step, doubted.reason, doubted.contradiction) == (
        Step.FETCH_AGAIN,
        "ITEM_NOT_FOUND",
        Contradiction.NOT_FOUND,
    )
    assert (believed.step, believed.reason, believed.contradiction) == (Step.PURGE, "ITEM_NOT_FOUND", None)


def test_an_item_that_is_still_there_is_never_purged_on_the_word_of_an_event():
    doubted = decided(an_item(), Contradiction.STILL_THERE)

    assert (doubted.step, doubted.contradiction) == (Step.FETCH_AGAIN, Contradiction.STILL_THERE)
    assert decided(an_item()).step is Step.SYNC


@pytest.mark.parametrize("contradiction", [Contradiction.BEHIND, Contradiction.PERHAPS_BEHIND])
def test_a_view_that_is_behind_is_kept_and_fetched_again(contradiction):
    decision = decided(an_item(), contradiction)

    assert (decision.step, decision.contradiction) == (Step.SYNC, contradiction)


@pytest.mark.parametrize("item", [None, an_item()])
@pytest.mark.parametrize("contradiction", [None, *Contradiction])
def test_events_for_an_item_that_we_hold_a_tombstone_for_change_nothing(item, contradiction):
    assert decided(item, contradiction, deleted=True).step is Step.IGNORE
