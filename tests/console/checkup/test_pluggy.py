"""Whether Pluggy knows us and reaches us: each check is seen to pass and to fail, against a local Pluggy."""

import dataclasses
import json
from contextlib import closing
from datetime import timedelta

import pytest
from werkzeug.serving import make_server

from console.checkup import pluggy
from pluggy_sync import events, rejections
from pluggy_sync.pluggy.client import create_client
from pluggy_sync.rules.alerts import REJECTED_AT_LEAST
from pluggy_sync.rules.webhooks import FaultKind
from pluggy_sync.store import inbox
from pluggy_sync.store.database import create_engine
from standalone.http_server import running_server
from tests.kit.factories import WEBHOOK_SECRET, an_event, an_id
from tests.kit.proxy import running_proxy
from tests.kit.scripted_server import Reply, scripted_server

URL = "https://sync.example.com/webhooks/pluggy"


@pytest.fixture
def res(with_settings):
    return with_settings(public_url="https://sync.example.com")


def test_credentials_that_are_taken_refused_or_not_answered_are_told_apart(said, res, upstream):
    assert said(pluggy.sign_in, res)["Pluggy sign-in"][0] == "pass"

    upstream.fail({"endpoint": "POST /auth", "do": "status", "status": 403})
    assert said(pluggy.sign_in, res)["Pluggy sign-in"] == ("problem", "refuses our client id and secret")

    upstream.fail({"endpoint": "POST /auth", "do": "status", "status": 503})
    assert said(pluggy.sign_in, res)["Pluggy sign-in"] == ("problem", "no answer: 503 for POST /auth")


@pytest.mark.parametrize(
    "ahead, verdict", [(timedelta(0), "pass"), (timedelta(seconds=10), "heads-up"), (timedelta(minutes=2), "problem")]
)
def test_a_clock_that_is_wrong_is_said(said, res, clock, ahead, verdict):
    clock.advance(seconds=ahead.total_seconds())

    assert said(pluggy.clock, res)["Clock"][0] == verdict


@pytest.fixture
def webhook(upstream):
    """Register a webhook at Pluggy."""

    def webhook(url=URL, event="all", headers=None, **more):
        headers = {"X-Webhook-Secret": WEBHOOK_SECRET} if headers is None else headers
        made = upstream.sandbox.api("POST", "/webhooks", {"url": url, "event": event, "headers": headers})
        if more:
            upstream.sandbox.api("PATCH", f"/webhooks/{made['id']}", more)

    return webhook


def test_a_webhook_as_it_should_be_passes_in_each_respect(said, res, webhook):
    webhook()

    found = said(pluggy.webhook, res)

    assert set(found) == set(pluggy.ABOUT_WEBHOOK.values())
    assert {verdict for verdict, _ in found.values()} == {"pass"}


@pytest.mark.parametrize(
    "registered, about, verdict",
    [
        ([], "Webhook exists", "problem"),
        ([{"url": "https://old.example.com/webhooks/pluggy"}], "Webhook exists", "problem"),
        ([{"enabled": False}], "Webhook is on", "problem"),
        ([{"event": "item/updated"}], "Webhook events", "problem"),
        ([{"headers": {}}], "Webhook secret header", "problem"),
        ([{}, {"event": "item/updated"}], "Webhook is the only one", "heads-up"),
    ],
)
def test_each_fault_of_the_webhook_is_seen(said, res, webhook, registered, about, verdict):
    for each in registered:
        webhook(**each)

    assert said(pluggy.webhook, res)[about][0] == verdict


@pytest.fixture
def hiding(res, upstream):
    """A service that sees Pluggy through a proxy which shows no headers of webhooks."""

    def without(asked, body):
        if asked.path == "/webhooks":
            return {**body, "results": [{**each, "headers": None} for each in body["results"]]}
        return None

    with running_proxy(res.settings.pluggy_api_url) as proxy:
        proxy.change = without
        settings = dataclasses.replace(res.settings, pluggy_api_url=proxy.url)
        with closing(create_client(settings, res.redis)) as client:
            yield dataclasses.replace(res, settings=settings, pluggy=client)


def test_a_secret_that_pluggy_does_not_show_is_judged_by_what_came(said, hiding, webhook):
    about = pluggy.ABOUT_WEBHOOK[FaultKind.SECRET]
    webhook()
    before = said(pluggy.webhook, hiding)[about]
    with hiding.database.begin() as conn:
        inbox.record(conn, events.of_payload(an_event("item/updated", itemId=an_id())), received_at=hiding.now())
    taken = said(pluggy.webhook, hiding)[about]
    for _ in range(REJECTED_AT_LEAST):
        rejections.count(hiding, why=rejections.WRONG, address="10.0.0.9")
    refused = said(pluggy.webhook, hiding)[about]

    assert before == ("not seen", "Pluggy does not show it, and no delivery with it is stored")
    assert (taken[0], "the last delivery with it came" in taken[1]) == ("pass", True)
    assert (refused[0], "5 from 10.0.0.9 with a wrong secret" in refused[1]) == ("problem", True)


def test_a_clock_is_compared_with_pluggys_while_postgres_is_away(said, res):
    away = dataclasses.replace(res, database=create_engine("postgresql://127.0.0.1:1/none"))

    assert said(pluggy.clock, away)["Clock"] == ("pass", "agrees with Pluggy's")


def test_a_pluggy_that_does_not_answer_hides_the_webhook(said, res, upstream):
    upstream.fail({"endpoint": "GET /webhooks", "do": "status", "status": 503})

    assert said(pluggy.webhook, res)["about"][0] == "not seen"


ABOUT = "PUBLIC_URL reaches us"


def test_a_public_url_that_leads_nowhere_is_a_problem(said, with_settings):
    assert said(pluggy.reached, with_settings(public_url="https://127.0.0.1:1"))[ABOUT][0] == "problem"


@pytest.mark.parametrize(
    "health, ready, verdict",
    [
        ((200, {"status": "ok"}), (200, {"status": "ok", "postgres": True, "redis": True}), "pass"),
        ((200, {"status": "ok"}), (503, {"status": "unavailable", "postgres": False, "redis": True}), "problem"),
        ((200, {"status": "ok"}), (404, {}), "problem"),
        ((404, {"message": "somebody else"}), (404, {}), "problem"),
        ((200, "<html>"), (200, "<html>"), "problem"),
    ],
)
def test_who_answers_at_the_public_url_is_told_from_us(said, with_settings, health, ready, verdict):
    answers = {"/health": health, "/ready": ready}

    with scripted_server(lambda asked: Reply(status=answers[asked.path][0], body=answers[asked.path][1])) as server:
        found = said(pluggy.reached, with_settings(public_url=server.url))

    assert found[ABOUT][0] == verdict


def test_our_own_web_process_is_known_as_ours(said, with_settings, web):
    with running_server(make_server("127.0.0.1", 0, web.application)) as address:
        found = said(pluggy.reached, with_settings(public_url=address))

    assert found[ABOUT][0] == "pass"


def test_a_public_url_without_https_is_a_heads_up(said, with_settings):
    found = list(pluggy.reached(with_settings(public_url="http://127.0.0.1:1")))

    assert [each.verdict.value for each in found] == ["heads-up", "problem"]


def test_a_budget_that_is_used_up_is_said(said, res):
    assert said(pluggy.budget, res)["Budget of requests"][0] == "pass"

    res.pluggy.budget.pause("GET /items/{id}", 60)

    assert said(pluggy.budget, res)["Budget of requests"][0] == "not seen"


def test_nothing_of_it_shows_a_secret(res, webhook):
    webhook()
    webhook(event="item/updated")

    shown = [each for check in (pluggy.sign_in, pluggy.webhook) for each in check(res)]

    assert WEBHOOK_SECRET not in json.dumps([repr(each) for each in shown])
