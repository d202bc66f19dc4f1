"""Pluggy's go-live list: each line is seen to pass, and to say what is wrong."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from console.checkup import go_live
from pluggy_sync import events, queue
from pluggy_sync.engine import sweep, watchdog
from pluggy_sync.store import endpoints, inbox, schedule, tables
from tests.kit.factories import WEBHOOK_SECRET, a_raw_connector, a_raw_item, an_event, an_id

HTTPS = "https://sync.example.com"


@pytest.fixture
def verdict(said):
    """Return the verdict of one line."""

    def verdict(check, res):
        ((found, _),) = said(check, res).values()
        return found

    return verdict


def test_the_ten_lines_of_the_list_are_each_looked_at(resources):
    assert [int(about.split()[0]) for about, _ in go_live.LINES] == list(range(1, 11))


def test_credentials(verdict, with_settings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    real = with_settings(pluggy_api_url="https://api.pluggy.ai")
    assert verdict(go_live.credentials, real) == "pass"
    assert verdict(go_live.credentials, with_settings()) == "heads-up"
    file = Path(".env")
    file.write_text("PLUGGY_CLIENT_SECRET=x")
    file.chmod(0o640)
    assert verdict(go_live.credentials, real) == "problem"
    file.chmod(0o600)
    assert verdict(go_live.credentials, real) == "pass"


def add_items(res, *persons, **raw):
    with res.database.begin() as conn:
        for person in persons:
            row = {
                "id": an_id(),
                "first_seen_at": res.now(),
                "client_user_id": person,
                "connector_id": 2,
                "status": "UPDATED",
            }
            conn.execute(sa.insert(tables.items).values(**row, raw=a_raw_item(**raw)))


@pytest.mark.parametrize(
    "persons, expected",
    [([], "not seen"), (["a", "b"], "pass"), (["a"], "pass"), (["a", None], "heads-up"), (["a", "a"], "problem")],
)
def test_connect_tokens(verdict, resources, persons, expected):
    add_items(resources, *persons)

    assert verdict(go_live.connect_tokens, resources) == expected


def test_registration(verdict, with_settings, upstream):
    assert verdict(go_live.registration, with_settings(public_url="http://127.0.0.1:8000")) == "problem"
    res = with_settings(public_url=HTTPS)
    assert verdict(go_live.registration, res) == "problem"

    headers = {"X-Webhook-Secret": WEBHOOK_SECRET}
    upstream.sandbox.api("POST", "/webhooks", {"url": f"{HTTPS}/webhooks/pluggy", "event": "all", "headers": headers})
    assert verdict(go_live.registration, res) == "heads-up"

    with res.database.begin() as conn:
        for name in ("item/created", "item/updated", "item/error", *events_of_transactions()):
            inbox.record(conn, events.of_payload(an_event(name, itemId=an_id())), received_at=res.now())
    assert verdict(go_live.registration, res) == "pass"


def events_of_transactions():
    return [events.TRANSACTIONS_CREATED, events.TRANSACTIONS_UPDATED, events.TRANSACTIONS_DELETED]


def test_handling(verdict, resources, clock):
    assert verdict(go_live.handling, resources) == "pass"
    with resources.database.begin() as conn:
        event = inbox.record(conn, events.of_payload(an_event(itemId=an_id())), received_at=resources.now())
    clock.advance(minutes=20)
    assert verdict(go_live.handling, resources) == "problem"

    with resources.database.begin() as conn:
        inbox.mark_dead(conn, event.event_id, "x", now=resources.now())
    assert verdict(go_live.handling, resources) == "heads-up"


def test_environment(verdict, with_settings):
    assert verdict(go_live.environment, with_settings()) == "heads-up"
    real = with_settings(pluggy_api_url="https://api.pluggy.ai")
    with real.database.begin() as conn:
        conn.execute(sa.insert(tables.connectors).values(id=2, name="Pluggy Bank", updated_at=real.now()))
    add_items(real, "a", connector=a_raw_connector(isSandbox=False))
    assert verdict(go_live.environment, real) == "pass"

    with real.database.begin() as conn:
        conn.execute(sa.delete(tables.items))
    add_items(real, "a", connector=a_raw_connector(isSandbox=True))
    assert verdict(go_live.environment, real) == "heads-up"


def test_update_flow(verdict, with_settings):
    assert verdict(go_live.update_flow, with_settings()) == "heads-up"
    res = with_settings(product_webhook_url="http://127.0.0.1:1/")
    with res.database.begin() as conn:
        endpoints.follow_settings(conn, res.settings.product_webhook_url)
    assert verdict(go_live.update_flow, res) == "heads-up"

    named = with_settings(product_webhook_url="http://127.0.0.1:1/", product_name="Carteira")
    assert verdict(go_live.update_flow, named) == "pass"


def test_security(verdict, with_settings):
    assert verdict(go_live.security, with_settings(public_url="http://127.0.0.1:8000")) == "problem"
    assert (
        verdict(go_live.security, with_settings(public_url=HTTPS, webhook_secrets=("aaaaaaaaaaaaaaaa",))) == "problem"
    )
    assert verdict(go_live.security, with_settings(public_url=HTTPS)) == "heads-up"


def test_good_form(verdict, resources, clock):
    assert verdict(go_live.good_form, resources) == "problem"
    sweep.sweep(resources)
    assert verdict(go_live.good_form, resources) == "not seen"
    watchdog.watch_pluggy(resources)
    assert verdict(go_live.good_form, resources) == "pass"

    clock.advance(minutes=16)
    assert verdict(go_live.good_form, resources) == "problem"
    with resources.database.begin() as conn:
        assert schedule.last_done(conn, queue.WATCH_PLUGGY) is not None


@pytest.mark.parametrize("check", [go_live.strategy, go_live.consent])
def test_what_the_service_does_by_itself_is_said_with_the_reason(verdict, resources, check):
    assert verdict(check, resources) == "pass"
