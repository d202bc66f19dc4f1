"""The `pluggy-sync` commands, on real Postgres, Valkey and a local Pluggy."""

import json
import re
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from console.cli import exits, main
from pluggy_sync import queue, rejections, wire
from pluggy_sync.engine import freshness_counting, sweep
from pluggy_sync.engine.sync import item as item_sync
from pluggy_sync.resources import Resources
from pluggy_sync.rules import ages
from pluggy_sync.rules.alerts import Code, Finding
from pluggy_sync.store import alerts, deliveries, freshness_counts, inbox, item_lease, items, metrics, tables
from tests.kit.factories import WEBHOOK_SECRET, an_environ, an_event, an_id
from tests.kit.planted_pluggy import AMOUNT, MARK, planted_pluggy
from tests.kit.pluggy import Upstream
from tests.kit.service import Service
from tests.kit.workers import take_messages


@pytest.fixture
def environ(service: Service) -> dict[str, str]:
    res = service.res
    return an_environ(
        DATABASE_URL=res.settings.database_url,
        REDIS_URL=res.settings.redis_url,
        PLUGGY_API_URL=res.settings.pluggy_api_url,
        PLUGGY_CLIENT_ID=res.settings.pluggy_client_id,
        PLUGGY_CLIENT_SECRET=res.settings.pluggy_client_secret,
    )


@pytest.fixture
def call(environ, tmp_path, monkeypatch):
    # Where neither a .env nor a run of `make up` has settings of its own.
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, text: str | None = None) -> Result:
        return CliRunner().invoke(main, arguments, env=environ, input=text)

    return run


def _hold(res: Resources, item_id: str, until: datetime) -> None:
    with res.database.begin() as conn:
        items.lock(conn, item_id, now=datetime.now(UTC))
        item_lease.acquire(conn, item_id, uuid.uuid4(), until=until)


def test_sync_mirrors_an_item_that_no_event_told_of(call, service, upstream):
    item_id = upstream.connect()

    result = call("sync", item_id)

    assert result.exit_code == 0, result.output
    assert "synced;" in result.output
    service.assert_mirrors(item_id)


def test_sync_repeated_changes_nothing_and_succeeds(call, service, upstream):
    item_id = upstream.connect()
    call("sync", item_id)

    result = call("sync", item_id)

    assert (result.exit_code, len(service.runs())) == (0, 1), result.output
    assert "up to date" in result.output


def test_sync_of_an_item_that_a_sync_run_has_says_so_and_reads_nothing(call, service, upstream):
    item_id = upstream.connect()
    _hold(service.res, item_id, datetime.now(UTC) + timedelta(minutes=5))
    upstream.take_requests()

    result = call("sync", item_id)

    assert result.exit_code == exits.GOES_ON
    assert "another sync run has" in result.output
    assert upstream.take_requests() == []


def test_sync_that_fails_at_pluggy_exits_1_with_the_reason(call, upstream):
    item_id = upstream.connect()
    upstream.fail({"endpoint": "GET /accounts", "do": "status", "status": 500})

    result = call("sync", item_id)

    assert result.exit_code == 1
    assert "500 for GET /accounts" in result.output


@pytest.mark.parametrize(
    "arguments, text, status",
    [
        (["sync"], None, exits.UNKNOWN),
        (["sync", "--deep"], None, exits.UNKNOWN),
        (["reconcile"], None, exits.UNKNOWN),
        (["import", "-"], "id", exits.FAILED),
    ],
)
def test_an_item_that_neither_side_knows_is_refused_and_nothing_is_stored_of_it(call, service, arguments, text, status):
    mistyped = an_id()

    result = call(*arguments, text=mistyped) if text else call(*arguments, mistyped)

    assert result.exit_code == status
    assert f"{mistyped}: unknown" in result.output
    assert "404" in result.output
    assert [service.rows(table) for table in (tables.items, tables.item_progress, tables.inbox)] == [[], [], []]


def test_an_item_of_which_pluggy_does_not_say_whether_it_is_there_is_not_stored(call, service, upstream):
    upstream.fail({"endpoint": "GET /items/{id}", "do": "status", "status": 500})

    result = call("sync", an_id())

    assert result.exit_code == 1
    assert "500 for GET /items/{id}" in result.output
    assert (service.rows(tables.items), service.rows(tables.inbox)) == ([], [])


def test_deep_sync_repairs_what_no_event_told_of(call, service, upstream):
    item_id = upstream.connect()
    call("sync", item_id)
    with service.res.database.begin() as conn:
        conn.execute(sa.delete(tables.transactions))

    result = call("sync", item_id, "--deep")

    assert result.exit_code == 0, result.output
    assert service.transaction_ids() == {each["id"] for each in upstream.truth(item_id)["transactions"]}


def test_import_syncs_each_item_and_names_bad_lines_without_losing_the_others(call, service, upstream, tmp_path: Path):
    one, other = upstream.connect(), upstream.connect()
    file = tmp_path / "items.csv"
    file.write_text(f"itemId,clientUserId\n{one},user-42\nnot an id\n\n{other}\n{one}\n{other},x,y\n")

    result = call("import", str(file))

    assert result.exit_code == 1
    assert "line 3:" in result.output
    assert "line 7:" in result.output
    assert "2 synced; 2 bad lines" in result.output
    service.assert_mirrors(one)
    service.assert_mirrors(other)


def test_import_again_goes_on_with_what_is_not_synced(call, upstream):
    one, other = upstream.connect(), upstream.connect()
    call("import", "-", text=one)
    upstream.take_requests()

    result = call("import", "-", text=f"{one}\n{other}\n")

    assert result.exit_code == 0, result.output
    assert "1 synced; 1 up to date" in result.output
    assert not any(one in each["path"] for each in upstream.take_requests())


def test_import_of_another_persons_item_fails_and_keeps_whose_it_is(call, service, upstream):
    item_id = upstream.connect()
    call("import", "-", text=f"{item_id},user-42")

    result = call("import", "-", text=f"{item_id},somebody-else")

    assert result.exit_code == 1
    assert service.item(item_id).client_user_id == "user-42"


def test_all_items_at_pluggy_are_imported_with_their_persons_where_it_lists_them(call, service):
    service.upstream.settings(listItemsEnabled=True)
    one = service.upstream.connect("user-ok", clientUserId="user-1")
    other = service.upstream.connect("user-ok", connector=500, clientUserId="user-2")
    service.upstream.take_events()

    result = call("import", "--all")

    assert "Pluggy lists 2 Items." in result.output
    assert (service.item(one).client_user_id, service.item(other).client_user_id) == ("user-1", "user-2")
    service.assert_mirrors(one)
    service.assert_mirrors(other)


def test_where_pluggy_lists_no_items_the_command_says_what_to_do_instead(call):
    result = call("import", "--all")

    assert result.exit_code == 1
    assert "opt-in" in result.output
    assert call("import").exit_code == exits.WRONG


def test_no_command_shows_amounts_or_texts_of_the_bank(call, environ, service, upstream: Upstream):
    item_id = upstream.connect(products=None)
    with planted_pluggy(environ["PLUGGY_API_URL"]) as planted:
        environ["PLUGGY_API_URL"] = planted.url
        first = call("sync", item_id).output
        event_id = _dead_event(service.res, item_id)
        with service.res.database.begin() as conn:
            # Digits alone are not marked.
            conn.execute(sa.update(tables.accounts).values(number=MARK))
        commands = (
            ["items", item_id],
            ["items", item_id, "--json"],
            ["items"],
            ["explain", item_id],
            ["explain", item_id, "--json"],
            ["events"],
            ["notifications", "--state", "pending"],
            ["sync", item_id, "--deep"],
        )
        outputs = [first, *(call(*command).output for command in commands)]

    # The bank's name, and the product's own id of its person, are what an operator goes by.
    said = "\n".join(outputs).replace(f"Pluggy Bank {MARK}", "").replace(f"user-42 {MARK}", "")
    assert event_id in said
    assert "rows added" in said
    assert MARK not in said
    assert str(AMOUNT) not in said
    assert all(MARK in row.description and float(row.amount) == AMOUNT for row in service.rows(tables.transactions))


def test_a_dead_event_is_listed_and_handled_when_sent_again(call, service, upstream):
    item_id = upstream.connect()
    event_id = _dead_event(service.res, item_id)
    assert event_id in call("events").output

    assert call("events", "resend", event_id).exit_code == 0
    service.work()

    with service.res.database.begin() as conn:
        assert inbox.get(conn, event_id).state == "handled"
    assert call("events", "resend", event_id).exit_code == exits.UNKNOWN


@pytest.mark.parametrize(
    "name, task", [("item/waiting_user_input", "handle_urgent_event"), ("item/updated", "handle_event")]
)
def test_an_event_that_a_person_waits_for_is_sent_again_before_the_rest(call, service, upstream, name, task):
    event_id = _dead_event(service.res, upstream.connect())
    with service.res.database.begin() as conn:
        conn.execute(sa.update(tables.inbox).where(tables.inbox.c.event_id == event_id).values(name=name))

    assert call("events", "resend", event_id).exit_code == 0

    assert take_messages(service.res) == [(task, event_id)]


def test_what_could_not_be_read_is_listed_and_read_anew_when_a_version_can(call, service, upstream):
    item_id = upstream.connect()
    upstream.take_events()
    headers = {"X-Webhook-Secret": WEBHOOK_SECRET, "Content-Type": "application/json"}
    # As an older version would have kept it: it could not read this.
    body = b'\xef\xbb\xbf{"event": "item/updated", "eventId": "e", "itemId": "%s"}' % item_id.encode()
    with service.res.database.begin() as conn:
        kept = {"event_id": "sha256:x", "name": "unparsable", "outcome": "unparsable", "state": "handled"}
        now = service.res.now()
        conn.execute(sa.insert(tables.inbox).values(**kept, raw=body, unread=["body"], received_at=now, due_at=now))
    service.web.post("/webhooks/pluggy", data=b"not JSON", headers=headers)
    listed = call("events", "--unread").output
    assert "sha256:x" in listed
    assert "unread: body" in listed
    assert "2 unread" in listed

    assert call("events", "resend", "sha256:x").exit_code == 0
    service.work()

    with service.res.database.begin() as conn:
        assert inbox.get(conn, "sha256:x") is None
        event = inbox.get(conn, "e")
        (still,) = inbox.newest(conn, state=None, unread=True, limit=10)
        raw = conn.scalar(sa.select(tables.inbox.c.raw).where(tables.inbox.c.event_id == "e"))
    assert (event.state, event.item_id, raw) == ("handled", item_id, None)
    assert service.item(item_id).status == "UPDATED"
    assert call("events", "resend", still.event_id).exit_code == exits.UNKNOWN


def test_a_dead_notification_is_due_again_when_sent_again(call, service, upstream):
    item_id = upstream.connect()
    call("sync", item_id)
    (row,) = service.rows(tables.outbox)
    (waiting,) = service.rows(tables.deliveries)
    with service.res.database.begin() as conn:
        deliveries.mark_dead(conn, waiting.id)
    assert row.id in call("notifications").output

    assert call("notifications", "resend", row.id).exit_code == 0

    (again,) = service.rows(tables.deliveries)
    assert (again.state, again.attempts) == ("pending", 0)
    assert call("notifications", "resend", "msg_none").exit_code == exits.UNKNOWN


def test_items_shows_state_freshness_and_runs(call, upstream):
    item_id = upstream.connect()
    call("sync", item_id)

    result = call("items", item_id)

    assert result.exit_code == 0, result.output
    for word in ("UPDATED / SUCCESS", "fresh since", "done"):
        assert word in result.output
    assert call("items", str(uuid.uuid4())).exit_code == exits.UNKNOWN


def test_items_are_listed_narrowed_and_searched(call, service, upstream):
    one = upstream.connect(clientUserId="user-1")
    other = upstream.connect("user-locked", clientUserId="user-2")
    service.catch_up()

    def found(*options):
        return {each["id"] for each in json.loads(call("items", "--json", *options).output)}

    assert found() == {one, other}
    assert found("--freshness", "waiting_for_person") == {other}
    assert found("--user", "user-1") == {one}
    assert found("--bank", "77") == set()
    assert found("--status", "UPDATED") == {one}
    assert found("user-2") == {other}
    assert found(one[:8].upper()) == {one}
    assert len(found("--limit", "1")) == 1
    listed = call("items").output
    assert one in listed
    assert "waiting_for_person" in listed


def test_a_bank_without_a_name_is_shown_by_its_number_also_by_0(call, service, upstream):
    item_id = upstream.connect()
    service.catch_up()
    with service.res.database.begin() as conn:
        conn.execute(sa.update(tables.items).values(connector_id=0))

    listed, one = call("items").output, call("items", item_id).output

    (row,) = [line.split() for line in listed.splitlines() if item_id in line]
    assert row[row.index("user-42") + 1] == "0"
    assert row[-1] == "0", "no action is open"
    (bank,) = [line for line in one.splitlines() if line.strip().startswith("bank")]
    assert "(0)" in bank


def test_explain_says_why_what_is_next_and_what_happened(call, service, upstream):
    item_id = upstream.connect("user-locked")
    service.catch_up()

    said = call("explain", item_id)

    assert said.exit_code == 0, said.output
    sentence = "Waits for its person"
    assert sentence in said.output
    assert said.output.index(sentence) < said.output.index("A person is asked: bank")
    assert "item/error came. Decided: a person must act" in said.output
    as_json = json.loads(call("explain", item_id, "--json").output)
    assert as_json["explanation"].startswith(sentence)
    assert "action_opened" in [each["kind"] for each in as_json["timeline"]]
    assert len(json.loads(call("explain", item_id, "--json", "--limit", "1").output)["timeline"]) == 1
    assert json.loads(call("explain", item_id, "--json", "--since", "2100-01-01").output)["timeline"] == []
    assert call("explain", an_id()).exit_code == exits.UNKNOWN
    assert call("explain", "mistyped").exit_code == exits.WRONG


def test_replay_counts_asks_and_handles_again(call, service, upstream):
    upstream.connect()
    service.catch_up()

    counted = call("replay", "--state", "handled", "--dry-run")
    refused = call("replay", "--since", "1h", text="n\n")
    done = call("replay", "--state", "handled", "--yes")

    number = len(service.events())
    assert counted.output == f"{number} events\n"
    assert (refused.exit_code, f"{number} events. Handle them once more?" in refused.output) == (1, True)
    assert f"{number} events queued" in done.output
    assert {event.state for event in service.events()} == {"stored"}
    service.work()
    assert {event.state for event in service.events()} == {"handled"}
    one = service.events()[0].event_id
    assert call("replay", one).output == "1 event queued\n"
    assert call("replay", "--name", "none/such").exit_code == exits.UNKNOWN
    assert call("replay").exit_code == exits.WRONG


def test_webhooks_are_listed_checked_registered_and_rotated_without_showing_a_secret(call, environ, upstream):
    environ |= {"PUBLIC_URL": "https://sync.example.com"}
    missing = call("webhooks", "check")
    made = call("webhooks", "register")
    environ |= {"WEBHOOK_SECRETS": f"the-new-secret-of-ours,{WEBHOOK_SECRET}"}
    rotated = call("webhooks", "rotate")
    listed, well = call("webhooks", "list"), call("webhooks", "check")

    assert (missing.exit_code, "none of the 1 webhooks is to our address" in missing.output) == (exits.FAILED, True)
    assert (made.exit_code, "all to https://sync.example.com/webhooks/pluggy" in made.output) == (0, True)
    assert (rotated.exit_code, well.exit_code, listed.exit_code) == (0, 0, 0)
    (ours,) = [each for each in json.loads(call("webhooks", "list", "--json").output) if each["isOurs"]]
    assert (ours["event"], ours["headers"]) == ("all", ["X-Webhook-Secret"])
    assert ours["id"] in listed.output
    (there,) = [each for each in upstream.sandbox.api("GET", "/webhooks")["results"] if each["id"] == ours["id"]]
    assert there["headers"] == {"X-Webhook-Secret": "the-new-secret-of-ours"}
    for each in (missing, made, rotated, listed, well):
        assert WEBHOOK_SECRET not in each.output
        assert "the-new-secret" not in each.output


def test_a_webhook_with_a_wrong_secret_is_said_and_what_came_of_it_is_counted(call, environ, service, upstream, clock):
    environ |= {"PUBLIC_URL": "https://sync.example.com"}
    url = "https://sync.example.com/webhooks/pluggy"
    carried = {"item/updated": {"X-Webhook-Secret": "another"}, "item/error": {}}
    carried["item/created"] = {"X-Webhook-Secret": WEBHOOK_SECRET}
    for event, headers in carried.items():
        upstream.sandbox.api("POST", "/webhooks", {"url": url, "event": event, "headers": headers})
    before = call("webhooks", "list").output
    service.deliver(an_event("item/updated", itemId=an_id()))
    for _ in range(5):
        rejections.count(service.res, why=rejections.WRONG, address="10.0.0.9")

    listed, checked = call("webhooks", "list"), call("webhooks", "check")
    as_json = json.loads(call("webhooks", "list", "--json").output)
    faults = json.loads(call("webhooks", "check", "--json").output)

    assert sorted(each["secret"] for each in as_json if each["isOurs"]) == ["missing", "right", "wrong"]
    assert "working" not in listed.output
    assert re.search(r"last delivery taken +none\n", before)
    assert re.search(r"last delivery taken +.*Z\n", listed.output)
    assert "5 in 20 minutes: 5 from 10.0.0.9 with a wrong secret" in listed.output
    assert "5 from 10.0.0.9" in checked.output
    assert "answered 401" in [each["kind"] for each in faults]
    environ |= {"DATABASE_URL": "postgresql://127.0.0.1:1/none"}
    assert "not known: Postgres does not answer" in call("webhooks", "list").output


def test_duplicates_at_pluggy_are_named_before_they_are_removed(call, environ, upstream):
    environ |= {"PUBLIC_URL": "https://sync.example.com"}
    call("webhooks", "register")
    url = "https://sync.example.com/webhooks/pluggy"
    other = upstream.sandbox.api("POST", "/webhooks", {"url": url, "event": "item/updated"})["id"]

    refused = call("webhooks", "register", "--remove-others", text="n\n")
    kept = [each["id"] for each in upstream.sandbox.api("GET", "/webhooks")["results"]]
    done = call("webhooks", "register", "--remove-others", "--yes")

    assert (refused.exit_code, f"{other} (item/updated). Remove?" in refused.output) == (exits.FAILED, True)
    assert other in kept
    assert done.exit_code == 0, done.output
    assert other not in [each["id"] for each in upstream.sandbox.api("GET", "/webhooks")["results"]]


# Of what acts, these take a range or all there is.
_OF_MANY = {"since", "until", "remove_others", "dry_run"}


def _commands(group: click.Group, context: click.Context, path: tuple[str, ...] = ()):
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from _commands(command, context, (*path, name))


def test_a_command_that_acts_on_many_at_once_can_be_told_not_to_ask_for_it_asks():
    asking = {}
    for path, command in _commands(main, click.Context(main)):
        options = {each.name for each in command.params}
        # Lists have a limit.
        if options & _OF_MANY and "limit" not in options:
            asking[" ".join(path)] = "yes" in options

    assert len(asking) >= 5
    assert all(asking.values()), asking


def test_rotating_without_a_second_secret_is_refused_before_anything_is_lost(call, upstream):
    result = call("webhooks", "rotate")

    assert result.exit_code == exits.FAILED
    assert "Put the new secret before it" in result.output


def test_status_shows_what_waits_and_exits_by_what_is_wrong(call, environ, service, upstream):
    item_id = upstream.connect()
    service.catch_up()
    _dead_event(service.res, item_id)
    sweep.sweep(service.res)

    well = call("status")
    assert well.exit_code == 0, well.output
    assert "0 wait, 1 dead letters" in well.output
    assert re.search(r"Last sweep +(just now|\d+ seconds? ago|in \d+ seconds?)", well.output)
    with service.res.begin() as tx:
        alerts.see(tx.conn, Finding(code=Code.DISK_LOW, subject="spill", detail="9 MB left"), now=service.res.now())
    alarmed = call("status")
    assert alarmed.exit_code == exits.FAILED
    assert "9 MB left" in alarmed.output
    assert re.search(r"Last seen.+Last looked", alarmed.output)
    known = json.loads(call("status", "--json").output)
    assert known["events"] == {"waiting": 0, "dead": 1}
    assert known["alerts"][0]["lastSeenAt"] is not None
    assert known["alerts"][0]["lookedAt"] is None
    assert sum(known["items"]["byStatus"].values()) == 1
    assert known["alerts"][0]["code"] == "disk_low"
    assert set(known["queues"]) == set(queue.QUEUE_OF_TASK.values())

    environ["REDIS_URL"] = "redis://127.0.0.1:1/0"
    without_redis = call("status")
    assert without_redis.exit_code == exits.UNAVAILABLE
    assert "9 MB left" in without_redis.output
    environ["DATABASE_URL"] = "postgresql://127.0.0.1:1/none"
    assert call("status", "--json").exit_code == exits.UNAVAILABLE


def test_status_says_when_the_items_were_counted(call, service, upstream, clock):
    upstream.connect()
    service.catch_up()

    before = call("status").output
    clock.advance(hours=-1)
    freshness_counting.count(service.res)
    with service.res.database.begin() as conn:
        metrics.count_items(conn, now=service.res.now(), unless_since=service.res.now())
        moments = (freshness_counts.last_counted(conn), metrics.items_counted_at(conn))
    after, known = call("status").output, json.loads(call("status", "--json").output)["items"]

    by_freshness, by_status = (ages.at(each, datetime.now(UTC), seconds=True) for each in moments)
    assert before.count("not counted yet") == 2
    assert f"1 fresh; as of {by_freshness}" in after
    assert f"1 UPDATED; as of {by_status}" in after
    assert [known["byFreshnessAt"], known["byStatusAt"]] == [wire.to_text(each) for each in moments]


def test_explain_does_not_call_an_item_fresh_while_an_event_of_it_waits(call, service, upstream):
    item_id = upstream.connect()
    service.catch_up()
    upstream.run(item_id)
    service.deliver(*upstream.take_events())

    said, shown = call("explain", item_id).output, call("items", item_id).output
    as_json = json.loads(call("explain", item_id, "--json").output)

    assert "unhandled since" in said.splitlines()[0]
    assert "fresh as last fetched" in said
    assert "unhandled since" in shown
    assert as_json["news"]["events"] > 0
    assert "Fresh" not in as_json["explanation"]


def test_import_goes_on_when_the_sync_run_that_had_the_item_has_ended(call, service, upstream, monkeypatch):
    item_id = upstream.connect()
    sync_item, attempts = item_sync.sync_item, []

    def passed_over_at_first(res, wanted):
        # As when the other run's lease ends between the attempt and the look at how it went.
        attempts.append(wanted)
        if len(attempts) > 1:
            sync_item(res, wanted)

    monkeypatch.setattr(item_sync, "sync_item", passed_over_at_first)

    result = call("import", "-", text=item_id)

    assert result.exit_code == 0, result.output
    assert attempts == [item_id, item_id]
    service.assert_mirrors(item_id)


@pytest.mark.parametrize("columns", ["40", "80", "200"])
def test_a_terminal_of_any_width_shows_whole_ids(call, environ, service, upstream, columns):
    item_id = upstream.connect()
    event_id = _dead_event(service.res, item_id)
    environ |= {"TTY_COMPATIBLE": "1", "COLUMNS": columns, "NO_COLOR": "1"}

    shown = call("events").output

    assert event_id in shown
    assert item_id in shown
    assert "…" not in shown
    assert "dead" in shown


def test_ages_are_words_and_json_has_the_moments(call, service, upstream):
    item_id = upstream.connect()
    event_id = _dead_event(service.res, item_id)

    (as_json,) = json.loads(call("events", "--json").output)

    assert re.search(r"\d+ seconds? ago|just now", call("events").output)
    assert (as_json["id"], as_json["itemId"], as_json["state"]) == (event_id, item_id, "dead")
    assert datetime.fromisoformat(as_json["receivedAt"]).tzinfo is not None


def test_lists_are_narrowed_to_an_item_a_time_and_a_number(call, service, upstream):
    one, other = upstream.connect(), upstream.connect()
    of_one, of_other = _dead_event(service.res, one), _dead_event(service.res, other)

    def listed(*options):
        return {each["id"] for each in json.loads(call("events", "--json", *options).output)}

    assert listed() == {of_one, of_other}
    assert listed("--item", one) == {of_one}
    assert listed("--limit", "1") == {of_other}
    assert listed("--since", "1h") == {of_one, of_other}
    assert listed("--since", "2100-01-01") == set()
    assert json.loads(call("notifications", "--json", "--item", one, "--since", "1h").output) == []


@pytest.mark.parametrize("colour", ["1", "0"])
def test_states_have_a_colour_unless_none_is_wanted(call, environ, service, upstream, colour):
    _dead_event(service.res, upstream.connect())
    environ |= {"TTY_COMPATIBLE": "1", "COLUMNS": "200", "TERM": "xterm"} | ({"NO_COLOR": "1"} if colour == "0" else {})

    assert ("\x1b[1;31mdead" in call("events").output) == (colour == "1")


def _dead_event(res: Resources, item_id: str) -> str:
    with res.database.begin() as conn:
        event_id = inbox.request_fetch(conn, item_id, why="test", now=res.now())
        inbox.mark_dead(conn, event_id, "503 for GET /items/{id}", now=res.now())
    return event_id
