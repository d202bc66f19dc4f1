"""What a bank customer reads of an action: there for every code, in both languages, plain."""

import re
from datetime import UTC, datetime

import pytest

from pluggy_sync.rules.decision import KIND_OF_CODE
from pluggy_sync.rules.needs import CONSENT_EXPIRING, RESOURCES_PENDING, UPDATE_NEEDS_PERSON, Kind
from pluggy_sync.texts import catalogue
from pluggy_sync.texts.actions import text_of

REASONS = {
    **KIND_OF_CODE,
    "WAITING_USER_INPUT": Kind.MFA,
    "WAITING_USER_ACTION": Kind.AUTHORIZE,
    CONSENT_EXPIRING: Kind.CONSENT,
    UPDATE_NEEDS_PERSON: Kind.MFA,
    RESOURCES_PENDING: Kind.AUTHORIZE,
}
ENDS_AT = datetime(2026, 12, 13, 2, 30, tzinfo=UTC)
TEXTS = catalogue.read()


def texts_of(kind, reason, **more):
    return [text_of(language, kind, reason, ends_at=ENDS_AT, **more) for language in (TEXTS.pt, TEXTS.en)]


@pytest.mark.parametrize("reason, kind", REASONS.items())
def test_every_reason_has_words_of_its_own_without_any_code(reason, kind):
    texts = texts_of(kind, reason)

    others = [texts_of(other, name) for name, other in REASONS.items() if name != reason]
    assert texts not in others
    for text in texts:
        assert 10 < len(text.title) <= 45
        assert 30 < len(text.body) <= 130
        assert text.title[-1] not in ".!"
        assert text.body.endswith(".")
        assert not re.search(r"[A-Z]{3,}|_|MFA|token|API|Pluggy", text.title + text.body)


def test_only_wrong_credentials_speak_of_a_password():
    asking = {reason for reason, kind in REASONS.items() if "senha" in texts_of(kind, reason)[0].body}

    assert asking == {"INVALID_CREDENTIALS", "ACCOUNT_CREDENTIALS_RESET"}


@pytest.mark.parametrize("kind", list(Kind))
def test_a_reason_that_is_new_gets_the_words_of_its_kind(kind):
    known = [texts_of(kind, reason) for reason, its in REASONS.items() if its == kind]

    assert texts_of(kind, "NEVER_HEARD_OF") in known


def test_a_choice_and_a_consent_are_not_called_a_code():
    assert "código" not in texts_of("mfa", "WAITING_USER_INPUT", asked="select")[0].title
    assert "código" not in texts_of("authorize", "WAITING_USER_INPUT")[0].title


def test_a_renewal_says_the_day_on_which_the_consent_ends_in_sao_paulo():
    pt, en = texts_of("consent", CONSENT_EXPIRING)

    # It is still the evening before there.
    assert "até 12 de dezembro de 2026" in pt.body
    assert "until 12 December 2026" in en.body
