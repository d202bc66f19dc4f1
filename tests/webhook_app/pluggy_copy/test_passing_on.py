"""Connect tokens, updates and MFA values reach Pluggy as they came, and its answers come back as they are."""

import pytest

from pluggy_sync.engine import erasure, passing_on
from pluggy_sync.store import erased
from tests.kit.factories import an_id
from tests.kit.workers import run_queued


def refused(answer):
    """Without what differs from one refusal to the next."""
    return answer.status_code, {name: value for name, value in answer.json().items() if name != "errorId"}


def test_a_connect_token_opens_pluggys_widget_for_its_item(copy, service, sandbox):
    item_id = service.upstream.connect()

    token = copy.post("/connect_token", json={"itemId": item_id, "options": {"clientUserId": "user-7"}}).json()

    shown = copy.get(f"{sandbox.url}/items/{item_id}", headers={"X-API-KEY": token["accessToken"]})
    assert shown.status_code == 200


def test_an_update_starts_and_is_followed(copy, service):
    item_id = service.upstream.connect()
    service.catch_up()
    service.upstream.evolve(item_id, "add")

    started = copy.patch(f"/items/{item_id}", json={})

    assert (started.status_code, started.json()["status"]) == (200, "UPDATING")
    assert copy.get(f"/items/{item_id}").json()["status"] == "UPDATING"
    service.catch_up()
    assert copy.get(f"/items/{item_id}").json()["status"] == "UPDATED"
    service.assert_mirrors(item_id)


def test_if_no_event_tells_of_the_end_the_item_is_fetched(copy, service, clock):
    item_id = service.upstream.connect()
    service.catch_up()

    copy.patch(f"/items/{item_id}", json={})
    service.upstream.sandbox.settle()
    clock.advance(minutes=3)
    service.work_until_quiet()

    assert copy.get(f"/items/{item_id}").json()["status"] == "UPDATED"


def test_a_code_is_passed_on_and_resolves_the_action(copy, service):
    item_id = service.upstream.connect(connector=5)
    service.catch_up()
    (asked,) = service.actions()

    answered = copy.post(f"/items/{item_id}/mfa", json={"token": "123456"})
    service.catch_up()

    assert answered.status_code == 200
    assert copy.get(f"/items/{item_id}").json()["status"] == "UPDATED"
    (resolved,) = service.actions()
    assert (asked.state, resolved.state) == ("open", "resolved")


@pytest.mark.parametrize(
    "ask",
    [
        lambda client, item_id: client.patch(f"/items/{item_id}", json={"parameters": 7}),
        lambda client, item_id: client.post(f"/items/{item_id}/mfa", json={"token": "123456"}),
        lambda client, item_id: client.patch(f"/items/{an_id()}", json={}),
        lambda client, item_id: client.post("/connect_token", json={"itemId": an_id()}),
        lambda client, item_id: client.post("/connect_token", json={"options": 7}),
    ],
)
def test_a_refusal_comes_back_as_pluggy_wrote_it(copy, pluggy, service, ask):
    item_id = service.upstream.connect()
    service.catch_up()

    passed = refused(ask(copy, item_id))

    # An id that is new each time is in no refusal.
    assert passed == refused(ask(pluggy, item_id))
    assert passed[0] in (400, 404)


def test_a_refused_update_of_an_unknown_item_makes_none(copy, service):
    unknown = an_id()

    copy.patch(f"/items/{unknown}", json={})
    service.work_until_quiet()

    assert copy.get(f"/items/{unknown}").status_code == 404
    assert service.events() == []


def test_an_update_that_pluggy_does_not_answer_is_503_and_the_item_is_fetched(copy, service):
    item_id = service.upstream.connect()
    service.catch_up()
    before = len(service.events())
    service.upstream.fail({"endpoint": "PATCH /items/{id}", "do": "status", "status": 500})

    answer = copy.patch(f"/items/{item_id}", json={})

    assert answer.status_code == 503
    assert answer.json()["code"] == 503
    assert [event.payload["why"] for event in service.events()[before:]] == [passing_on.UNANSWERED]


def test_pluggys_limit_holds_here_too(copy, service):
    item_id = service.upstream.connect()
    service.catch_up()
    service.upstream.fail({"endpoint": "PATCH /items/{id}", "do": "status", "status": 429})

    answers = [copy.patch(f"/items/{item_id}", json={}) for _ in range(2)]

    for answer in answers:
        assert answer.status_code == 429
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.json()["code"] == 429


def test_a_person_comes_back_by_a_token_that_is_asked_for_after_the_erasure(copy, service):
    erasure.request(service.res, "user-gone")
    run_queued(service.res)

    token = copy.post("/connect_token", json={"options": {"clientUserId": "user-gone"}})

    assert token.status_code == 200
    with service.res.database.begin() as conn:
        assert erased.erasure_of_user(conn, "user-gone") is None


def test_the_id_of_a_person_who_is_being_erased_is_given_to_nobody(copy, service):
    item_id = service.upstream.connect()
    service.catch_up()
    erasure.request(service.res, "user-gone")

    token = copy.post("/connect_token", json={"options": {"clientUserId": "user-gone"}})
    renamed = copy.patch(f"/items/{item_id}", json={"clientUserId": "user-gone"})

    for answer in (token, renamed):
        assert (answer.status_code, answer.json()["codeDescription"]) == (409, "USER_ERASED")
    assert service.upstream.item(item_id)["clientUserId"] == "user-42"
    assert copy.post("/connect_token", json={"options": {"clientUserId": "user-42"}}).status_code == 200
