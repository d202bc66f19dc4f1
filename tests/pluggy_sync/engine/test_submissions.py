"""Settling an action while other things happen: what the API's tests cannot show."""

import threading
from typing import Any

import pytest

from pluggy_sync.engine import submissions
from pluggy_sync.engine.submissions import CannotActError
from pluggy_sync.pluggy.client import PluggyClient
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
