"""A user action as products see it: all that a form needs, and no link to what is settled."""

import dataclasses
from datetime import timedelta

import pytest

from pluggy_sync import wire
from pluggy_sync.notifications import action_view
from pluggy_sync.page_links import PageLinks
from pluggy_sync.store.user_actions import Action
from pluggy_sync.texts import catalogue
from tests.kit.factories import NOON

LINKS = PageLinks("a-secret-key-of-the-tests-that-is-long-enough", "https://sync.example")
TEXTS = catalogue.read()
ACTION = Action(
    id="act_1",
    item_id="an-item",
    client_user_id="user-42",
    kind="mfa",
    reason="WAITING_USER_INPUT",
    dedup_key="mfa",
    state="open",
    parameter={"name": "token", "type": "text", "label": "Token", "unknown": "not shown"},
    user_action=None,
    provider_message=None,
    expires_at=NOON + timedelta(minutes=1),
    attempts=1,
    created_at=NOON,
    submitted_at=None,
    accepted_at=None,
    retry_at=None,
    asked_at_update=None,
    reminders=0,
    told_at=NOON,
    remind_at=None,
    settled_at=None,
    outcome=None,
)


def view(**changes):
    return action_view.of_row(dataclasses.replace(ACTION, **changes), LINKS, TEXTS)


def test_moments_are_text_or_null():
    shown = view()

    assert shown["expiresAt"] == wire.to_text(NOON + timedelta(minutes=1))
    assert shown["createdAt"] == wire.to_text(NOON)
    assert (shown["retryAt"], shown["submittedAt"], shown["settledAt"]) == (None, None, None)


def test_a_form_finds_each_field_of_the_parameter_and_none_besides():
    parameter = view()["parameter"]

    assert (parameter["name"], parameter["label"], parameter["options"], parameter["data"]) == (
        "token",
        "Token",
        None,
        None,
    )
    assert "unknown" not in parameter
    assert view(parameter=None)["parameter"] is None


@pytest.mark.parametrize("state", ["open", "submitted"])
def test_an_unsettled_action_has_a_page(state):
    assert view(state=state)["pageUrl"].startswith("https://sync.example/act/")


@pytest.mark.parametrize("state", ["resolved", "expired", "superseded"])
def test_a_settled_action_has_none(state):
    assert view(state=state, outcome="SUCCESS", settled_at=NOON)["pageUrl"] is None


def test_what_to_do_is_said_in_both_languages():
    text = view()["text"]

    assert all(text[language][part] for language in ("pt", "en") for part in ("title", "body"))
    assert text["pt"] != text["en"]


def test_nothing_that_only_we_need_is_shown():
    assert {"dedupKey", "dedup_key", "remindAt", "toldAt", "reminders"}.isdisjoint(view())
