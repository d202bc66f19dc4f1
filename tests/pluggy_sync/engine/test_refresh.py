"""Refreshing an Item: what Pluggy refuses, and many requests at once. More in the tests of `/v1/items/{id}/refresh`."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from pluggy_sync.engine import refresh as refreshing
from pluggy_sync.engine.errors import CannotActError
from pluggy_sync.engine.refresh import Result
from pluggy_sync.pluggy.errors import PluggyUnavailableError
from pluggy_sync.store.tables import inbox
from tests.kit.factories import API_TOKEN
from tests.kit.scripted_server import Reply

AUTHORIZED = {"Authorization": f"Bearer {API_TOKEN}"}


@pytest.fixture
def settings(behind_proxy):
    return behind_proxy


@pytest.fixture
def item_id(service, upstream):
    connected = upstream.connect()
    service.catch_up()
    upstream.later(days=1)
    return connected


def patches(proxy):
    return len([asked for asked in proxy.asked if asked.method == "PATCH"])


def refuse(proxy, status, body):
    proxy.before = lambda asked: Reply(body, status) if asked.method == "PATCH" else None


def refreshed(service, item_id):
    return service.web.post(f"/v1/items/{item_id}/refresh", headers=AUTHORIZED)


@pytest.mark.parametrize(
    "status, body, pluggy_code",
    [
        (409, {"codeDescription": "ITEM_IN_ERROR_COOLDOWN"}, "ITEM_IN_ERROR_COOLDOWN"),
        (409, {"codeDescription": "SOMETHING_NEW"}, "SOMETHING_NEW"),
        (409, {"message": "user-42 must wait"}, None),
        (400, {"codeDescription": "SOMETHING_NEW"}, "SOMETHING_NEW"),
        (400, {"message": "MeuPluggy cannot be updated"}, None),
        (400, {"codeDescription": "the password hunter2 is wrong"}, None),
        (409, {}, None),
    ],
)
def test_a_refusal_that_is_not_known_is_not_now_with_pluggys_word_and_no_time(
    service, proxy, item_id, status, body, pluggy_code
):
    refuse(proxy, status, body)

    answer = refreshed(service, item_id)

    problem = answer.get_json()
    assert (answer.status_code, problem["code"], problem["retryAt"]) == (409, "not-now", None)
    assert problem.get("pluggyCode") == pluggy_code
    assert "hunter2" not in answer.get_data(as_text=True)
    assert "user-42" not in answer.get_data(as_text=True)


def test_the_time_to_try_again_is_passed_on_where_pluggy_gives_one(service, proxy, item_id):
    refuse(proxy, 409, {"codeDescription": "SOMETHING_NEW", "data": {"canRetryAfterDate": "2030-01-01T00:00:00.000Z"}})

    assert refreshed(service, item_id).get_json()["retryAt"] == "2030-01-01T00:00:00.000Z"


@pytest.mark.parametrize("code", ["TOO_MANY_CONSECUTIVE_ERRORS", "CLIENT_HAS_ITEM_UPDATES_DISABLED"])
def test_a_refusal_that_is_known_keeps_its_name(service, proxy, item_id, code):
    refuse(proxy, 400, {"codeDescription": code})

    assert refreshed(service, item_id).get_json()["code"] in ("too-many-errors", "updates-not-allowed")


@pytest.mark.parametrize(
    "body",
    [
        {"codeDescription": "ITEM_ALREADY_UPDATING"},
        {"message": "An update is already in progress, wait until the last execution ends"},
    ],
)
def test_an_update_that_goes_on_already_is_running_also_without_a_code(service, proxy, item_id, body):
    refuse(proxy, 400, body)

    answer = refreshed(service, item_id)

    assert (answer.status_code, answer.get_json()["result"]) == (202, "running")


def test_a_hundred_requests_at_once_are_one_update(service, proxy, item_id):
    held = threading.Event()

    def before(asked):
        if asked.method == "PATCH":
            # Until all others have asked.
            assert held.wait(60)

    proxy.before = before
    answered = []

    def refresh(_):
        result = refreshing.refresh(service.res, item_id).result
        answered.append(result)
        if len(answered) == 99:
            held.set()
        return result

    with ThreadPoolExecutor(100) as threads:
        results = list(threads.map(refresh, range(100)))

    assert patches(proxy) == 1
    assert sorted(results) == [Result.RUNNING] * 99 + [Result.STARTED]


def test_after_an_update_was_refused_or_not_answered_the_next_request_asks_again(service, proxy, item_id):
    refuse(proxy, 409, {"codeDescription": "SOMETHING_NEW"})
    for _ in range(2):
        with pytest.raises(CannotActError):
            refreshing.refresh(service.res, item_id)
    refuse(proxy, 503, {})
    with pytest.raises(PluggyUnavailableError):
        refreshing.refresh(service.res, item_id)
    proxy.before = None

    assert refreshing.refresh(service.res, item_id).result is Result.STARTED
    assert patches(proxy) == 4


def test_a_claim_of_a_process_that_died_ends(service, proxy, item_id, clock):
    with service.res.database.begin() as conn:
        conn.exec_driver_sql("UPDATE items SET refresh_until = %s", (clock() + refreshing.CLAIM,))
    assert refreshing.refresh(service.res, item_id).result is Result.RUNNING
    assert patches(proxy) == 0

    clock.advance(seconds=refreshing.CLAIM.total_seconds() + 1)

    assert refreshing.refresh(service.res, item_id).result is Result.STARTED


def test_an_update_that_was_not_answered_may_have_begun_and_is_followed(service, upstream, proxy, item_id):
    def before(asked):
        if asked.method == "PATCH":
            # Pluggy takes it, and its answer is lost.
            upstream.sandbox.api("PATCH", asked.path, {})
            return Reply({}, 502)
        return None

    proxy.before = before
    with pytest.raises(PluggyUnavailableError):
        refreshing.refresh(service.res, item_id)

    assert service.rows(inbox, inbox.c.state == "stored")
    service.work_until_quiet()
    assert service.item(item_id).status == "UPDATED"
    service.assert_mirrors(item_id)


def test_a_bank_that_was_shown_as_offline_and_is_back_can_be_updated(service, upstream, proxy, item_id):
    """The Item as stored still shows its connector as it was."""
    upstream.connector_health(2, "OFFLINE")
    upstream.run(item_id)
    service.catch_up()
    assert refreshed(service, item_id).get_json()["code"] == "bank-offline"
    assert patches(proxy) == 0
    assert service.item(item_id).raw["connector"]["health"]["status"] == "OFFLINE"
    upstream.connector_health(2, "ONLINE")
    upstream.later(days=1)
    service.deliver(*[each for each in upstream.take_events() if each["event"].startswith("connector/")])
    service.work()

    assert refreshed(service, item_id).status_code == 202


def test_an_update_that_was_started_shows_at_once_and_its_end_is_looked_for(service, upstream, proxy, item_id):
    upstream.settings(runSeconds=30.0)

    assert refreshing.refresh(service.res, item_id).result is Result.STARTED

    assert service.item(item_id).status == "UPDATING"
    assert [row.payload["why"] for row in service.rows(inbox, inbox.c.state == "stored")] == ["an update was started"]
    upstream.settings(runSeconds=0.0)


def test_who_must_act_is_asked_for_what_the_item_needs_by_now(service, upstream, proxy, item_id):
    """Its last execution failed, and its event has not come yet."""
    upstream.update(item_id, {"user": "user-bad", "password": "wrong"})
    refuse(proxy, 400, {"codeDescription": "LAST_EXECUTION_HAD_LOGIN_ERROR"})

    answer = refreshed(service, item_id)

    assert (answer.status_code, answer.get_json()["code"]) == (409, "action-required")
    assert answer.get_json()["action"]["reason"] == "INVALID_CREDENTIALS"
    assert [action.reason for action in service.actions()] == ["INVALID_CREDENTIALS"]
