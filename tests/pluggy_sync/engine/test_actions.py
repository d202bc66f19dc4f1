"""User actions follow the Item: what is a new need, and what is the same one. More in the tests of promise 7."""

import copy
from datetime import timedelta

import pytest
import sqlalchemy as sa

from pluggy_sync import wire
from pluggy_sync.engine.reminders import remind
from pluggy_sync.pluggy.payloads import SAO_PAULO
from pluggy_sync.store.tables import items
from tests.kit.factories import API_TOKEN, an_event
from tests.kit.scripted_server import Reply

AUTHORIZED = {"Authorization": f"Bearer {API_TOKEN}"}


@pytest.fixture
def settings(behind_proxy):
    return behind_proxy


class Bank:
    """A bank that asks for a code, and what the Item shows of it."""

    def __init__(self, service, upstream, proxy, **question):
        self.service = service
        self.item_id = upstream.connect(connector=5)
        self.shown = upstream.item(self.item_id)
        self.shown["parameter"].update(question)
        self.question = copy.deepcopy(self.shown["parameter"])
        self.at = wire.instant(self.shown["updatedAt"])
        proxy.before = self.answer
        upstream.take_events()
        self.tell("item/waiting_user_input")

    def answer(self, asked):
        if asked.path in (f"/items/{self.item_id}", f"/items/{self.item_id}/mfa"):
            return Reply(self.shown)
        return None

    def shows(self, status, *, after_s, **changes):
        """Let the Item show *status* from now on, changed so many seconds after the first question."""
        asks = status == "WAITING_USER_INPUT"
        self.shown = {
            **self.shown,
            "status": status,
            "executionStatus": status if asks else "LOGIN_MFA_IN_PROGRESS",
            "parameter": {**self.question, **changes} if asks else None,
            "updatedAt": wire.to_text(self.at + timedelta(seconds=after_s)),
        }

    def tell(self, name):
        self.service.deliver(an_event(name, itemId=self.item_id))
        self.service.work()

    def give(self, value="111111"):
        action = self.service.actions()[-1]
        return self.service.web.post(f"/v1/actions/{action.id}/mfa", json={"value": value}, headers=AUTHORIZED)


def states(service):
    return [action.state for action in service.actions()]


@pytest.mark.parametrize("question", [{}, {"expiresAt": None}], ids=["the same deadline", "no deadline"])
def test_a_question_that_is_asked_again_after_an_answer_was_accepted_is_open_again(service, upstream, proxy, question):
    bank = Bank(service, upstream, proxy, **question)
    bank.shows("UPDATING", after_s=1)
    assert bank.give().status_code == 202

    bank.shows("WAITING_USER_INPUT", after_s=3)
    bank.tell("item/waiting_user_input")

    assert states(service) == ["superseded", "open"]
    assert service.notifications().count("item.action_required") == 2
    bank.shows("UPDATING", after_s=5)
    assert bank.give("222222").status_code == 202


def test_the_new_question_is_told_once_however_often_it_is_reported(service, upstream, proxy):
    bank = Bank(service, upstream, proxy)
    bank.shows("UPDATING", after_s=1)
    bank.give()
    bank.shows("WAITING_USER_INPUT", after_s=3)

    for _ in range(5):
        bank.tell("item/waiting_user_input")

    assert states(service) == ["superseded", "open"]
    assert service.notifications().count("item.action_required") == 2


def test_the_answer_itself_may_still_show_the_question(service, upstream, proxy):
    bank = Bank(service, upstream, proxy)
    bank.shows("WAITING_USER_INPUT", after_s=1)
    assert bank.give().status_code == 202

    bank.tell("item/waiting_user_input")

    assert states(service) == ["submitted"]
    assert service.notifications().count("item.action_required") == 1


def test_a_view_from_before_the_answer_is_no_new_question(service, upstream, proxy):
    bank = Bank(service, upstream, proxy)
    bank.shows("UPDATING", after_s=1)
    bank.give()

    bank.shows("WAITING_USER_INPUT", after_s=0)
    bank.tell("item/waiting_user_input")

    assert states(service) == ["submitted"]


def test_a_question_for_something_else_is_a_new_one_at_any_time(service, upstream, proxy):
    bank = Bank(service, upstream, proxy)
    bank.shows("UPDATING", after_s=1)
    bank.give()

    bank.shows("WAITING_USER_INPUT", after_s=2, name="sms")
    bank.tell("item/waiting_user_input")

    assert states(service) == ["superseded", "open"]
    assert service.actions()[-1].parameter["name"] == "sms"


def with_a_consent_that_ends_soon(service, upstream, clock):
    """Return the id of an Item whose person was asked to renew the consent."""
    # Nobody is warned at night.
    clock.advance(hours=(12 - clock().astimezone(SAO_PAULO).hour) % 24)
    item_id = upstream.connect()
    service.catch_up()
    with service.res.database.begin() as conn:
        conn.execute(sa.update(items).values(consent_expires_at=clock() + timedelta(days=5)))
    remind(service.res)
    assert reasons(service) == [("CONSENT_EXPIRING", "open")]
    return item_id


def reasons(service):
    return [(action.reason, action.state) for action in service.actions()]


def test_who_must_give_a_password_is_still_asked_to_renew_a_consent_that_ends_soon(service, upstream, clock):
    item_id = with_a_consent_that_ends_soon(service, upstream, clock)

    upstream.update(item_id, {"user": "user-bad", "password": "wrong"})
    service.catch_up()

    assert reasons(service) == [("CONSENT_EXPIRING", "open"), ("INVALID_CREDENTIALS", "open")]
