"""Settling an action while other things happen: what the API's tests cannot show."""

import threading
from typing import Any

import pytest
import sqlalchemy as sa

from pluggy_sync.engine import executions, submissions
from pluggy_sync.engine.errors import CannotActError
from pluggy_sync.pluggy.client import PluggyClient
from pluggy_sync.pluggy.errors import PluggyRefusedError
from pluggy_sync.store import tables
from tests.kit.service import Service

GOOD = {"user": "user-ok", "password": "password-ok"}
BAD = {"user": "user-bad", "password": "wrong-again"}


def a_login_error(service: Service) -> tuple[str, str]:
    """Return the ids of an Item that needs credentials, and of its action."""
    item_id = service.upstream.connect("user-bad")
    service.catch_up()
    return item_id, service.actions()[0].id


def deliver_and_work(service: Service) -> None:
    service.deliver(*service.upstream.take_events())
    service.work()


def meanwhile(monkeypatch: pytest.MonkeyPatch, *, before: Any = None, after: Any = None) -> None:
    """Let things happen just before Pluggy is asked, or between its answer and our writing it down."""
    real = PluggyClient.update_item

    def update_item(*args: Any) -> Any:
        if before is not None:
            before()
        item = real(*args)
        if after is not None:
            after()
        return item

    monkeypatch.setattr(PluggyClient, "update_item", update_item)


def test_a_late_event_of_the_old_failure_does_not_end_an_answer_under_way(service: Service, monkeypatch):
    item_id, action_id = a_login_error(service)

    def late_event() -> None:
        service.deliver({"event": "item/error", "eventId": "late", "itemId": item_id})
        service.work()

    meanwhile(monkeypatch, before=late_event)
    submissions.give_credentials(service.res, action_id, GOOD)

    assert [action.state for action in service.actions()] == ["submitted"]
    deliver_and_work(service)
    assert [action.state for action in service.actions()] == ["resolved"]
    assert service.notifications().count("item.action_required") == 1


def test_a_run_that_failed_before_its_start_was_written_down_is_a_new_need(service: Service, monkeypatch):
    _, action_id = a_login_error(service)

    meanwhile(monkeypatch, after=lambda: deliver_and_work(service))
    submissions.give_credentials(service.res, action_id, BAD)
    service.work()

    assert [action.state for action in service.actions()] == ["superseded", "open"]
    assert service.notifications().count("item.action_required") == 2


def test_a_run_that_ended_well_before_its_start_was_written_down_stays_resolved(service: Service, monkeypatch):
    item_id, action_id = a_login_error(service)

    meanwhile(monkeypatch, after=lambda: deliver_and_work(service))
    submissions.give_credentials(service.res, action_id, GOOD)
    service.work_until_quiet()

    assert [action.state for action in service.actions()] == ["resolved"]
    assert service.item(item_id).status == "UPDATED"
    service.assert_mirrors(item_id)


def test_of_many_answers_at_once_one_reaches_the_bank(service: Service):
    _, action_id = a_login_error(service)
    together = threading.Barrier(4)
    refused: list[str] = []

    def answer() -> None:
        together.wait()
        try:
            submissions.give_credentials(service.res, action_id, GOOD)
        except CannotActError as exc:
            refused.append(exc.code)

    threads = [threading.Thread(target=answer) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert refused == ["action-submitted"] * 3
    assert len(service.rows(tables.submissions)) == 1


def test_a_bank_that_fails_after_the_answer_is_not_the_persons_affair(service: Service):
    _, action_id = a_login_error(service)

    submissions.give_credentials(service.res, action_id, {"user": "user-unavailable", "password": "password-ok"})
    deliver_and_work(service)

    (action,) = service.actions()
    assert (action.state, action.outcome) == ("resolved", "SITE_NOT_AVAILABLE")


def test_an_item_that_was_deleted_meanwhile_takes_no_answer(service: Service):
    item_id, action_id = a_login_error(service)
    service.upstream.delete(item_id)

    with pytest.raises(CannotActError) as refused:
        submissions.give_credentials(service.res, action_id, GOOD)

    assert refused.value.code == "item-gone-at-pluggy"


@pytest.mark.parametrize(
    "fault", [ValueError, TypeError, KeyError, UnicodeEncodeError("utf-8", "x", 0, 1, "x"), MemoryError, RecursionError]
)
def test_whatever_goes_wrong_while_pluggy_is_asked_the_action_is_open_again(service: Service, monkeypatch, fault):
    _, action_id = a_login_error(service)

    def broken(*_: Any) -> Any:
        raise fault

    monkeypatch.setattr(PluggyClient, "update_item", broken)
    with pytest.raises(fault if isinstance(fault, type) else type(fault)):
        submissions.give_credentials(service.res, action_id, GOOD)

    assert service.actions()[0].state == "open"
    assert [row.outcome for row in service.rows(tables.submissions)] == ["failed"]
    monkeypatch.undo()
    submissions.give_credentials(service.res, action_id, GOOD)
    deliver_and_work(service)
    assert service.actions()[0].state == "resolved"


def test_what_pluggy_accepted_stays_submitted_though_we_fail_to_write_its_start(service: Service, monkeypatch):
    _, action_id = a_login_error(service)

    def broken(*_: Any, **__: Any) -> Any:
        raise ValueError

    monkeypatch.setattr(executions.items, "save", broken)
    submissions.give_credentials(service.res, action_id, GOOD)

    assert service.actions()[0].state == "submitted"
    monkeypatch.undo()
    deliver_and_work(service)
    assert service.actions()[0].state == "resolved"


HALF = "p\ud83d"


@pytest.mark.parametrize("given", [{"user": HALF}, {HALF: "x"}, {"user": "a", "password": HALF}, HALF])
def test_credentials_that_cannot_be_sent_are_refused_and_the_action_stays_open(service: Service, given):
    _, action_id = a_login_error(service)

    with pytest.raises(CannotActError) as refused:
        submissions.give_credentials(service.res, action_id, given)

    assert refused.value.code == "invalid-parameters"
    assert service.actions()[0].state == "open"
    assert service.rows(tables.submissions) == []


def asked_for_a_code(service: Service, **parameter: Any) -> str:
    """Return the id of an action that asks for a code, with changes to what the bank's form says."""
    service.upstream.connect(connector=5)
    service.deliver(*service.upstream.take_events())
    service.work()
    (action,) = service.actions()
    changed = {**action.parameter, **parameter}
    with service.res.database.begin() as conn:
        conn.execute(sa.update(tables.user_actions).values(parameter=changed))
    return action.id


@pytest.mark.parametrize(
    "parameter",
    [
        {"options": ["a", None, 7]},
        {"options": "abc"},
        {"validation": "["},
        {"validation": 7},
        {"validation": "(?=x)y"},
        {"validation": r"^(\d+)*$"},
    ],
    ids=str,
)
def test_an_odd_form_of_the_bank_does_not_keep_an_answer_away(service: Service, parameter):
    action_id = asked_for_a_code(service, **parameter)

    submissions.answer_mfa(service.res, action_id, "123456")

    assert service.actions()[0].state == "submitted"


@pytest.mark.parametrize("name", [None, "", 7, HALF])
def test_a_question_without_a_name_is_not_asked_of_pluggy(service: Service, name):
    action_id = asked_for_a_code(service)
    with service.res.database.begin() as conn:
        parameter = {} if name == HALF else {"name": name}
        conn.execute(sa.update(tables.user_actions).values(parameter=parameter))

    with pytest.raises(CannotActError) as refused:
        submissions.answer_mfa(service.res, action_id, "123456")

    assert refused.value.code == "nothing-asked"
    assert service.actions()[0].state == "open"


def test_the_banks_own_words_say_what_form_it_wants(service: Service):
    action_id = asked_for_a_code(service, validation="^[0-9]{6}$", validationMessage="São seis números.")

    with pytest.raises(CannotActError) as refused:
        submissions.answer_mfa(service.res, action_id, "12")

    assert (refused.value.code, refused.value.detail) == ("invalid-value", "São seis números.")


def test_the_word_of_the_widget_is_a_submission_and_believed_once(service: Service):
    _, action_id = a_login_error(service)

    action = submissions.told_by_widget(service.res, action_id)

    assert action.state == "submitted"
    assert [(row.what, row.outcome) for row in service.rows(tables.submissions)] == [("widget", "accepted")]
    with pytest.raises(CannotActError) as refused:
        submissions.told_by_widget(service.res, action_id)
    assert refused.value.code == "action-submitted"


@pytest.mark.parametrize(
    "details, more",
    [
        (
            [{"field": "user", "message": "Wrong."}],
            {"errors": [{"where": "json", "field": "parameters.user", "message": "Wrong."}]},
        ),
        ("odd", {}),
    ],
)
def test_what_pluggy_finds_wrong_with_each_value_is_passed_on_where_it_is_a_list(
    service: Service, monkeypatch, details, more
):
    _, action_id = a_login_error(service)

    def refuses(*_: Any) -> Any:
        raise PluggyRefusedError("refused", status=400, code="CONNECTOR_VALIDATION_ERROR", data={"details": details})

    monkeypatch.setattr(PluggyClient, "update_item", refuses)
    with pytest.raises(CannotActError) as refused:
        submissions.give_credentials(service.res, action_id, GOOD)

    assert refused.value.code == "invalid-parameters"
    assert refused.value.more == {"pluggyCode": "CONNECTOR_VALIDATION_ERROR", **more}
