"""`pluggy-sync endpoints` and sending again, on real Postgres and with a real receiver."""

import dataclasses
import json

import pytest
from click.testing import CliRunner

from console.cli import exits, main
from pluggy_sync.notifications import messages
from pluggy_sync.settings import read_settings
from pluggy_sync.store import deliveries, endpoints, tables
from tests.kit.factories import an_environ
from tests.kit.product import running_product
from tests.kit.workers import run_queued


@pytest.fixture
def environ(service):
    settings = service.res.settings
    return an_environ(
        DATABASE_URL=settings.database_url,
        REDIS_URL=settings.redis_url,
        PLUGGY_API_URL=settings.pluggy_api_url,
        ENDPOINT_ALLOWED_NETWORKS="127.0.0.0/8",
    )


@pytest.fixture
def res(service, environ):
    return dataclasses.replace(service.res, settings=read_settings(environ))


@pytest.fixture
def call(environ, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*arguments, fails=False, text=None):
        result = CliRunner().invoke(main, ["endpoints", *arguments], env=environ, input=text)
        assert (result.exit_code != 0) == fails, result.output
        return result.output

    return run


@pytest.fixture
def receiver():
    with running_product() as running:
        yield running


def test_an_endpoint_is_made_tried_listed_and_its_attempts_show_how_the_answer_begins(call, receiver, res, clock):
    receiver.answer = lambda request: request.respond(500, body=b"[bold]we are [/closed] today")
    endpoint_id, secret = call("create", receiver.url, "--description", "ours").split()

    notification_id = call("ping", endpoint_id).strip()
    # The command goes by the real clock, and this test's stands still.
    clock.advance(minutes=10)
    run_queued(res)

    assert receiver.got_ids == [notification_id]
    attempts = call("attempts", endpoint_id)
    assert "500" in attempts
    assert "[bold]we are [/closed] today" in attempts
    listed = call()
    assert endpoint_id in listed
    assert "failing" in listed
    assert secret not in listed
    shown = {each["id"]: each for each in json.loads(call("--json"))}
    assert shown[endpoint_id]["pending"] == 1
    assert shown[endpoints.ENVIRONMENT]["state"] == "unset"


def test_an_endpoint_is_changed_resumed_recovered_rotated_and_deleted(call, receiver, res):
    endpoint_id, _ = call("create", receiver.url).split()
    call("change", endpoint_id, "--type", "item.synced", "--disable")
    with res.database.begin() as conn:
        found = endpoints.get(conn, endpoint_id)
        endpoints.stop(conn, endpoint_id, endpoints.GONE, now=res.now())
    assert (found.types, found.enabled) == (["item.synced"], False)

    call("change", endpoint_id, "--type", "all", "--enable")
    call("resume", endpoint_id)
    assert "0 due" in call("recover", endpoint_id, "--since", "2026-01-01")
    assert call("rotate-secret", endpoint_id).startswith("whsec_")
    with res.database.begin() as conn:
        found = endpoints.get(conn, endpoint_id)
    assert (found.types, found.state) == (None, "working")
    with res.begin() as tx:
        messages.connector_status_changed(tx, 2, "Pluggy Bank", "OFFLINE", now=res.now())
    assert "1 notification that wait for it are dropped" in call("delete", endpoint_id, text="n\n", fails=True)
    call("delete", endpoint_id, "--yes")

    for command in (["ping"], ["resume"], ["attempts"], ["rotate-secret"], ["recover", "--since", "2026-01-01"]):
        assert "No such endpoint" in call(command[0], endpoint_id, *command[1:], fails=True)


def test_what_an_endpoint_did_not_get_is_counted_and_asked_about_before_it_is_sent(call, receiver, res):
    with res.begin() as tx:
        for _ in range(2):
            messages.connector_status_changed(tx, 2, "Pluggy Bank", "OFFLINE", now=res.now())
    endpoint_id, _ = call("create", receiver.url).split()
    recover = ("recover", endpoint_id, "--since", "2026-01-01")

    refused = call(*recover, text="n\n", fails=True)
    with res.database.begin() as conn:
        waiting = deliveries.pending_by_endpoint(conn).get(endpoint_id, 0)
    done = call(*recover, text="y\n")

    assert "2 notifications since 2026-01-01 00:00:00Z that it did not get. Send them?" in refused
    assert waiting == 0
    assert "2 due" in done
    assert "2 notifications" in call("resume", endpoint_id)


def test_what_cannot_be_an_endpoint_is_said(call):
    assert "not public" in call("create", "https://10.0.0.1/", fails=True)
    assert "settings" in call("delete", endpoints.ENVIRONMENT, "--yes", fails=True)
    assert "no moment" in call("recover", "ep_x", "--since", "yesterday", fails=True)


def test_dead_notifications_of_a_time_are_sent_again_and_others_are_not(call, environ, service, upstream):
    upstream.connect()
    service.catch_up()
    (waiting,) = service.rows(tables.deliveries)
    since = (waiting.created_at.replace(microsecond=0)).isoformat()

    def resend(*arguments, text=None):
        return CliRunner().invoke(main, ["notifications", "resend", *arguments], env=environ, input=text)

    assert "0 due" in resend("--dead", "--since", since).output
    with service.res.database.begin() as conn:
        conn.execute(tables.deliveries.update().values(state="dead"))
    assert "0 due" in resend("--dead", "--since", since, "--until", since).output
    until = "2100-01-01"
    refused = resend("--dead", "--since", since, "--until", until, text="n\n")
    assert refused.exit_code == exits.FAILED
    assert "1 delivery of what was written since" in refused.output
    assert service.rows(tables.deliveries)[0].state == "dead"
    assert "1 due" in resend("--dead", "--since", since, "--until", until, "--yes").output
    (again,) = service.rows(tables.deliveries)
    assert again.state == "pending"
    for wrong in ([], ["msg_x", "--since", since], ["msg_x", "--dead"]):
        assert resend(*wrong).exit_code == 2
