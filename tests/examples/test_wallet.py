"""The wallet believes only what is signed, keeps each notification once, and shows a person their own."""

import base64
import html
import importlib.util
import json
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook

from tests.kit.scripted_server import Reply, scripted_server

FOLDER = Path(__file__).parents[2] / "examples" / "wallet"
SECRET, OTHER = ("whsec_" + base64.b64encode(text).decode() for text in (b"a secret", b"another secret"))
BODY = json.dumps(
    {"type": "item.synced", "timestamp": "2026-01-31T03:00:00.000Z", "data": {"itemId": "i1", "cursor": "c7"}}
)
ITEM = {"id": "i1", "connector": {"name": "<b>Bank</b>"}, "freshness": {"state": "waiting_for_person"}}
ACTION = {"id": "act_1", "clientUserId": "ana", "text": {"en": {"title": "Type the code", "body": "It asks."}}}
ACCOUNT = {"name": "Conta", "number": "1-2", "currencyCode": "BRL", "balance": 1234, "missingSince": None}


@pytest.fixture
def service():
    """The service as the wallet sees it."""
    answers = {
        "/v1/items": {"results": [ITEM]},
        "/v1/items/i1/accounts": {"results": [ACCOUNT, {**ACCOUNT, "name": "Old", "missingSince": "2026"}]},
        "/v1/actions": {"results": [ACTION]},
        "/v1/actions/act_1": ACTION,
        "/v1/actions/act_2": {**ACTION, "clientUserId": "another"},
        "/v1/actions/act_1/page-link": {"pageUrl": "https://sync.example/act/x"},
        "/v1/items/i1/transactions/sync": {
            "added": [
                {"id": "t1", "description": "<i>Padaria</i>", "amount": -1234567.89, "currencyCode": "BRL"},
                {"id": "t2", "description": "Loja", "amount": 0.5, "currencyCode": "USD"},
            ],
            "modified": [],
            "removed": [{"id": "gone-1"}],
        },
        "/v1/connect-tokens": {"accessToken": "token"},
    }

    def answer(asked):
        return Reply(answers[asked.path]) if asked.path in answers else Reply(status=503)

    with scripted_server(answer) as running:
        yield running


@pytest.fixture
def wallet(service, tmp_path, monkeypatch):
    for name, value in {
        "SYNC": service.url,
        "TOKEN": "the-token",
        "PRODUCT_WEBHOOK_SECRET": f"{SECRET},{OTHER}",
        "WALLET_FILE": str(tmp_path / "wallet.sqlite"),
    }.items():
        monkeypatch.setenv(name, value)
    spec = importlib.util.spec_from_file_location("wallet_of_the_tests", FOLDER / "app.py")
    module = importlib.util.module_from_spec(spec)
    # Flask looks there for the folder of its templates.
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    yield module.app.test_client()
    module.sync.close()


def signed(*secrets, body=BODY, id_="msg_1", sent_at=None):
    moment = sent_at or datetime.now(UTC)
    return {
        "webhook-id": id_,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(id_, moment, body) for secret in secrets),
    }


def told(wallet):
    return wallet.get("/notifications").get_json()


def test_it_has_at_most_150_lines():
    lines = [
        line
        for file in FOLDER.rglob("*.*")
        if file.suffix in (".py", ".html")
        for line in file.read_text().splitlines()
    ]

    assert len(lines) <= 150
    assert max(map(len, lines)) <= 145


@pytest.mark.parametrize("secrets", [[SECRET], [OTHER, SECRET]], ids=["one", "while it rotates"])
def test_a_signed_notification_is_kept(wallet, secrets):
    assert wallet.post("/notifications", data=BODY, headers=signed(*secrets)).status_code == 200

    assert [(each["id"], each["data"]["itemId"]) for each in told(wallet)["results"]] == [("msg_1", "i1")]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        signed(OTHER),
        signed(SECRET, body=BODY + " "),
        signed(SECRET, sent_at=datetime.now(UTC) - timedelta(hours=1)),
    ],
    ids=["unsigned", "other secret", "other body", "old"],
)
def test_what_is_not_signed_well_is_refused_and_counted(wallet, headers):
    assert wallet.post("/notifications", data=BODY, headers=headers).status_code == 401

    assert told(wallet) == {"results": [], "refused": 1}


def test_a_repeated_notification_is_accepted_and_kept_once(wallet):
    answers = [wallet.post("/notifications", data=BODY, headers=signed(SECRET)).get_json() for _ in range(2)]

    assert answers == [{"result": "kept"}, {"result": "repeated"}]
    assert len(told(wallet)["results"]) == 1


def test_it_logs_what_came_and_nothing_of_what_the_person_is_asked(wallet, capsys):
    action = {"kind": "mfa", "parameter": {"label": "planted"}}
    body = json.dumps({"type": "item.action_required", "timestamp": "t", "data": {"itemId": "i1", "action": action}})
    wallet.post("/notifications", data=body, headers=signed(SECRET, body=body))

    line = capsys.readouterr().out

    assert json.loads(line)["type"] == "item.action_required"
    assert "planted" not in line


def test_the_page_shows_accounts_and_needs_and_what_changed_with_the_last_sync(wallet, service):
    wallet.post("/notifications", data=BODY, headers=signed(SECRET))

    page = wallet.get("/").text

    for words in ("Conta", "waiting for person", "Type the code", "gone-1"):
        assert words in page
    amounts = [html.unescape(each).replace("\N{NO-BREAK SPACE}", " ") for each in re.findall("<b>(.*?)</b>", page)]
    # As Brazilians write money, and of what is gone none.
    assert amounts == ["R$ 1.234,00", "-R$ 1.234.567,89", "USD 0,50", ""]
    assert "Old" not in page
    assert "&lt;b&gt;Bank" in page
    assert "<i>Padaria" not in page
    asked = {each.path: each for each in service.asked}
    assert asked["/v1/items"].query == {"clientUserId": "ana"}
    assert asked["/v1/items/i1/transactions/sync"].query["cursor"] == "c7"
    assert asked["/v1/items"].headers["Authorization"] == "Bearer the-token"


def test_a_person_is_sent_to_their_page_and_has_a_way_back(wallet, service):
    answer = wallet.post("/act/act_1")

    assert (answer.status_code, answer.location) == (302, "https://sync.example/act/x")
    (made,) = [each for each in service.asked if each.path.endswith("page-link")]
    assert json.loads(made.body) == {"returnUrl": "http://localhost/"}


def test_the_action_of_another_person_is_not_opened(wallet, service):
    assert wallet.post("/act/act_2").status_code == 404
    assert not [each for each in service.asked if each.path.endswith("page-link")]


def test_the_widget_gets_a_token_for_the_person(wallet, service):
    assert wallet.post("/connect").get_json() == {"accessToken": "token"}
    assert json.loads(service.asked[-1].body) == {"clientUserId": "ana"}


def test_while_the_service_is_away_it_says_so_and_keeps_what_comes(wallet):
    assert wallet.post("/act/act_unknown").status_code == 503
    assert wallet.post("/notifications", data=BODY, headers=signed(SECRET)).status_code == 200
