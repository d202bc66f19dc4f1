"""What a bank customer reads: there for every code, in both languages, plain."""

import re

import pytest

from pluggy_sync.notifications.texts import texts_of
from pluggy_sync.rules.decision import KIND_OF_CODE
from pluggy_sync.rules.needs import CONSENT_EXPIRING, UPDATE_NEEDS_PERSON, Kind

REASONS = {
    **KIND_OF_CODE,
    "WAITING_USER_INPUT": Kind.MFA,
    "WAITING_USER_ACTION": Kind.AUTHORIZE,
    CONSENT_EXPIRING: Kind.CONSENT,
    UPDATE_NEEDS_PERSON: Kind.MFA,
}


@pytest.mark.parametrize("reason, kind", REASONS.items())
def test_every_reason_has_words_of_its_own_without_any_code(reason, kind):
    texts = texts_of(kind, reason)

    others = [texts_of(other, name) for name, other in REASONS.items() if name != reason]
    assert texts not in others
    for text in (texts.pt, texts.en):
        assert 10 < len(text.title) <= 45
        assert 30 < len(text.body) <= 130
        assert text.title[-1] not in ".!"
        assert text.body.endswith(".")
        assert not re.search(r"[A-Z]{3,}|_|MFA|token|API|Pluggy", text.title + text.body)


def test_only_wrong_credentials_speak_of_entering_a_password():
    asking = {reason for reason, kind in REASONS.items() if "senha" in texts_of(kind, reason).pt.body}

    assert asking == {"INVALID_CREDENTIALS", "ACCOUNT_CREDENTIALS_RESET"}


@pytest.mark.parametrize("kind", list(Kind))
def test_a_reason_that_is_new_gets_the_words_of_its_kind(kind):
    assert texts_of(kind, "NEVER_HEARD_OF").pt.title


def test_a_choice_and_a_consent_are_not_called_a_code():
    assert "código" not in texts_of("mfa", "WAITING_USER_INPUT", asked="select").pt.title
    assert "código" not in texts_of("authorize", "WAITING_USER_INPUT").pt.title
