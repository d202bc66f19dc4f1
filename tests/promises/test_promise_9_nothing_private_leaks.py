"""Promise 9: no secret, credential, code or personal datum in logs, errors or task arguments."""

import io
import logging
import re

import pytest

from tests.kit.factories import API_TOKEN, WEBHOOK_SECRET, an_event
from tests.kit.psql import psql
from tests.kit.workers import take_messages


@pytest.fixture
def logged():
    """What production would have printed so far, the libraries' lines at every level among it."""
    text = io.StringIO()
    root = logging.getLogger()
    (printer,) = [handler for handler in root.handlers if type(handler) is logging.StreamHandler]
    level, before = root.level, printer.setStream(text)
    root.setLevel(logging.DEBUG)
    yield text.getvalue
    root.setLevel(level)
    printer.setStream(before)


def a_whole_life(service, upstream):
    """Credentials refused and given anew, a code, syncs with changes, failures on the way; return the Items."""
    refused = upstream.connect("user-bad", products=None, parameters={"password": "hunter2-the-password"})
    asked = upstream.connect(connector=5)
    service.catch_up()
    upstream.update(refused, {"user": "user-ok", "password": "password-ok"})
    upstream.answer_mfa(asked, token="123456")
    service.catch_up()
    upstream.later(days=2)
    upstream.evolve(refused, "add", "edit", "remove")
    upstream.run(refused)
    upstream.fail({"endpoint": "GET /v2/transactions", "do": "status", "status": 500, "times": 4})
    service.catch_up()
    upstream.fail()
    return refused, asked


def test_a_whole_life_of_items_leaves_nothing_private_in_the_logs(service, upstream, settings, logged):
    items = a_whole_life(service, upstream)

    text = logged()
    assert "sync.done" in text
    assert_nothing_private(text, settings, [upstream.truth(item_id) for item_id in items])


def assert_nothing_private(text, settings, truths):
    secrets = {
        "client secret": settings.pluggy_client_secret,
        "webhook secret": WEBHOOK_SECRET,
        "api token": API_TOKEN,
        "secret key": settings.secret_key,
        "password": "password-ok",
        "wrong password": "hunter2-the-password",
        "code": "123456",
        "api key": "eyJ",  # a JWT begins so
        "api key header": "X-API-KEY",
        "person": "user-42",
    }
    for what, value in secrets.items():
        assert value not in text, what
    for truth in truths:
        for raw in truth["transactions"]:
            for value in (raw["description"], raw["descriptionRaw"]):
                assert not value or value not in text
            # Two digits also stand in times and counts; an amount with cents does not.
            amount = str(raw["amount"])
            assert "." not in amount or not re.search(rf"(?<![\d.:]){re.escape(amount)}(?![\d.])", text), amount
        for account in truth["accounts"]:
            assert account["number"] not in text or len(account["number"]) < 5
            assert f'"{account["number"]}"' not in text
            assert account.get("owner") is None or account["owner"] not in text
        identity = truth["identity"] or {}
        for key in ("fullName", "document", "taxNumber"):
            assert not identity.get(key) or str(identity[key]) not in text, key


def test_a_fault_of_ours_is_logged_without_what_it_was_working_on(service, upstream, logged, monkeypatch, settings):
    item_id = upstream.connect()
    service.deliver(*upstream.take_events())

    def fail(*_args, **_more):
        secret = upstream.truth(item_id)["transactions"][0]["description"]
        raise RuntimeError(f"could not store {secret}")

    monkeypatch.setattr("pluggy_sync.store.transactions.merge", fail)
    try:
        service.work()
    except RuntimeError:
        logging.getLogger("celery").exception("as a worker logs it")
    description = upstream.truth(item_id)["transactions"][0]["description"]
    stored = [*[str(run.error) for run in service.runs()], *[str(row.error) for row in service.events()]]

    assert description not in "".join(stored)
    assert "RuntimeError" in logged()
    assert description not in logged()


def test_a_row_that_postgres_refuses_is_not_quoted(service, upstream, logged, database_url):
    item_id = upstream.connect()
    service.deliver(*upstream.take_events())
    description = max((raw["description"] for raw in upstream.truth(item_id)["transactions"]), key=len)
    with psql(database_url) as conn:
        conn.execute("ALTER TABLE transactions ADD CONSTRAINT refused CHECK (length(id) < 5) NOT VALID")
    try:
        service.work()
    except Exception:
        logging.getLogger("celery").exception("as a worker logs it")
    finally:
        with psql(database_url) as conn:
            conn.execute("ALTER TABLE transactions DROP CONSTRAINT refused")

    stored = [*[str(run.error) for run in service.runs()], *[str(row.error) for row in service.events()]]
    assert "CheckViolation" in logged() or "IntegrityError" in logged()
    assert description not in logged()
    assert description not in "".join(stored)


def test_tasks_carry_ids_only(service, upstream, resources):
    item_id = upstream.connect(connector=5)
    events = upstream.take_events()
    service.deliver(*events, an_event("item/error", itemId=item_id, error={"code": "X", "message": "Maria"}))

    arguments = {argument for _, argument in take_messages(resources)}

    known = {event["eventId"] for event in events} | {row.event_id for row in service.events()}
    assert arguments <= known


def test_links_in_payloads_are_never_followed(service, upstream):
    item_id = upstream.connect()
    service.catch_up()
    upstream.take_requests()
    account = upstream.truth(item_id)["accounts"][0]["id"]
    link = f"{upstream.sandbox.url}/followed-a-link"

    service.deliver(
        an_event(
            "transactions/created",
            itemId=item_id,
            accountId=account,
            createdTransactionsLink=link,
            createdTransactionsLinkV2=link,
            transactionsCreatedAtFrom="2030-01-01T00:00:00.000Z",
        )
    )
    service.work_until_quiet()

    assert not [each for each in upstream.take_requests() if "followed" in each["path"]]


def test_credentials_and_codes_pass_through_and_are_never_stored(service, upstream, database_url):
    a_whole_life(service, upstream)

    with psql(database_url) as conn:
        tables = [
            name for (name,) in conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
        ]
        assert "user_actions" in tables
        for table in tables:
            for (row,) in conn.execute(f'SELECT t::text FROM "{table}" t'):
                assert "hunter2-the-password" not in row, table
                # The local bank's form says itself which password works, and its accounts have digits too.
                if table in ("user_actions", "outbox", "inbox", "sync_runs"):
                    assert "password-ok" not in row, table
                    assert "123456" not in re.sub(r"[0-9a-f]{8}-[0-9a-f-]+", "", row), table
