"""Signs that Pluggy's API changes are counted, told once, and over a week after they were last seen."""

from contextlib import contextmanager

import pytest

from pluggy_sync.engine import watchdog
from pluggy_sync.rules.alerts import SignOfChange
from pluggy_sync.rules.novelties import Known
from pluggy_sync.store import alerts
from tests.kit.interception import Given, changed, edited

KNOWN = Known(fields=frozenset({"id"}), values={})


def signs(service):
    return [(each.endpoint, each.sign, each.what) for each in service.res.radar.signs(service.res.now())]


def with_headers(**headers):
    def change(given):
        for name, value in headers.items():
            given.answer.headers[name] = value

    return change


@contextmanager
def answered(service, path, change):
    """Let *change* change each answer of *path* before anybody has seen it."""

    def hook(answer):
        if answer.path == path:
            change(Given(answer, {}))

    hooks = service.res.pluggy.hooks.answered
    hooks.insert(0, hook)
    try:
        yield
    finally:
        hooks.remove(hook)


def open_alerts(service):
    with service.res.database.begin() as conn:
        return [(each.code, each.subject) for each in alerts.open_(conn)]


def test_all_that_the_local_pluggy_sends_is_known(service):
    for connector, user in ((2, "user-ok"), (201, "user-ok"), (5, "user-locked")):
        service.upstream.connect(user, connector=connector, products=None)
    item_id = service.upstream.connect("none", connector=600, parameters={"cpf": "761.092.776-73"}, products=None)
    service.upstream.approve(item_id)
    service.catch_up()

    assert signs(service) == []


def test_a_new_field_and_a_new_value_are_named_and_nothing_is_refused(service):
    def edit(body):
        for row in body["results"]:
            row["ispb"] = "60701190"
            row["subtype"] = "PREPAID_ACCOUNT"

    item_id = service.upstream.connect("user-ok")
    with changed(service.res, "/accounts", edited(edit)):
        service.catch_up()

    assert set(signs(service)) == {
        ("GET /accounts", "unknown_field", "ispb"),
        ("GET /accounts", "unknown_value", "subtype=PREPAID_ACCOUNT"),
    }
    assert service.item(item_id).first_synced_at is not None


def test_what_a_bank_writes_is_never_named(service):
    def edit(body):
        body["results"][0]["Ana Souza, 761.092.776-73"] = 1
        body["results"][0]["type"] = "saldo da Ana"

    service.upstream.connect("user-ok")
    with changed(service.res, "/v2/transactions", edited(edit)):
        service.catch_up()

    assert {what for _, _, what in signs(service)} == {"(not a plain name)", "type=(not a plain name)"}


def test_an_endpoint_that_announces_its_end_is_told_once_by_its_headers(service):
    service.upstream.connect("user-ok", products=["ACCOUNTS", "IDENTITY"])
    with answered(service, "/identity", with_headers(deprecation="true", sunset="Thu, 31 Dec 2026 23:59:59 GMT")):
        service.catch_up()

    assert signs(service) == [
        ("GET /identity", "deprecation", "true"),
        ("GET /identity", "sunset", "Thu, 31 Dec 2026 23:59:59 GMT"),
    ]
    watchdog.watch(service.res)
    watchdog.watch(service.res)
    assert open_alerts(service) == [("pluggy_changes", "GET /identity")]
    assert service.notifications().count("system.alert") == 1


def test_an_endpoint_that_is_gone_is_told_and_over_after_a_week(service, clock):
    def gone(given):
        given.set(status=410, content=b'{"code": 410}')

    service.upstream.connect("user-ok", products=["ACCOUNTS", "TRANSACTIONS", "LOANS"])
    with answered(service, "/loans", gone):
        service.deliver(*service.upstream.take_events())
        service.work()
    assert signs(service) == [("GET /loans", "gone", "")]

    clock.advance(days=8)

    assert signs(service) == []
    assert service.res.radar.signs(clock()) == []


@pytest.mark.parametrize("times", [1, 5])
def test_a_sign_is_written_once_however_often_it_is_seen(service, times):
    for number in range(times):
        service.res.radar.look_at("GET /accounts", {"new": number}, KNOWN)

    assert service.res.radar.signs(service.res.now()) == [
        SignOfChange(endpoint="GET /accounts", sign="unknown_field", what="new")
    ]
