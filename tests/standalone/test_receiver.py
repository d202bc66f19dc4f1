"""The stand-in for the product believes only what is signed, and keeps each notification once."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks.webhooks import Webhook

from standalone.receiver import NEWEST, Mailbox, create_app

OLD, NEW = ("whsec_" + base64.b64encode(text).decode() for text in (b"old secret", b"new secret"))
BODY = json.dumps({"type": "item.synced", "timestamp": "2026-01-31T03:00:00.000Z", "data": {"itemId": "i1"}})


@pytest.fixture
def mailbox(tmp_path):
    return Mailbox(tmp_path / "kept.jsonl")


@pytest.fixture
def product(mailbox):
    return create_app([OLD, NEW], mailbox, [("The service", "http://127.0.0.1:8000/")]).test_client()


def signed(secret, *, body=BODY, id_="msg_1", sent_at=None):
    moment = sent_at or datetime.now(UTC)
    return {
        "webhook-id": id_,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(secret).sign(id_, moment, body),
    }


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_a_notification_signed_with_any_valid_secret_is_kept(product, secret):
    response = product.post("/", data=BODY, headers=signed(secret))

    assert response.status_code == 200
    [kept] = product.get("/notifications").json["results"]
    assert kept["id"] == "msg_1"
    assert kept["data"] == {"itemId": "i1"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        signed("whsec_" + base64.b64encode(b"another secret").decode()),
        signed(OLD, body=BODY + " "),
        signed(OLD, sent_at=datetime.now(UTC) - timedelta(hours=1)),
    ],
    ids=["unsigned", "other secret", "other body", "old"],
)
def test_what_is_not_signed_well_is_refused_and_counted(product, headers):
    response = product.post("/", data=BODY, headers=headers)

    assert response.status_code == 401
    assert product.get("/notifications").json == {"results": [], "repeated": 0, "refused": 1}


def test_a_repeated_notification_is_accepted_and_kept_once(product):
    product.post("/", data=BODY, headers=signed(OLD))

    response = product.post("/", data=BODY, headers=signed(OLD))

    assert response.status_code == 200
    state = product.get("/notifications").json
    assert (len(state["results"]), state["repeated"]) == (1, 1)


def test_what_was_kept_outlasts_the_process(product, tmp_path):
    product.post("/", data=BODY, headers=signed(OLD))

    again = Mailbox(tmp_path / "kept.jsonl")

    assert [entry["id"] for entry in again.all()] == ["msg_1"]


def test_its_page_shows_what_came_and_leads_on_to_the_service(product):
    assert "None yet" in product.get("/").text
    product.post("/", data=BODY, headers=signed(OLD))

    page = product.get("/").text

    assert "item.synced" in page
    assert "1 kept" in page
    assert '<a href="http://127.0.0.1:8000/">The service</a>' in page


def test_what_a_notification_holds_is_no_markup_on_its_page(product):
    body = json.dumps({"type": "<script>", "timestamp": "t", "data": {"itemId": "<b>", "action": {"kind": "<i>"}}})
    product.post("/", data=body, headers=signed(OLD, body=body))

    page = product.get("/").text

    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "<b>" not in page
    assert "<i>" not in page


def test_it_logs_a_line_for_each_new_notification_without_what_the_person_is_asked(product, capsys):
    action = {"kind": "mfa", "parameter": {"label": "planted"}}
    body = json.dumps({"type": "item.action_required", "timestamp": "t", "data": {"itemId": "i1", "action": action}})
    for _ in range(2):
        product.post("/", data=body, headers=signed(OLD, body=body))

    [line] = capsys.readouterr().out.splitlines()
    assert json.loads(line)["kind"] == "mfa"
    assert "planted" not in line


def test_its_page_says_whose_each_notification_is_and_what_it_says(product):
    run = {"added": 3, "modified": 0, "removed": 1}
    told = [
        {"type": "item.synced", "data": {"itemId": "i1", "clientUserId": "user-42", "run": run}},
        {
            "type": "item.sync_failed",
            "data": {"itemId": "i2", "clientUserId": None, "run": {"error": "503 for GET /x"}},
        },
        {"type": "connector.status_changed", "data": {"connectorId": 2, "name": "Pluggy Bank", "status": "OFFLINE"}},
    ]
    for number, each in enumerate(told):
        body = json.dumps({"timestamp": "t", **each})
        product.post("/", data=body, headers=signed(OLD, body=body, id_=f"msg_{number}"))

    page = product.get("/").text

    for words in ("user-42", "3 added, 0 modified, 1 removed", "503 for GET /x", "Pluggy Bank, OFFLINE"):
        assert words in page
    assert "None" not in page
    assert "are shown here" not in page


def test_its_page_says_that_it_shows_only_the_newest(product):
    for number in range(NEWEST + 1):
        product.post("/", data=BODY, headers=signed(OLD, id_=f"msg_{number}"))

    page = product.get("/").text

    assert page.count(">item.synced</td>") == NEWEST
    assert f"{NEWEST + 1} kept" in page
    assert f"The newest {NEWEST} are shown here" in page


def test_its_page_has_an_icon(product):
    assert 'href="/favicon.ico"' in product.get("/").text
    assert product.get("/favicon.ico").status_code == 200
